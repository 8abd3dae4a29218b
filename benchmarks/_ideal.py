"""A collector's event loop on an ideal machine: its clock is the CPU time of its thread, and idle time is skipped.

So a neighbour waits for what the collector does for others, and for nothing else that the machine does: the figures are
the same on a busy one. Scheduler, counting and events are the service's own; registry and provider are in memory, with
the CPU time that Redis' and HTTP's clients take as measured.
"""

import asyncio
import gc
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np
import orjson
from prometheus_client import CollectorRegistry
from serinus_collecting import prometheus
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.offload import Offloader
from serinus_collecting.ports import Answer, Commit, Lease, Unread, Values
from serinus_collecting.telemetry import Telemetry
from serinus_collector.adapters.registry import JUDGED_BYTES_A_MS
from serinus_collector.use_cases.snapshot_scheduler import SnapshotScheduler
from serinus_contracts import (
    AnalysisPlan,
    CanaryPolicy,
    MetricsCollected,
    RolloutObserved,
    Run,
    Selector,
    seal,
    to_entry,
)
from serinus_contracts.events.observed import Pod
from serinus_counting.progress import packed, unpacked
from serinus_counting.windows import RunState
from serinus_rollouts.policy_documents import read_resource
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import stages
from serinus_runtime.complaints import Complaints
from serinus_runtime.fair_slots import FairSlots, max_places
from serinus_runtime.service import collect_garbage_rarely

from benchmarks._figures import Figures
from tests import hostile
from tests.support import observed
from tests.unit.rollouts.objects import at

T = TypeVar("T")
BEGIN_MS = 1_700_000_000_000
PLACES, QUERIES, SHARE = 32, 10, 0.5
OWN, OTHERS = 24, 60
# Alone; while the others begin; beside them.
QUIET, BURST, BESIDE = (2.0, 6.0), (6.0, 11.0), (11.0, 25.0)
# Of the loop for a query and for a command; how long they are under way.
HTTP_MS, REDIS_MS, ANSWER_SECONDS, REDIS_SECONDS, ELSEWHERE_SECONDS = 0.5, 0.15, 0.004, 0.0005, 0.15


class IdealLoop(asyncio.SelectorEventLoop):
    """Its clock stands still while others compute."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped, self._not_ours = 0.0, 0.0
        self._begun = time.thread_time()
        selector: Any = self._selector  # type: ignore[attr-defined] # what asyncio waits in
        really = selector.select

        def select(seconds: float | None = None) -> Any:
            assert seconds is not None, "idle for ever"
            self._skipped += max(0.0, seconds)
            return really(0)

        selector.select = select

    def time(self) -> float:
        """Of this loop's clock, in seconds."""
        return time.thread_time() - self._begun - self._not_ours + self._skipped

    def elsewhere(self, work: Callable[[], T]) -> T:
        """Do it beside the clock."""
        began = time.thread_time()
        gc.disable()  # as in the processes beside the loop
        try:
            return work()
        finally:
            gc.enable()
            gc.collect(0)
            self._not_ours += time.thread_time() - began


def _compute(milliseconds: float) -> None:
    until = time.thread_time() + milliseconds / 1000
    while time.thread_time() < until:
        pass


@dataclass
class _Registry:
    """Due runs, the pace of namespaces, and how late each snapshot was there."""

    loop: IdealLoop
    due: dict[str, float] = field(default_factory=dict)
    runs: dict[str, tuple[Run, str, AnalysisPlan]] = field(default_factory=dict)
    kept: dict[str, tuple[int, str]] = field(default_factory=dict)
    pace: dict[str, float] = field(default_factory=dict)
    found: list[tuple[str, float, float]] = field(default_factory=list)

    def add(self, run: Run, policy: CanaryPolicy, seconds: float) -> None:
        plan = resolve(policy, run, stages(at().steps)).model_copy(update={"provider": "main"})
        pods = (Pod(name=f"{run.name}-new-1", arm="canary"), Pod(name=f"{run.name}-old-1", arm="stable"))
        since = BEGIN_MS - 20_000
        told = observed(run=run, plan=plan.digest, pods=pods, stage_started=since, gate_started=since)
        self.runs[run.id] = run, told.model_dump_json(), plan
        self.due[run.id] = BEGIN_MS + 1000 * seconds

    def _now(self) -> float:
        return BEGIN_MS + 1000 * self.loop.time()

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        await asyncio.sleep(REDIS_SECONDS)
        now = self._now()
        due = sorted((at, run) for run, at in self.due.items() if at <= now)[:limit]
        for _, run in due:
            self.due[run] = now + 30_000
        leases = [Lease(run, round(at), round(now), self.runs[run][0].namespace) for at, run in due]
        return leases, max(0.0, (min(self.due.values()) - now) / 1000)

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan] | None:
        _compute(REDIS_MS)
        await asyncio.sleep(REDIS_SECONDS)
        _, told, plan = self.runs[run]
        follows, windows = self.kept.get(run, (0, "{}"))
        state = json.loads(windows)
        state["progress"] = {name: unpacked(one) for name, one in state.get("progress", {}).items()}
        about = RolloutObserved.model_validate_json(told)
        return RunState(observed=about, weight_constant_until=BEGIN_MS + 10**9, follows=follows, **state), plan

    async def commit(
        self, lease: Lease, before: RunState, after: RunState, snapshot: MetricsCollected, due: int, cost_ms: float
    ) -> Commit:
        entry = to_entry(seal(snapshot, source="/benchmark", now=round(self._now())))
        windows = {"ends_stage": after.ends_stage, "ends": dict(after.ends), "scrape_ms": after.scrape_ms}
        windows["progress"] = {name: packed(one) for name, one in after.progress.items()}
        self.kept[lease.run] = after.follows, json.dumps(windows)
        _compute(REDIS_MS)
        await asyncio.sleep(REDIS_SECONDS)
        cost = (cost_ms + len(entry["ce"]) / JUDGED_BYTES_A_MS) / SHARE
        self.pace[lease.namespace] = max(self._now(), self.pace.get(lease.namespace, 0.0)) + cost
        self.due[lease.run] = max(due, self.pace[lease.namespace])
        self.found.append((lease.namespace, self.loop.time(), self._now() - lease.due))
        return "done"

    async def postpone(self, lease: Lease, due: int) -> None:
        self.due[lease.run] = due

    async def give_back(self, leases: Sequence[Lease], due: int) -> None:
        self.due.update(dict.fromkeys([lease.run for lease in leases], due))


