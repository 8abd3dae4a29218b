"""A small installation of a build: all four services, three releases, one Redis; and what its commands cost."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import Any

import httpx
import yaml
from serinus.demo.processes import process_group
from serinus_contracts import Keys
from serinus_runtime.redis import Client, connected

from benchmarks._analyzing import Process
from benchmarks._builds import ROOT, Build, NotComparableError
from benchmarks._figures import Figures
from benchmarks._procfs import descendants, pss_mib
from tests.servers import RedisServer, redis_binary
from tests.simulated import simulated
from tests.topologies import started

KEYS = Keys("versus")
SERVICES = ("controller", "collector", "analyzer", "console")
POLICIES = "cli/src/serinus/demo/policies"
RELEASES = ("checkout", "payments", "search")
COMMANDS = (("--help",), ("version",), ("status",))


async def footprint(build: Build, repeats: int) -> Figures:
    """CPU until every service is ready, memory (PSS) once each of three releases has been judged, CPU of commands."""
    folder = Path(mkdtemp(prefix="serinus-versus-"))
    (folder / "redis").mkdir()
    world: dict[str, Any] = yaml.safe_load((ROOT / "cli/src/serinus/demo/world.yaml").read_text())
    world["rollouts"] = [one for one in world["rollouts"] if one["name"] in RELEASES]
    redis = RedisServer(redis_binary(), folder / "redis")
    # The cluster and its Prometheus are this build's simulator for both: they stand for what is outside.
    with started(redis) as server, simulated(folder / "world", world, group=process_group) as cluster:
        environment = cluster.settings(server.url, KEYS, build.folder / POLICIES)
        environment["SERINUS_KUBECONFIG"] = environment["KUBECONFIG"]  # its name in builds before KUBECONFIG was read
        services: list[Process] = []
        try:
            for name in SERVICES:  # one by one, so that those before are ended if one cannot be started
                services.append(build.start(f"serinus_{name}", folder / f"{name}.log", **environment))  # noqa: PERF401
            _until(lambda: all(map(_ready, services)), 180, build, services)
            figures = {"start, s of CPU": sum(one.cpu for one in services)}
            async with connected(server.url) as client:
                await _judged(client, build, services)
            for name, service in zip(SERVICES, services, strict=True):
                figures[f"{name}, PSS, MB"] = sum(map(pss_mib, descendants(service.pid))) * 1.048576
            services_mb = sum(value for name, value in figures.items() if name.endswith("PSS, MB"))
            figures["all services and Redis, PSS, MB"] = services_mb + pss_mib(server.pid) * 1.048576
            where = {"SERINUS_REDIS_URL": server.url, "SERINUS_REDIS_TAG": KEYS.tag}
            for command in COMMANDS:
                spent = [build.command(*command, **where) for _ in range(repeats)]
                figures[f"serinus {' '.join(command)}, s of CPU"] = median(spent)
        finally:
            for service in services:
                service.stop()
    return figures


def _ready(service: Process) -> bool:
    page = service.page
    if page is None:
        return False
    try:
        return httpx.get(f"{page}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


async def _judged(client: Client, build: Build, services: Sequence[Process]) -> None:
    """Until the stream holds a verdict of each release."""
    end = time.monotonic() + 180
    seen = set[bytes]()
    while len(seen) < len(RELEASES):
        found: Any = await client.xrange(KEYS.stream("verdicts"))
        seen = {fields[b"run"] for _, fields in found}
        if time.monotonic() > end:
            raise NotComparableError(f"{build.name}: no verdict of each release; {_tails(services)}")
        await asyncio.sleep(0.1)


def _until(condition: Any, seconds: float, build: Build, services: Sequence[Process]) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise NotComparableError(f"{build.name}: not all services became ready; {_tails(services)}")
        time.sleep(0.05)


def _tails(services: Sequence[Process]) -> str:
    return " | ".join(one.log.read_text().strip()[-200:] for one in services)
