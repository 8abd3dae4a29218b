"""One namespace at its worst beside another: `python -m benchmarks.tenants [--quick]`.

Runs of a namespace are evaluated every three seconds, first alone, then while `tests/hostile.py` does in another
namespace the worst that the API server accepts, then as a control beside processes that know nothing of Serinus and
take as much CPU as the worst had all others take (cluster, providers, Redis, services); all share this machine. Then
the memory of each service is held against the chart's limits. At last the same worst on an ideal machine
(`benchmarks/_ideal.py`), where a neighbour waits for the collector's event loop and for nothing else. A table, and as
last line the figures as JSON.
"""

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from serinus.demo.processes import process_group
from serinus_contracts import Keys
from serinus_runtime.loops import heed_cancellation
from serinus_runtime.redis import connected

from benchmarks._figures import Figures, Goals, close, missed, table
from benchmarks._ideal import ideal
from benchmarks._procfs import memory_mib
from benchmarks._strangers import cpu_of, strangers
from tests import hostile
from tests.servers import RedisServer, free_port, redis_server
from tests.simulated import World, rollout, scenario, simulated, start_services
from tests.support import policy_document

SERVICES = ("collector", "analyzer", "controller")
# Longer than a consistent read of the Rollouts takes, which is begun each second: no snapshot reaches further.
INTERVAL_MS = 3_000
POLICY = policy_document(
    mode="shadow",
    interval="3s",
    settle="1s",
    warmup="1s",
    minimum="1h",
    maximum="2h",
    metrics=[{"name": "errors", "preset": "http-errors", "critical": True}],
)


def limits_mib() -> dict[str, float]:
    """The chart's limits of memory."""
    values = yaml.safe_load(Path("deploy/helm/serinus/values.yaml").read_text())
    return {name: float(values[name]["resources"]["limits"]["memory"].removesuffix("Mi")) for name in SERVICES}


GOALS: Goals = {
    "due to verdict, p99, loaded against quiet": ("at most", 2.0),
    "due to verdict, p99, loaded against control": ("at most", 2.0),
    "ideal machine, due to snapshot, p99, beside it against alone": ("at most", 2.0),
    "leases lost": ("at most", 0.0),
    **{f"{name}, slowest /healthz, s": ("at most", 1.0) for name in SERVICES},
    **{f"{name}, peak memory, MiB": ("at most", limit) for name, limit in limits_mib().items()},
}


