"""One collector on a real Prometheus: a thousand runs at 30 s, six metrics, a hundred series a query."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml
from serinus_contracts import AnalysisPlan, Keys, PlanMetric, RolloutObserved, Selector
from serinus_contracts.base import Arm
from serinus_contracts.events import Pod, Run
from serinus_contracts.plan import ArmRule, Counted
from serinus_contracts.policy import Margin
from serinus_contracts.selector import Matcher
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.clock import now_ms
from serinus_runtime.redis import connected

from benchmarks._analyzing import MANY, processes
from benchmarks._pages import METRICS, PODS
from benchmarks._plans import six_metrics
from tests.servers import RedisServer, free_port, prometheus_server, sampled

APPS = 50
"""Runs share the series of so many applications: 30,000 series are what this machine's Prometheus keeps beside us."""
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
    return six_metrics().model_copy(update={"metrics": metrics, "arms": arms, "provider": "main", "interval": 30.0})


async def collecting(server: RedisServer, folder: Path, *, runs: int, seconds: float) -> Figures:
    """Cores that a collector takes and its queries per look, over some time after the first looks."""
    port, keys, config = free_port(), Keys("collecting"), folder / "prometheus.yml"
    jobs = [
        {"job_name": f"app-{app}", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"app": str(app)}}]}
        for app in range(APPS)
    ]
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "15s"}, "scrape_configs": jobs}))
    with _pages(port), prometheus_server(folder, config) as url:
        async with connected(server.url) as client:
            began = now_ms()
            while len((sampled(url, f'm0_total{{app="{APPS - 1}"}}[10m]') or [{"values": ()}])[0]["values"]) < 4:
                await asyncio.sleep(1)
            registry = RedisRegistry(client, keys, clock=now_ms, most_entries=MANY)
            plans = [_plan(app) for app in range(APPS)]
            for number in range(runs):
                event = _observed(number, began, plans[number % APPS])
                await registry.observe(event, plans[number % APPS], now_ms() + 3_600_000, publish=False)
            environment = {
                "SERINUS_REDIS_URL": server.url,
                "SERINUS_REDIS_TAG": keys.tag,
                "SERINUS_PROVIDERS": f"main={url}",
            }
            with processes("serinus_collector", 1, folder, **environment) as (collector,):
                # The first look of a run reaches back to the begin of its stage and is not like the others.
                async with asyncio.timeout(120):
                    while await client.xlen(keys.stream("snapshots")) < runs:
                        await asyncio.sleep(0.2)
                page = await _page(folder / "serinus_collector-0.log")
                before = collector.cpu, _queries(await _get(page)), await client.xlen(keys.stream("snapshots"))
                await asyncio.sleep(seconds)
                cpu, queries = collector.cpu - before[0], _queries(await _get(page)) - before[1]
                looks = await client.xlen(keys.stream("snapshots")) - before[2]
            await client.flushall()
    return {
        f"collector at {runs} runs, cores": cpu / seconds,
        f"collector at {runs} runs, looks a second": looks / seconds,
        "collector, queries per look": queries / max(1, looks),
        "collector, CPU per look, ms": cpu / max(1, looks) * 1000,
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
