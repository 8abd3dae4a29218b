"""What the pipeline bears: `python -m benchmarks.pipeline [--quick]`. A table, and as last line the figures as JSON.

Everything runs on this machine on a Redis that is started for it; CPU time is of the processes themselves, so that
it says the same on a busy machine, wall time is not.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from serinus_contracts import Keys
from serinus_runtime.redis import connected
from serinus_runtime.service import collect_garbage_rarely

from benchmarks._analyzing import Spent, by_bare_loop, by_service
from benchmarks._collecting import collecting
from benchmarks._delivering import delivering
from benchmarks._figures import Figures, Goals, close, missed, table
from benchmarks._looks import Looks, publish
from benchmarks._plans import six_metrics
from benchmarks._scale import OPENING, evidence_bytes, several, sustained
from tests.servers import RedisServer, redis_binary
from tests.topologies import started

GOALS: Goals = {
    "service against bare loop": ("at least", 0.9),
    "CPU per snapshot, dearest against cheapest number of runs": ("at most", 1.2),
    "evidence, bytes a run in Redis": ("at most", 8192),
    "sustained snapshots a second": ("at least", 3333),
    "backlog at the end, snapshots": ("at most", 3333),
    "collector at 1000 runs, cores": ("at most", 0.5),
    "CPU per snapshot, two collectors against one": ("at most", 1.2),
    "verdict to patch, p99, ms": ("at most", 40),
}


async def throughput(server: RedisServer, total: int) -> Figures:
    """The service against a bare loop on the same snapshots: the better of two rounds each, in turn.

    Twenty snapshots a run, of which four are described: as they change at the first, the second and the tenth, which
    reaches the stage's minimum, and at the twentieth.
    """
    snapshots, runs = Looks(six_metrics()), total // 20
    rates: dict[str, list[float]] = {"service": [], "bare loop": []}
    work: dict[str, Callable[[str, Keys, int], Awaitable[Spent]]] = {"service": by_service, "bare loop": by_bare_loop}
    async with connected(server.url) as client:
        for number in range(2):
            for name, run in work.items():
                keys = Keys(f"{name.partition(' ')[0]}-{number}")
                sent = await publish(client, keys, snapshots, runs, 20)
                spent = await run(server.url, keys, sent)
                rates[name].append(sent / spent.cpu)
                await client.flushall()
    best = {name: max(found) for name, found in rates.items()}
    return {
        "service, snapshots a second of CPU": best["service"],
        "bare loop, snapshots a second of CPU": best["bare loop"],
        "service against bare loop": best["service"] / best["bare loop"],
    }


async def growth(server: RedisServer, total: int, sizes: Sequence[int]) -> Figures:
    """CPU per snapshot (microseconds) by the number of live runs."""
    snapshots, found = Looks(six_metrics()), {}
    async with connected(server.url) as client:
        for runs in sizes:
            keys = Keys(f"runs-{runs}")
            await publish(client, keys, snapshots, runs, OPENING)
            await by_service(server.url, keys, runs * OPENING)
            count = max(10, total // runs)
            await publish(client, keys, snapshots, runs, count, first=OPENING + 1)
            spent = await by_service(server.url, keys, runs * (OPENING + count))
            found[f"CPU per snapshot at {runs} runs, us"] = spent.cpu / (runs * count) * 1e6
            await client.flushall()
    ratio = max(found.values()) / min(found.values())
    return found | {"CPU per snapshot, dearest against cheapest number of runs": ratio}


async def measure(quick: bool) -> Figures:
    """Part by part; each is printed when it is done."""
    collect_garbage_rarely()  # as every service does; some parts run in this process
    folder = Path(tempfile.mkdtemp(prefix="serinus-pipeline-"))
    total = 1_000 if quick else 20_000
    found = Figures()
    with started(RedisServer(redis_binary(), folder)) as server:
        parts = [
            throughput(server, total),
            growth(server, total, (10, 300) if quick else (10, 1_000, 10_000)),
            evidence_bytes(server),
            several(server, total, folder),
            sustained(server, folder, seconds=5 if quick else 60, runs=1_000 if quick else 10_000),
        ]
        if not quick:
            parts += [collecting(server, folder, runs=1000, seconds=60), delivering(server, folder, runs=1000)]
        for part in parts:
            figures = await part
            print(table(figures, GOALS), flush=True)
            found |= figures
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.pipeline")
    parser.add_argument("--quick", action="store_true", help="in under a minute, on fewer snapshots")
    found = asyncio.run(measure(parser.parse_args().quick))
    close("pipeline", found, missed(found, GOALS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
