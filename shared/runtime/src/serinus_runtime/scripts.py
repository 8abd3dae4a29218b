"""Lua scripts live in files beside the code that calls them; this is the one loader.

redis-py's own scripts ask with every pipeline whether the server knows them, and do not run in a pipeline on a
Cluster; these are sent by their hash, and loaded when a server says that it lacks them.

A Redis that has reached its `maxmemory` refuses what would take more. Scripts that judge, act, or carry what people ask
for may go beyond it, up to a reserve that trimming gives back (docs/adr/0076).
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError, OutOfMemoryError

from serinus_runtime.redis import Client

# Bytes beyond `maxmemory`: judging leaves the second half to people and acts, and people the last quarter to acts.
JUDGING, COMMANDING, ACTING = 16 << 20, 24 << 20, 32 << 20
_BEYOND = """#!lua flags=allow-oom
do
  -- A user who may not ask is not refused.
  local info = redis.pcall('INFO', 'memory')
  local used, most = string.match(tostring(info), 'used_memory:(%d+)'), string.match(tostring(info), 'maxmemory:(%d+)')
  if used and most and tonumber(used) > tonumber(most) + {reserve} then
    return redis.error_reply('OOM Redis is full, and so is its reserve')
  end
end
"""


class Call(NamedTuple):
    """Keys and arguments of one run of a script."""

    keys: Sequence[str]
    args: Sequence[Any]


class Script:
    """`reserve`: bytes that it may go beyond `maxmemory`; `condition`: Lua that may return an error instead there."""

    def __init__(self, client: Client, text: str, reserve: int = 0, condition: str = "") -> None:
        self._client, self._text = client, text
        self._beyond = _BEYOND.format(reserve=reserve) + condition + text if reserve else ""

    async def __call__(self, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        (answer,) = await self.run([Call(keys, args)])
        return answer

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Each call by itself, all sent at once. Raises the first error; calls after it were made nevertheless.

        What a call had done, its repeat changes nothing.
        """
        try:
            return await self._known(self._text, calls)
        except OutOfMemoryError:
            if not self._beyond:
                raise
            return await self._known(self._beyond, calls)

    async def _known(self, text: str, calls: Sequence[Call]) -> list[Any]:
        try:
            return await self._send(text, calls)
        except NoScriptError:
            # A server that restarted or took over lacks it.
            await self._client.script_load(text)
            return await self._send(text, calls)

    async def _send(self, text: str, calls: Sequence[Call]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for keys, args in calls:
                pipe.execute_command("EVALSHA", _name(text), len(keys), *keys, *args)
            found: list[Any] = await pipe.execute()
        return found


@lru_cache
def _name(text: str) -> str:
    """What Redis calls a script."""
    return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324 - it is Redis' choice


def load(client: Client, package: str, name: str, reserve: int = 0) -> Script:
    """The script `name`.lua of a package."""
    return Script(client, files(package).joinpath(f"{name}.lua").read_text(encoding="utf-8"), reserve)
