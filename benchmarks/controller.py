"""A controller that watches many Rollouts: its memory, and how long a verdict takes to become a confirmed patch.

    python -m benchmarks.controller [--quick]

Controller, simulator (Argo without delay of its own) and Redis are processes of this machine and share its cores. All
Rollouts wait at their first gate and are listed every five seconds as in production. Verdicts are added to the stream
at the pace at which a fleet of so many is evaluated every 30 s, whatever is still under way, and each opens a gate,
which in production few do; the time ends when the confirmed decision is on its stream, and so includes Argo's part.
Prints a table and, as the last line, JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from redis.asyncio import Redis
from serinus.demo.processes import ManagedProcess, ProcessGroup, process_group
from serinus.demo.run import server
from serinus_contracts import DecisionTaken, Keys, RolloutObserved, VerdictReached, from_entry, seal, to_entry

from benchmarks._figures import Goals, close, missed, table
from benchmarks._procfs import cpu_seconds, memory_mib
from tests.support import policy_document, verdict

KEYS = Keys("benchmark")
GOALS: Goals = {"rss_mib": ("at most", 200.0), "p99_ms": ("at most", 100.0)}
SNAPSHOT_SECONDS = 30
STEPS = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 Rollouts and 100 verdicts instead of 1,000 and 500")
    quick = parser.parse_args().quick
    rollouts, verdicts = (100, 100) if quick else (1000, 500)
    with process_group(Path(tempfile.mkdtemp(prefix="serinus-benchmark-"))) as children, server(None) as redis:
        figures = asyncio.run(measure(children, redis, rollouts, verdicts))
    print(table(figures, GOALS))
    close("controller", figures, missed(figures, GOALS))
    return 0


async def measure(children: ProcessGroup, redis: str, rollouts: int, verdicts: int) -> dict[str, float]:
    """All Rollouts released to their first gate, then verdicts for some of them."""
    url, controller = await start(children, redis, rollouts)
    async with Redis.from_url(redis) as client, httpx.AsyncClient(base_url=url, timeout=60) as http:
        began = time.monotonic()
        for number in range(rollouts):
            body = {"namespace": "shop", "name": f"r{number}", "image": f"registry.example.com/shop/r{number}:v2"}
            (await http.post("/world/release", json=body)).raise_for_status()
        waiting = await all_at_gates(client, rollouts)
        seconds = time.monotonic() - began
        before, spent = time.monotonic(), cpu_seconds(controller.pid)
        await asyncio.sleep(15)  # what it costs to watch, while nothing happens
        idle = (cpu_seconds(controller.pid) - spent) / (time.monotonic() - before)
        times = await judge(client, waiting[:verdicts], rollouts / SNAPSHOT_SECONDS)
    return {
        "rollouts": rollouts,
        "seconds_until_all_at_gate": round(seconds, 1),
        "idle_cores": round(idle, 3),
        "rss_mib": round(memory_mib(controller.pid), 1),
        "verdicts": len(times),
        "p50_ms": round(float(np.percentile(times, 50)) * 1000, 1),
        "p99_ms": round(float(np.percentile(times, 99)) * 1000, 1),
        "slowest_ms": round(max(times) * 1000, 1),
    }


async def start(children: ProcessGroup, redis: str, rollouts: int) -> tuple[str, ManagedProcess]:
    """The simulator's address, and the controller."""
    folder = children.folder
    light = {"replicas": 1, "steps": STEPS, "traffic": {"requests_per_second": 1}}
    scenario = {
        "seed": 1,
        "prometheus": {"scrape_interval": "1h", "retention": "3h"},
        "argo": {"delay": 0},
        "pods": {"ready_after": "10ms"},
        "kubernetes": {"history": 100_000},
        "rollouts": [{"name": f"r{number}", "namespace": "shop", **light} for number in range(rollouts)],
    }
    (folder / "scenario.yaml").write_text(yaml.safe_dump(scenario))
    (folder / "policies").mkdir()
    (folder / "policies" / "shop.yaml").write_text(yaml.safe_dump(policy_document()))
    ready = folder / "ready.json"
    options = ["--ready-file", str(ready), "--kubeconfig", str(folder / "kubeconfig")]
    simulator = children.start("simulator", "serinus_simulator", str(folder / "scenario.yaml"), *options)
    async with asyncio.timeout(300):
        while not (ready.exists() and ready.read_text().strip()):
            assert not simulator.exited, simulator.log_tail()
            await asyncio.sleep(0.1)
    controller = children.start(
        "controller",
        "serinus_controller",
        SERINUS_REDIS_URL=redis,
        SERINUS_REDIS_TAG=KEYS.tag,
        SERINUS_HTTP_PORT="0",
        KUBECONFIG=str(folder / "kubeconfig"),
        SERINUS_POLICIES=str(folder / "policies"),
    )
    return json.loads(ready.read_text())["url"], controller


async def all_at_gates(client: Any, rollouts: int) -> list[RolloutObserved]:
    """What is known of each run, once every Rollout waits at its first gate."""
    found: dict[str, RolloutObserved] = {}
    last = "0"
    async with asyncio.timeout(600):
        while sum(event.gate_started is not None for event in found.values()) < rollouts:
            for _, entries in await client.xread({KEYS.stream("rollouts"): last}, block=1000):
                last = entries[-1][0]
                for _, fields in entries:
                    event = from_entry(RolloutObserved, fields).data
                    found[event.run.name] = event
    return list(found.values())


async def judge(client: Any, waiting: list[RolloutObserved], rate: float) -> list[float]:
    """Seconds from each verdict to the decision that confirms its step; `rate` verdicts are sent a second."""
    sent: dict[str, float] = {}
    taken: list[float] = []
    decisions = KEYS.stream("decisions")

    async def send() -> None:
        began = time.perf_counter()
        for number, about in enumerate(waiting):
            entry = to_entry(seal(_proceed(about), source="/benchmark", now=1))
            await asyncio.sleep(began + number / rate - time.perf_counter())
            # When it was due: a benchmark that is late must not make what it measures seem quick.
            sent[about.run.id] = began + number / rate
            await client.xadd(KEYS.stream("verdicts"), entry)

    async with asyncio.timeout(60 + len(waiting) / rate), asyncio.TaskGroup() as tasks:
        newest = await client.xrevrange(decisions, count=1)
        last = newest[0][0] if newest else "0"
        tasks.create_task(send())
        while len(taken) < len(waiting):
            for _, entries in await client.xread({decisions: last}, block=1000):
                now, last = time.perf_counter(), entries[-1][0]
                taken_now = [from_entry(DecisionTaken, fields).data for _, fields in entries]
                taken += [
                    now - sent[one.run.id] for one in taken_now if one.state == "confirmed" and one.action == "advance"
                ]
    return taken


def _proceed(about: RolloutObserved) -> VerdictReached:
    place = {"step": about.step, "stage": about.stage, "stage_started": about.stage_started, "weight": about.set_weight}
    return verdict(run=about.run, follows=0, end=round(time.time() * 1000), plan=about.plan, **place)


if __name__ == "__main__":
    sys.exit(main())
