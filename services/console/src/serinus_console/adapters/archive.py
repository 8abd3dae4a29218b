"""The past of a run in Redis, and the stream of commands."""

from typing import Any

from serinus_contracts import CommandIssued, Keys
from serinus_contracts.report import Report
from serinus_contracts.streams import Stream
from serinus_readmodel.reader.commands import Commands
from serinus_readmodel.reader.stories import Stories
from serinus_runtime.clock import Clock
from serinus_runtime.redis import Client

from serinus_console.use_cases.ports import Page

SOURCE = "/serinus/console"
BATCH = 500
MAX_READ = 5_000


class RedisArchive:
    """Reads reports and past events, and sends commands."""

    def __init__(self, client: Client, keys: Keys, clock: Clock) -> None:
        self._client, self._keys, self._clock = client, keys, clock
        self._stories, self._commands = Stories(client, keys), Commands(client, keys, SOURCE)

    async def told(self, stream: Stream, run: str, before: str, limit: int) -> Page:
        wanted, found, seen = run.encode(), [], 0
        cursor = before if before == "+" else f"({before}"
        while seen < MAX_READ:
            entries: Any = await self._client.xrevrange(self._keys.stream(stream), max=cursor, count=BATCH)
            for entry, fields in entries:
                if fields.get(b"run") == wanted and b"ce" in fields:
                    found.append(fields[b"ce"].decode())
                    if len(found) == limit:
                        return Page(found, entry.decode())
            if len(entries) < BATCH:
                return Page(found, None)
            seen += len(entries)
            cursor = f"({entries[-1][0].decode()}"
        return Page(found, cursor[1:])

    async def report(self, run: str) -> Report | None:
        return await self._stories.report(run)

    async def send(self, command: CommandIssued) -> None:
        await self._commands.send(command, self._clock())