@dataclass
class _Provider:
    """Answers as `tests/hostile.py` does."""

    loop: IdealLoop

    async def _answer(
        self, query: str, at: int, read: Callable[[int, bytes], T], body: bytes | None = None
    ) -> Unread[T]:
        _compute(HTTP_MS)
        await asyncio.sleep(60 if "slow" in query else ANSWER_SECONDS)
        return Unread(200, body or self.loop.elsewhere(partial(hostile.body_of, query, at / 1000)), read)

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        return await self._answer(f"{selector}[{reach_ms}ms]", end, prometheus._read_answer)

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        empty = orjson.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}})
        return await self._answer(str(selector), end, prometheus._read_answer, empty)

    async def values(self, query: str, at: int) -> Unread[Values]:
        return await self._answer(query, at, prometheus._read_values)


def ideal(policy: dict[str, Any]) -> Figures:
    """Milliseconds from due to snapshot of a namespace with this policy, alone and beside the worst."""
    logging.getLogger("serinus_collecting").setLevel(logging.ERROR)  # histories that the worst does not get
    collect_garbage_rarely()  # as every service does
    loop = IdealLoop()
    registry = _Registry(loop)
    own = {"metadata": {"name": "shop", "namespace": "shop"}}
    for number in range(OWN):
        registry.add(_run("shop", f"app{number}"), read_resource(policy | own), number * 3 / OWN)
    policies = [read_resource(one) for one in hostile.policies()]
    named = {one.spec.match.name: one for one in policies}
    for number in range(OTHERS):
        registry.add(_run(hostile.NAMESPACE, f"g{number}"), named.get(f"g{number}", policies[0]), QUIET[1])

    async def elsewhere(work: Callable[[], Any]) -> Any:
        await asyncio.sleep(ELSEWHERE_SECONDS)
        return loop.elsewhere(work)

    queries = MetricQueries(
        {"main": _Provider(loop)},
        {"main": FairSlots(QUERIES)},
        Telemetry(CollectorRegistry()),
        6.0,
        offloader=Offloader(elsewhere, loop.time),
    )
    collector = SnapshotCollector(registry, queries, allowance_ms=0, places=max_places(PLACES))
    scheduler = SnapshotScheduler(registry, collector, PLACES, Complaints(), monotonic=loop.time)

    async def collect() -> None:
        while loop.time() < BESIDE[1]:
            await asyncio.sleep(await scheduler.step())

    async def cancelled(left: set[asyncio.Task[Any]]) -> None:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    try:
        loop.run_until_complete(collect())
        loop.run_until_complete(cancelled(asyncio.all_tasks(loop)))
    finally:
        loop.close()
    figures = Figures()
    for label, (begin, end) in {"alone": QUIET, "as it begins": BURST, "beside it": BESIDE}.items():
        late = [late for name, at, late in registry.found if name == "shop" and begin <= at < end]
        for percent in (50, 99):
            figures[f"ideal machine, due to snapshot, p{percent}, {label}, ms"] = float(np.percentile(late, percent))
    p99 = [figures[f"ideal machine, due to snapshot, p99, {label}, ms"] for label in ("alone", "beside it")]
    figures["ideal machine, due to snapshot, p99, beside it against alone"] = p99[1] / p99[0]
    return figures


def _run(namespace: str, name: str) -> Run:
    return Run(
        cluster="test", namespace=namespace, name=name, uid=f"{namespace}-{name}", canary_hash="new", stable_hash="old",
        attempt=1,
    )  # fmt: skip
