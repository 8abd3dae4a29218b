"""One analyzer against two, bytes of a run, and a load that is kept up for a while."""

import asyncio
import time
from pathlib import Path

from serinus_contracts import Keys
from serinus_runtime.redis import Client, connected

from benchmarks._analyzing import MANY, by_service, processes
from benchmarks._figures import Figures
from benchmarks._looks import Looks, publish
from benchmarks._plans import six_metrics
from benchmarks._procfs import cpu_seconds
from tests.servers import RedisServer

RATE = 3333
OPENING = 2
"""Snapshots of each run that are not timed: they open evidence and plans, and the verdict changes at each of them. Of
the ten that follow one is described, as of any that go on."""


async def evidence_bytes(server: RedisServer) -> Figures:
    """What Redis keeps of a run with six metrics after fifty snapshots."""
    keys, snapshots = Keys("bytes"), Looks(six_metrics())
    async with connected(server.url) as client:
        await publish(client, keys, snapshots, 1, 50)
        await by_service(server.url, keys, 50)
        size = await client.memory_usage(keys.evidence("b/run-0/new/1"), samples=0)
        await client.flushall()
    return {"evidence, bytes a run in Redis": float(size or 0)}


def _settings(server: RedisServer, keys: Keys) -> dict[str, str]:
    return {"SERINUS_REDIS_URL": server.url, "SERINUS_REDIS_TAG": keys.tag, "SERINUS_STREAM_MAXLEN": str(MANY)}


async def several(server: RedisServer, total: int, folder: Path) -> Figures:
    """The same backlog through one analyzer and through two."""
    snapshots, found = Looks(six_metrics()), Figures()
    async with connected(server.url) as client:
        for count in (1, 2):
            keys = Keys(f"several-{count}")
            with processes("serinus_analyzer", count, folder, **_settings(server, keys)) as made:
                await publish(client, keys, snapshots, 100, OPENING)
                await _verdicts(client, keys, 100 * OPENING)
                before, began = sum(one.cpu for one in made), time.perf_counter()
                sent = await publish(client, keys, snapshots, 100, total // 100, first=OPENING + 1)
                await _verdicts(client, keys, 100 * OPENING + sent)
                found[f"{count} analyzers, CPU per snapshot, us"] = (sum(one.cpu for one in made) - before) / sent * 1e6
                found[f"{count} analyzers, snapshots a second"] = sent / (time.perf_counter() - began)
            await client.flushall()
    return found


async def _verdicts(client: Client, keys: Keys, total: int, seconds: float = 300) -> None:
    async with asyncio.timeout(seconds):
        while await client.xlen(keys.stream("verdicts")) < total:
            await asyncio.sleep(0.02)


async def sustained(server: RedisServer, folder: Path, *, seconds: int, runs: int) -> Figures:
    """Two analyzers under as many snapshots a second as 100,000 runs at 30 s give, Redis and the sender beside them.

    They are of fewer runs, so that each has some snapshots in this time; what a snapshot costs does not depend on that.
    """
    keys, snapshots = Keys("sustained"), Looks(six_metrics())
    async with connected(server.url) as client:
        with processes("serinus_analyzer", 2, folder, **_settings(server, keys)) as made:
            opened = await publish(client, keys, snapshots, runs, OPENING)
            await _verdicts(client, keys, opened)
            before, redis = sum(one.cpu for one in made), cpu_seconds(server.pid)
            began, sent, backlog = time.perf_counter(), 0, 0
            entries = snapshots.all(runs, RATE * seconds // runs + 1, first=OPENING + 1)
            while (passed := time.perf_counter() - began) < seconds:
                pipe = client.pipeline(transaction=False)
                while sent < RATE * passed:
                    pipe.xadd(keys.stream("snapshots"), dict(next(entries)))  # type: ignore[arg-type]
                    sent += 1
                await pipe.execute()
                await asyncio.sleep(0.02)
            done = await client.xlen(keys.stream("verdicts")) - opened
            backlog, wall = sent - done, time.perf_counter() - began
            cpu, redis = sum(one.cpu for one in made) - before, cpu_seconds(server.pid) - redis
            memory = (await client.info("memory"))["used_memory"]
        await client.flushall()
    return {
        "sent snapshots a second": sent / wall,
        "sustained snapshots a second": done / wall,
        "backlog at the end, snapshots": float(backlog),
        "cores of two analyzers": cpu / wall,
        "cores of Redis": redis / wall,
        "sustained, CPU per snapshot of analyzers, us": cpu / max(1, done) * 1e6,
        "sustained, CPU per snapshot of Redis, us": redis / max(1, done) * 1e6,
        "Redis memory with its streams untrimmed, MB": memory / 1e6,
    }
