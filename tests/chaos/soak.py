"""`python -m tests.chaos.soak [--runs 200] [--minutes 10]`: live runs for a while, without troubles; no process grows.

Memory is read every two seconds. The first third is left out (caches fill). Growth is the median slope between all
pairs of readings (Theil and Sen), which a single peak does not move; a quarter of a megabyte a minute counts as none.
Streams, which are trimmed now and then, and stories, which keep ever fewer looks, are held to their greatest length.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
from serinus.demo.processes import process_group
from serinus_contracts import Keys
from serinus_contracts.streams import STREAMS
from serinus_runtime.redis import connected

from tests.chaos.run import MAXLEN, all_ready, name_of, policies, wanted_rollouts
from tests.chaos.schedule import EACH
from tests.servers import RedisServer, redis_binary
from tests.simulated import scenario, simulated, start_services
from tests.topologies import started

MOST_GROWTH_MB = 0.25
READ_EVERY = 2.0
# A stream is trimmed when it is a thousand beyond its length, and then by whole nodes.
LONGEST_STREAM = MAXLEN + 1_200
# 128 looks, 64 of each doubling after that, and decisions.
LONGEST_STORY = 1_000
LIMITED = {*STREAMS, "story"}
Readings = dict[str, list[tuple[float, float]]]


def resident_mb(pid: int) -> float:
    """Memory of a process that is its own, MB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return int(fields["RssAnon"].split()[0]) / 1024


async def held_mb(client: Any, keys: Keys) -> dict[str, float]:
    """Memory (MB) of each kind of our keys, and of Redis but for those that have a length: names what grows."""
    held = {"but for those": float((await client.info("memory"))["used_memory"])}
    found = [key async for key in client.scan_iter(match=f"{{{keys.tag}}}:*", count=1000)]
    async with client.pipeline(transaction=False) as pipe:
        for key in found:
            pipe.memory_usage(key)
        sizes = await pipe.execute()
    for key, size in zip(found, sizes, strict=True):
        kind = key.decode().split(":")[1]
        if kind in LIMITED:
            held["but for those"] -= size or 0
        else:
            held[kind] = held.get(kind, 0.0) + (size or 0)
    return {kind: size / 2**20 for kind, size in held.items()}


def growth(readings: list[tuple[float, float]]) -> float:
    """MB a minute."""
    settled = readings[len(readings) // 3 :]
    step = max(1, len(settled) // 60)
    slopes = [(after - before) / (late - early) for (early, before), (late, after) in combinations(settled[::step], 2)]
    return statistics.median(slopes) * 60


async def soak(runs: int, minutes: float) -> Readings:
    folder, interval = Path(tempfile.mkdtemp(prefix="serinus-soak-")), max(1.0, runs / 40)
    (folder / "redis").mkdir()
    keys = Keys()
    # No gate opens by itself: all runs stay live.
    policy = policies(folder, interval, minimum="5h", maximum="6h")
    wanted = scenario(*wanted_rollouts(runs, frozenset()), prometheus={"scrape_interval": f"{interval / 2}s"})
    readings: Readings = {}
    with (
        simulated(folder / "world", wanted, group=process_group) as world,
        started(RedisServer(redis_binary(), folder / "redis")) as server,
    ):
        environment = world.settings(server.url, keys, policy) | {"SERINUS_STREAM_MAXLEN": str(MAXLEN)}
        services = start_services(world, environment, *EACH)
        await all_ready(services)
        async with httpx.AsyncClient(timeout=60) as http:
            for name in map(name_of, range(runs)):
                body = {"namespace": "shop", "name": name, "image": f"registry.example.com/shop/{name}:v2"}
                (await http.post(f"{world.url}/world/release", json=body)).raise_for_status()
        async with connected(server.url) as client:
            began = time.monotonic()
            while (passed := time.monotonic() - began) < minutes * 60:
                for name, child in services.items():
                    readings.setdefault(name, []).append((passed, resident_mb(child.pid)))
                for kind, held in (await held_mb(client, keys)).items():
                    readings.setdefault(f"redis {kind}", []).append((passed, held))
                await asyncio.sleep(READ_EVERY)
            live = await client.zcard(keys.due)
            assert live == runs, f"{live} of {runs} runs are live"
            for name in STREAMS:
                assert await client.xlen(keys.stream(name)) <= LONGEST_STREAM, f"{name} is longer than it may be"
            async for story in client.scan_iter(match=keys.story("*")):
                assert await client.llen(story) <= LONGEST_STORY, f"{story} is longer than it may be"
            assert not any(child.exited for child in services.values())
    return readings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    readings = asyncio.run(soak(options.runs, options.minutes))
    growing = 0
    for name, found in readings.items():
        slope = growth(found)
        growing += slope > MOST_GROWTH_MB
        word = "GROWS" if slope > MOST_GROWTH_MB else "flat"
        print(f"{name:<20} {found[0][1]:7.1f} MB at first, {found[-1][1]:7.1f} MB at last, {slope:+.3f} MB/min: {word}")
    return 1 if growing else 0


if __name__ == "__main__":
    sys.exit(main())
