"""Lua scripts live in files beside the code that calls them; this is the one loader.

redis-py's own scripts ask with every pipeline whether the server knows them, and do not run in a pipeline on a
Cluster; these are sent by their hash, and loaded when a server says that it lacks them.
"""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from serinus_runtime.redis import Client


class Call(NamedTuple):
    """Keys and arguments of one run of a script."""

    keys: Sequence[str]
    args: Sequence[Any]


class Script:
    def __init__(self, client: Client, text: str) -> None:
        self._client, self._text = client, text
        self._sha = hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - the name that Redis gives it

    async def __call__(self, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        (answer,) = await self.run([Call(keys, args)])
        return answer

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Each call by itself, all sent at once. Raises the first error; calls after it were made nevertheless."""
        try:
            return await self._send(calls)
        except NoScriptError:
            # A server that restarted or took over lacks it; what another call had done, its repeat changes nothing.
            await self._client.script_load(self._text)
            return await self._send(calls)

    async def _send(self, calls: Sequence[Call]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for keys, args in calls:
                pipe.execute_command("EVALSHA", self._sha, len(keys), *keys, *args)
            found: list[Any] = await pipe.execute()
        return found


def load(client: Client, package: str, name: str) -> Script:
    """The script `name`.lua of a package."""
    return Script(client, files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8"))