class Dues:
    """When snapshots of the runs of a namespace were due, as the queue showed it."""

    def __init__(self, client: Any, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._seen: dict[bytes, list[tuple[float, float]]] = {}

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            for run, due in await self._client.zrange(self._keys.due, 0, -1, withscores=True):
                known = self._seen.setdefault(run, [])
                if not known or known[-1][1] != due:
                    known.append((time.time() * 1000, due))
            heed_cancellation()
            await asyncio.sleep(0.01)

    def after(self, run: bytes, snapshot: float, next_end: float) -> list[float]:
        """When the snapshot after this one was due, and when again if it was put off. What is further ahead is the end
        of a lease."""
        return [
            due
            for seen, due in self._seen.get(run, ())
            if snapshot - 5 <= seen < next_end - 5 and snapshot < due <= seen + 3 * INTERVAL_MS
        ]


@dataclass
class Machine:
    """What the machine itself does to whoever wants little of it: how late a sleeper wakes, how long its
    Prometheus takes to answer a small query (ms), each with the time at its end."""

    late: list[tuple[float, float]] = field(default_factory=list)
    answers: list[tuple[float, float]] = field(default_factory=list)

    async def sleep(self) -> None:
        """Until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            self.late.append((time.time() * 1000, 1000 * (time.perf_counter() - began) - 10))

    async def ask(self, url: str) -> None:
        """Until cancelled."""
        async with httpx.AsyncClient(timeout=30) as http:
            while True:
                began = time.perf_counter()
                await http.post(url, data={"query": 'up{job="none"}', "time": f"{time.time():.3f}"})
                self.answers.append((time.time() * 1000, 1000 * (time.perf_counter() - began)))
                await asyncio.sleep(0.1)


@dataclass
class Phases:
    """When each was, from and to (ms), and what share of a core each process took in it."""

    times: dict[str, tuple[float, float]] = field(default_factory=dict)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    @asynccontextmanager
    async def measured(self, label: str, pids: Mapping[str, int]) -> AsyncIterator[None]:
        """Remember when this phase was, and what share of a core each process took in it."""
        since, before = time.time(), cpu_of(pids)
        yield
        until, after = time.time(), cpu_of(pids)
        self.times[label] = (1000 * since, 1000 * until)
        self.shares[label] = {name: (taken - before[name]) / (until - since) for name, taken in after.items()}

    def added(self, label: str, other: str) -> dict[str, float]:
        """What each process took more in one phase than in the other."""
        return {name: max(0.0, share - self.shares[other][name]) for name, share in self.shares[label].items()}


async def due_to_verdict(client: Any, keys: Keys, dues: Dues, begin: float, end: float) -> list[tuple[float, float]]:
    """Milliseconds from due to snapshot and from there to verdict, of the quiet namespace's snapshots that were
    evaluated in this time."""
    streams: list[Any] = [await client.xrange(keys.stream(name)) for name in ("snapshots", "verdicts")]
    taken_by_run: dict[bytes, list[tuple[float, bytes]]] = {}
    for entry, fields in streams[0]:
        if b'"namespace":"shop"' in fields[b"ce"]:
            taken_by_run.setdefault(fields[b"run"], []).append((_ms(entry), fields[b"ce_id"]))
    judged = {fields[b"ce_id"]: _ms(entry) for entry, fields in streams[1]}
    found = []
    for run, taken in taken_by_run.items():
        for (before, _), (at, snapshot) in itertools.pairwise(taken):
            due = dues.after(run, before, at)
            if due and snapshot in judged and begin <= judged[snapshot] <= end:
                found.append((at - due[0], judged[snapshot] - at))
    return found


async def measure(server: RedisServer, folder: Path, seconds: float, own: int, others: int) -> Figures:
    """`own` quiet Rollouts beside `others` hostile ones, for so many seconds."""
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yaml").write_text(yaml.safe_dump(POLICY))
    keys, names = Keys("tenants"), [f"app-{number}" for number in range(own)]
    ours = [rollout(name, replicas=1, traffic={"requests_per_second": 100}) for name in names]
    with (
        simulated(folder / "world", scenario(*ours, *hostile.rollouts(others)), group=process_group) as world,
        hostile.provider(world) as url,
        # The cluster is one process here, and busy with all that is changed in it: no Prometheus of its own is.
        hostile.provider(world, "honest") as honest,
    ):
        environment = world.settings(server.url, keys, folder / "policies")
        environment |= {
            "SERINUS_PROVIDERS": f"main={honest},hostile={url}",
            "SERINUS_LEASE_DURATION": "15",
        }
        environment |= {"SERINUS_API_TIMEOUT": "10", "SERINUS_QUERY_TIMEOUT": "5"}
        ports = {name: free_port() for name in SERVICES}
        for name, port in ports.items():
            start_services(world, environment | {"SERINUS_HTTP_PORT": str(port)}, name)
        async with connected(server.url) as client, asyncio.TaskGroup() as tasks:
            for name in names:
                world.release(name)
            async with asyncio.timeout(120):
                while await client.xlen(keys.stream("verdicts")) < 3 * own:
                    await asyncio.sleep(0.2)
            dues, slowest = Dues(client, keys), dict[str, float]()
            machine = Machine()
            followed = [
                tasks.create_task(dues.follow()),
                tasks.create_task(machine.sleep()),
                tasks.create_task(machine.ask(f"{honest}/api/v1/query")),
            ]
            pids = {name: child.pid for name, child in world.children.children.items()} | {"redis": server.pid}
            phases = Phases()
            async with phases.measured("quiet", pids):
                await asyncio.sleep(seconds)
            watching = tasks.create_task(hostile.watch_health(ports, slowest))
            worst = tasks.create_task(hostile.misbehave(world, others))
            await asyncio.sleep(seconds / 2)
            async with phases.measured("loaded", pids):
                await asyncio.sleep(seconds)
            for task in (watching, worst):
                task.cancel()
            figures = {"leases lost": float(hostile.lease_transitions(world))}
            await asyncio.to_thread(hostile.leave, world, others)
            async with asyncio.timeout(60):
                while await client.zcard(keys.due) > own:
                    await asyncio.sleep(0.2)
            with strangers(phases.added("loaded", "quiet")):
                await asyncio.sleep(2)
                async with phases.measured("control", pids):
                    await asyncio.sleep(seconds)
            for task in followed:
                task.cancel()
            figures = await _figures(client, keys, dues, machine, phases) | figures
            figures |= {f"{name}, slowest /healthz, s": slowest.get(name, 10.0) for name in SERVICES}
            figures |= _memory(world)
            await client.flushall()
    return figures


async def _figures(client: Any, keys: Keys, dues: Dues, machine: Machine, phases: Phases) -> Figures:
    figures = Figures()
    for label, (since, until) in phases.times.items():
        found = await due_to_verdict(client, keys, dues, since, until)
        figures[f"{label}, snapshots"] = float(len(found))
        parts = np.array(found or [(np.inf, np.inf)])
        for name, taken in (
            ("due to verdict", parts.sum(axis=1)),
            ("due to snapshot", parts[:, 0]),
            ("snapshot to verdict", parts[:, 1]),
        ):
            for percent in (50, 99):
                figures[f"{name}, p{percent}, {label}, ms"] = float(np.percentile(taken, percent))
        for name, measured in (("a sleeper wakes late", machine.late), ("Prometheus answers", machine.answers)):
            within = [value for at, value in measured if since <= at <= until]
            figures[f"{name}, p99, {label}, ms"] = float(np.percentile(within, 99)) if within else np.inf
        figures[f"cores taken, {label}"] = sum(phases.shares[label].values())
    p99 = {label: figures[f"due to verdict, p99, {label}, ms"] for label in phases.times}
    for other in ("quiet", "control"):
        figures[f"due to verdict, p99, loaded against {other}"] = p99["loaded"] / p99[other]
    for name, share in phases.added("loaded", "quiet").items():
        if share > 0.01:
            figures[f"cores that {name} takes more, loaded"] = share
    snapshots: Any = await client.xrange(keys.stream("snapshots"))
    greedy = [fields for _, fields in snapshots if b'"namespace":"greedy"' in fields[b"ce"]]
    figures["hostile snapshots"] = float(len(greedy))
    figures["hostile bytes a snapshot"] = float(np.mean([len(one[b"ce"]) for one in greedy])) if greedy else 0.0
    return figures


def _memory(world: World) -> Figures:
    children: Mapping[str, Any] = world.children.children
    return {f"{name}, peak memory, MiB": memory_mib(children[name].pid) for name in SERVICES}


def _ms(entry: bytes) -> float:
    return float(entry.partition(b"-")[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.tenants")
    parser.add_argument("--quick", action="store_true", help="in about a minute")
    quick = parser.parse_args().quick
    folder = Path(tempfile.mkdtemp(prefix="serinus-tenants-"))
    (folder / "redis").mkdir()
    with redis_server(folder / "redis") as server:
        figures = asyncio.run(measure(server, folder, 15 if quick else 60, 24, 60 if quick else 200)) | ideal(POLICY)
    print(table(figures, GOALS))
    close("tenants", figures, missed(figures, GOALS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
