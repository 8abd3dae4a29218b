"""An analyzer of a build at work: on a backlog, on one run alone, and on many runs as they come in live."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from serinus_contracts import Keys
from serinus_runtime.redis import Client, connected

from benchmarks._analyzing import MANY, Process
from benchmarks._builds import Build, NotComparableError
from benchmarks._figures import Figures
from benchmarks._looks import INTERVAL_MS, publish
from benchmarks._procfs import cpu_seconds
from benchmarks._scale import OPENING
from tests.servers import RedisServer, redis_binary
from tests.topologies import started

KEYS = Keys("versus")
VERDICTS, SNAPSHOTS = KEYS.stream("verdicts"), KEYS.stream("snapshots")


@dataclass
class Bench:
    """A Redis and one analyzer, by which each of `runs` has been judged `OPENING` times."""

    build: Build
    server: RedisServer
    client: Client
    process: Process
    runs: int
    snapshots: int = OPENING

    async def backlog(self, count: int) -> Figures:
        """So many more snapshots of each run, all there when the analyzer goes on."""
        with self.process.paused():
            await publish(self.client, KEYS, self.build.snapshots, self.runs, count, first=self.snapshots + 1)
            before = await self._spent()
        began = time.perf_counter()
        self.snapshots += count
        await self._judged()
        many, wall = self.runs * count, time.perf_counter() - began
        analyzer, redis, size = (after - earlier for after, earlier in zip(await self._spent(), before, strict=True))
        return {
            "analyzer, us of CPU a snapshot": analyzer / many * 1e6,
            "Redis, us of CPU a verdict": redis / many * 1e6,
            "Redis, bytes a verdict": size / many,
            "of a backlog, snapshots a second": many / wall,
        }

    async def alone(self, count: int) -> Figures:
        """So many more of the first run, each when the one before has been judged."""
        before, found = await self._spent(), await self.client.xinfo_stream(VERDICTS)
        last = found["last-generated-id"]
        for number in range(self.snapshots + 1, self.snapshots + count + 1):
            await self._send(0, number)
            answer: Any = await self.client.xread({VERDICTS: last}, block=20_000)
            if not answer:
                raise NotComparableError(self._silent())
            last = answer[0][1][-1][0]
        self.snapshots += count
        analyzer, redis, _ = (after - earlier for after, earlier in zip(await self._spent(), before, strict=True))
        return {
            "analyzer, us of CPU a snapshot": analyzer / count * 1e6,
            "Redis, us of CPU a snapshot": redis / count * 1e6,
        }

    async def live(self, seconds: float) -> Figures:
        """Snapshots of all runs spread over their interval, as collectors send them: from one in the stream to its
        verdict there, by the clock of Redis."""
        each = INTERVAL_MS / 1000 / self.runs
        before, sent = await self._spent(), {}
        number, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            while number * each <= passed:
                run, snapshot = number % self.runs, self.snapshots + 1 + number // self.runs
                entry = await self._send(run, snapshot)
                sent[self.build.snapshots.entry(run, snapshot)["ce_subject"], str(snapshot * INTERVAL_MS)] = entry
                number += 1
            await asyncio.sleep(each / 2)
        await self._judged(self.runs * self.snapshots + number)
        analyzer, _, _ = (after - earlier for after, earlier in zip(await self._spent(), before, strict=True))
        verdicts: Any = await self.client.xrevrange(VERDICTS, count=number)
        waited = sorted(
            _ms(entry) - _ms(sent[fields[b"run"].decode(), fields[b"end"].decode()]) for entry, fields in verdicts
        )
        return {
            "analyzer, us of CPU a snapshot": analyzer / number * 1e6,
            "snapshot to verdict, p50, ms": float(waited[len(waited) // 2]),
            "snapshot to verdict, p99, ms": float(waited[len(waited) * 99 // 100]),
        }

    async def verdicts(self) -> dict[str, str]:
        """Each verdict by its id; to be held against the other build's."""
        found: Any = await self.client.xrange(VERDICTS)
        return {fields[b"ce_id"].decode(): fields[b"verdict"].decode() for _, fields in found}

    async def _send(self, run: int, number: int) -> bytes:
        fields: Any = self.build.snapshots.entry(run, number)
        entry: Any = await self.client.xadd(SNAPSHOTS, fields)
        return bytes(entry)

    async def _spent(self) -> tuple[float, float, float]:
        """Seconds of CPU of analyzer and Redis, and bytes of all verdicts."""
        size = await self.client.memory_usage(VERDICTS, samples=0)
        return self.process.cpu, cpu_seconds(self.server.pid), float(size or 0)

    async def _judged(self, total: int | None = None) -> None:
        total = self.runs * self.snapshots if total is None else total
        try:
            async with asyncio.timeout(300):
                while await self.client.xlen(VERDICTS) < total:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise NotComparableError(self._silent()) from None

    def _silent(self) -> str:
        log = self.process.log.read_text().strip().splitlines()
        return f"{self.build.name}: not all snapshots were judged; {(log or ['nothing in the log'])[-1][:300]}"


def _ms(entry: bytes) -> int:
    return int(entry.partition(b"-")[0])


@asynccontextmanager
async def bench(build: Build, runs: int) -> AsyncIterator[Bench]:
    """Of a build, ended on leaving."""
    folder = Path(mkdtemp(prefix="serinus-versus-"))
    # Rewriting the file of what was written is a process of its own, at a moment of its own.
    options = {"auto-aof-rewrite-percentage": "0"}
    with started(RedisServer(redis_binary(), folder, **options)) as server:
        async with connected(server.url) as client:
            await publish(client, KEYS, build.snapshots, runs, OPENING)
            environment = {"SERINUS_REDIS_URL": server.url, "SERINUS_REDIS_TAG": KEYS.tag}
            process = build.start(
                "serinus_analyzer", folder / "analyzer.log", **environment, SERINUS_STREAM_MAXLEN=str(MANY)
            )
            try:
                made = Bench(build, server, client, process, runs)
                await made._judged()
                yield made
            finally:
                process.stop()
