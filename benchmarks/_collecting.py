"""One collector, then two, on a real Prometheus: a thousand runs at 30 s, six metrics, a hundred series a query."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from serinus_contracts import AnalysisPlan, Keys, PlanMetric, RolloutObserved, Selector
from serinus_contracts.base import Arm
from serinus_contracts.events import Pod, Run
from serinus_contracts.metric import Margin
from serinus_contracts.plan import ArmRule, Counted
from serinus_contracts.selector import Matcher
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import Client, connected

from benchmarks._analyzing import MANY, Process, processes
from benchmarks._pages import METRICS, PODS
from benchmarks._plans import six_metrics
from tests.servers import RedisServer, free_port, prometheus_server, sampled

APPS = 50
"""Runs share the series of so many applications: 30,000 series are what this machine's Prometheus keeps beside us."""
INTERVAL = 30.0
Figures = dict[str, float]


def _plan(app: int) -> AnalysisPlan:
    failed = ((Matcher(label="code", op="=~", value="20[5-9]"),),)
    metrics = tuple(
        PlanMetric(
            name=f"m{i}",
            source=Counted(query=Selector.parse(f'm{i}_total{{app="{app}"}}'), events=failed, trials=((),)),
            margin=Margin(ratio=1.25),
        )
        for i in range(METRICS)
    )
    arms = (ArmRule(label="pod", canary="app-new-.*", stable="app-old-.*"),)
    return six_metrics().model_copy(update={"metrics": metrics, "arms": arms, "provider": "main", "interval": INTERVAL})


async def collecting(server: RedisServer, folder: Path, *, runs: int, seconds: float) -> Figures:
    """Cores that one and two collectors take and their queries per snapshot, over some time after the first ones."""
    port, keys, config = free_port(), Keys("collecting"), folder / "prometheus.yml"
    jobs = [
        {"job_name": f"app-{app}", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"app": str(app)}}]}
        for app in range(APPS)
    ]
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}))
    found = Figures()
    with _pages(port), prometheus_server(folder, config) as url:
        async with connected(server.url) as client:
            began = now_ms()
            while len((sampled(url, f'm0_total{{app="{APPS - 1}"}}[10m]') or [{"values": ()}])[0]["values"]) < 4:
                await asyncio.sleep(1)
            registry = RedisRegistry(client, keys, clock=now_ms, max_entries=MANY)
            plans = [_plan(app) for app in range(APPS)]
            for number in range(runs):
                event = _observed(number, began, plans[number % APPS])
                await registry.observe(event, plans[number % APPS], now_ms() + 3_600_000, publish=False)
            environment = {
                "SERINUS_REDIS_URL": server.url,
                "SERINUS_REDIS_TAG": keys.tag,
                "SERINUS_PROVIDERS": f"main={url}",
            }
            for count in (1, 2):
                logs = folder / f"collectors-{count}"
                logs.mkdir()
                with processes("serinus_collector", count, logs, **environment) as collectors:
                    spent = await _spent(client, keys, collectors, logs, runs, seconds)
                found |= {f"collectors: {count}, {name}": value for name, value in spent.items()}
            await client.flushall()
    one, two = (found[f"collectors: {count}, CPU per snapshot, ms"] for count in (1, 2))
    # Not what was measured in that time: runs that are late, or catch up, make more or fewer snapshots of it.
    found[f"collector at {runs} runs, cores"] = one / 1000 * runs / INTERVAL
    found["CPU per snapshot, two collectors against one"] = two / one
    return found


async def _spent(
    client: Client, keys: Keys, collectors: Sequence[Process], logs: Path, runs: int, seconds: float
) -> Figures:
    """What collectors take over some time, once each run has had one snapshot: a first is not like the others."""
    snapshots = keys.stream("snapshots")
    first = await client.xlen(snapshots) + runs
    async with asyncio.timeout(600):
        while await client.xlen(snapshots) < first:
            await asyncio.sleep(0.2)
    pages = [await _page(logs / f"serinus_collector-{number}.log") for number in range(len(collectors))]

    async def now() -> tuple[float, float, float, float]:
        queries = sum([_queries(await _get(page)) for page in pages])
        return time.monotonic(), sum(one.cpu for one in collectors), queries, float(await client.xlen(snapshots))

    before = await now()
    await asyncio.sleep(seconds)
    wall, cpu, queries, taken = (after - earlier for after, earlier in zip(await now(), before, strict=True))
    return {
        "cores": cpu / wall,
        "snapshots a second": taken / wall,
        "queries per snapshot": queries / max(1, taken),
        "CPU per snapshot, ms": cpu / max(1, taken) * 1000,
    }


@contextmanager
def _pages(port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks._pages", str(port)])
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def _observed(number: int, began: int, plan: AnalysisPlan) -> RolloutObserved:
    run = Run(
        cluster="b", namespace="shop", name="app", uid=f"u-{number}", canary_hash="new", stable_hash="old", attempt=1
    )
    arms: list[Arm] = ["canary" if i < PODS // 2 else "stable" for i in range(PODS)]
    pods = tuple(
        Pod(name=f"app-{'new' if arm == 'canary' else 'old'}-{i}", arm=arm, ready=True) for i, arm in enumerate(arms)
    )
    return RolloutObserved(
        run=run, resource_version="1", phase="Paused", step=5, steps=10, stage=2, set_weight=10, actual_weight=10,
        steady=True, stage_started=began, gate_started=began, pods=pods, plan=plan.digest,
    )  # fmt: skip


async def _page(log: Path) -> str:
    found = re.search(r'"port": (\d+)', log.read_text())
    assert found is not None
    return f"http://127.0.0.1:{found[1]}/metrics/"


async def _get(url: str) -> str:
    async with httpx.AsyncClient(timeout=10) as http:
        return (await http.get(url)).text


def _queries(page: str) -> float:
    found = re.findall(r"^serinus_prometheus_query_duration_seconds_count\{.*\} ([0-9.e+]+)$", page, re.MULTILINE)
    return sum(map(float, found))
