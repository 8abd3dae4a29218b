"""Memory of each service under the worst that it accepts: `python -m benchmarks.memory [--quick]`.

A namespace has as many metrics with as large answers as may be, and Rollouts as large as changes of them; the analyzer,
the console and the notifier then read what has piled up, with as many open pages as one client may have. Peaks are held
against the limits of the chart. A table, and as last line the figures as JSON.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from serinus.demo.processes import process_group
from serinus_contracts import Keys
from serinus_runtime.redis import connected

from benchmarks._figures import Figures, Goals, close, missed, table
from benchmarks._procfs import memory_mib
from tests import hostile
from tests.servers import RedisServer, free_port, redis_server
from tests.simulated import World, scenario, simulated, start_services

SERVICES = ("collector", "analyzer", "controller", "console", "notifier")
PILED_UP = 100
NOTIFICATIONS = {
    "channels": {"all": "json://127.0.0.1:9/"},
    "rules": [{"kinds": ["aborted", "promoted", "held", "cannot_judge", "would_abort"], "to": ["all"]}],
}


def limits_mib() -> dict[str, float]:
    """The chart's limits of memory."""
    values = yaml.safe_load(Path("deploy/helm/serinus/values.yaml").read_text())
    return {name: float(values[name]["resources"]["limits"]["memory"].removesuffix("Mi")) for name in SERVICES}


GOALS: Goals = {f"{name}, peak memory, MiB": ("at most", limit) for name, limit in limits_mib().items()}


async def measure(server: RedisServer, folder: Path, seconds: float, rollouts: int) -> Figures:
    """Each service beside `rollouts` hostile Rollouts, for so many seconds a phase."""
    keys = Keys("memory")
    (folder / "policies").mkdir()
    with (
        simulated(folder / "world", scenario(*hostile.rollouts(rollouts)), group=process_group) as world,
        hostile.provider(world) as url,
    ):
        environment = world.settings(server.url, keys, folder / "policies")
        environment |= {"SERINUS_PROVIDERS": f"hostile={url}", "SERINUS_QUERY_TIMEOUT": "10"}
        environment |= {"SERINUS_LEASE_DURATION": "15", "SERINUS_API_TIMEOUT": "10", "SERINUS_NAMESPACE_SHARE": "100"}
        async with connected(server.url) as client:
            policies = [*hostile.heavy_policies(5), *hostile.policies()]
            start_services(world, environment, "collector", "controller")
            peaks = Peaks(world)
            tasks = [
                asyncio.create_task(hostile.misbehave(world, rollouts, policies)),
                asyncio.create_task(peaks.follow()),
            ]
            async with asyncio.timeout(120):
                while await client.xlen(keys.stream("snapshots")) < PILED_UP:
                    await asyncio.sleep(0.2)
            await asyncio.sleep(seconds)
            snapshots: Any = await client.xrange(keys.stream("snapshots"))
            start_services(world, environment, "analyzer")
            await asyncio.sleep(seconds)
            await _read_by_people(world, environment, folder, seconds)
            for task in tasks:
                task.cancel()
            sizes = [sum(map(len, fields.values())) for _, fields in snapshots]
            return {
                "snapshots that piled up": len(sizes),
                "largest of them, KiB": max(sizes, default=0) / 1024,
                "all of them, MiB": sum(sizes) / 2**20,
                "verdicts": float(await client.xlen(keys.stream("verdicts"))),
                **{f"{name}, peak memory, MiB": peaks.mib[name] for name in SERVICES},
            }


@dataclass
class Peaks:
    """The most memory (MiB) that each service and its children have had together."""

    world: World
    mib: dict[str, float] = field(default_factory=dict)

    async def follow(self) -> None:
        """Until cancelled."""
        children: Any = self.world.children.children
        while True:
            for name in SERVICES:
                if name in children:
                    self.mib[name] = max(self.mib.get(name, 0.0), resident_mib(children[name].pid))
            await asyncio.sleep(0.1)


def resident_mib(pid: int) -> float:
    """Of a process and its children; 0 for one that has just ended."""
    try:
        return memory_mib(pid, "VmRSS") + sum(
            resident_mib(int(one)) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        )
    except OSError:
        return 0.0


async def _read_by_people(world: World, environment: dict[str, str], folder: Path, seconds: float) -> None:
    """Console and notifier from the beginning of the streams, and pages of all runs that are asked for together."""
    (folder / "notifications.yaml").write_text(yaml.safe_dump(NOTIFICATIONS))
    port = free_port()
    environment = {**environment, "SERINUS_HTTP_PORT": str(port)}
    start_services(world, environment, "console")
    world.children.start(
        "notifier",
        "serinus_notifier",
        **environment | {"SERINUS_HTTP_PORT": "0", "SERINUS_NOTIFICATIONS": str(folder / "notifications.yaml")},
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            await asyncio.gather(*(_page(http, path) for path in ("/", "/v1/runs") * 10))


async def _page(http: httpx.AsyncClient, path: str) -> None:
    try:
        answer = await http.get(path)
        for run in answer.json()["items"] if path == "/v1/runs" else ():
            await http.get("/runs/{cluster}/{uid}/{canary_hash}/{attempt}".format(**run["run"]))
    except httpx.HTTPError:
        await asyncio.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.memory")
    parser.add_argument("--quick", action="store_true", help="in about a minute")
    quick = parser.parse_args().quick
    folder = Path(tempfile.mkdtemp(prefix="serinus-memory-"))
    (folder / "redis").mkdir()
    with redis_server(folder / "redis") as server:
        figures = asyncio.run(measure(server, folder, 20 if quick else 60, 60))
    print(table(figures, GOALS))
    close("memory", figures, missed(figures, GOALS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
