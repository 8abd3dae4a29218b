"""Everything that is written to the streams, kept before it is trimmed, and told apart from what chaos wrote there."""

import asyncio
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError
from serinus_contracts import Keys
from serinus_contracts.streams import STREAMS
from serinus_runtime.loops import heed_cancellation
from serinus_simulator.audit.ledger import RunEvents, sorted_out

Entry = tuple[bytes, Mapping[bytes, bytes]]


class Recorder:
    def __init__(self, client: Any, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._last: dict[str, bytes] = {keys.stream(name): b"0" for name in STREAMS}
        self.entries: dict[str, list[Entry]] = {name: [] for name in STREAMS}
        self.foreign: set[tuple[str, bytes]] = set()

    async def run(self) -> None:
        """Follow the streams, also over the server's death."""
        while True:
            try:
                await self.catch_up()
            except (RedisError, OSError):
                await asyncio.sleep(0.1)
            heed_cancellation()

    async def catch_up(self) -> None:
        found: Any = await self._client.xread(self._last, count=500, block=200)
        names = {self._keys.stream(name): name for name in STREAMS}
        for stream, entries in found:
            key = stream.decode()
            self.entries[names[key]] += entries
            self._last[key] = entries[-1][0]

    def ours(self, stream: str) -> list[Entry]:
        """What the services wrote."""
        return [entry for entry in self.entries[stream] if (stream, entry[0]) not in self.foreign]

    def told(self) -> dict[str, RunEvents]:
        return sorted_out({name: self.ours(name) for name in STREAMS})

    def outcomes(self) -> dict[str, str]:
        """How runs ended, by the name of their Rollout."""
        found: dict[str, str] = {}
        for one in self.told().values():
            for event in one.observed:
                if event.outcome:
                    found[event.run.name] = event.outcome
        return found
