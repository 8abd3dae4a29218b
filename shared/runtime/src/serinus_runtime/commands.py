"""Sending what people ask for, also to a Redis that is full."""

from serinus_contracts import CommandIssued, Keys, seal, to_entry
from serinus_contracts.base import Millis

from serinus_runtime import scripts
from serinus_runtime.redis import Client

MAX_COMMANDS = 10_000
_SEND = "return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 2))"


class Commands:
    def __init__(self, client: Client, keys: Keys) -> None:
        self._stream = keys.stream("commands")
        self._send = scripts.Script(client, _SEND, scripts.ACTING)

    async def send(self, command: CommandIssued, *, source: str, now: Millis) -> None:
        """Raises RedisError, which says nothing of whether it was sent: the id makes a repeat harmless."""
        entry = to_entry(seal(command, source=source, now=now))
        await self._send(keys=[self._stream], args=[MAX_COMMANDS, *(part for pair in entry.items() for part in pair)])
