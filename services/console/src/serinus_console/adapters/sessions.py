"""A browser's session: its cookie is a key, under whose digest Redis holds the bearer token, sealed by that key.

So neither the cookie nor Redis alone tells the token, every replica of the console knows the session, and signing out
ends it.
"""

import asyncio
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from serinus_contracts import Keys
from serinus_runtime import scripts
from serinus_runtime.redis import Client

PATIENCE = 2.0
_BEGIN = "return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])"


class Sessions:
    """Sessions of browsers: a token, sealed by a key that only the cookie has."""

    def __init__(self, client: Client, keys: Keys, seconds: int) -> None:
        self._client, self._keys, self.seconds = client, keys, seconds
        # Whoever wants to abort a release must be able to sign in first.
        self._begin = scripts.Script(client, _BEGIN, scripts.COMMANDING)

    async def begin(self, token: str) -> str:
        """The cookie of a new session."""
        cookie = Fernet.generate_key()
        await self._begin(keys=[self._key(cookie)], args=[Fernet(cookie).encrypt(token.encode()), self.seconds])
        return cookie.decode()

    async def token(self, cookie: str) -> str | None:
        """The token of a session, None if there is none (any more)."""
        async with asyncio.timeout(PATIENCE):  # a page is shown without, rather than not at all
            sealed = await self._client.get(self._key(cookie.encode()))
        try:
            return None if sealed is None else Fernet(cookie).decrypt(sealed).decode()
        except (InvalidToken, ValueError):
            return None

    async def end(self, cookie: str) -> None:
        """The session is over; a cookie that is kept opens nothing."""
        await self._client.delete(self._key(cookie.encode()))

    def _key(self, cookie: bytes) -> str:
        return self._keys.session(hashlib.sha256(cookie).hexdigest())
