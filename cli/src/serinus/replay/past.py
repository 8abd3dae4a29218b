"""Snapshots at a past range of a Prometheus: the collector's own code, on a clock that runs through the range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry
from serinus_collector.adapters.prometheus import GRACE_SECONDS
from serinus_collector.use_cases.collect_snapshot import SnapshotCollector
from serinus_collector.use_cases.ports import Commit, Lease, Provider
from serinus_collector.use_cases.telemetry import Telemetry
from serinus_contracts import (
    AnalysisPlan,
    Bucketed,
    Counted,
    Gauged,
    MetricsCollected,
    Pod,
    RolloutObserved,
    Run,
)
from serinus_contracts.base import Millis
from serinus_counting.series import scrape_interval
from serinus_counting.windows import RunState
from serinus_runtime.fair_slots import FairSlots

QUERIES_AT_ONCE = 8
POD_STEP_MS = 60_000
NEWEST_MS = 300_000


@dataclass(frozen=True)
class Span:
    """One stage of the past: its weight was in force from `begin` on, until `end`."""

    weight: float
    begin: Millis
    end: Millis


@dataclass
class OneRun:
    """A registry of one run whose stages are known from the start."""

    state: RunState
    plan: AnalysisPlan
    snapshots: list[MetricsCollected] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        return [], 0.0

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan]:
        return self.state, self.plan

    async def commit(
        self,
        lease: Lease,
        before: RunState,
        after: RunState,
        snapshot: MetricsCollected,
        due: Millis,
        cost_ms: float,
    ) -> Commit:
        self.state = after
        self.snapshots.append(snapshot)
        return "done"

    async def postpone(self, lease: Lease, due: Millis) -> None:
        return None

    async def give_back(self, leases: Sequence[Lease], due: Millis) -> None:
        return None


async def taken(
    plan: AnalysisPlan,
    run: Run,
    spans: Sequence[Span],
    provider: Provider,
    timeout: float,
    tell: Callable[[Millis], None],
) -> list[MetricsCollected]:
    """The snapshots that a collector would have taken; `timeout` in seconds is for one query.

    Raises ProviderError if the provider does not answer.
    """
    pods, scrape_ms = await _known(plan, spans, provider)
    registry = OneRun(RunState(_observed(plan, run, 0, spans[0], pods), spans[0].end, scrape_ms=scrape_ms), plan)
    collector = SnapshotCollector(
        registry,
        {plan.provider: provider},
        {plan.provider: FairSlots(QUERIES_AT_ONCE)},
        Telemetry(CollectorRegistry()),
        0,
        timeout + GRACE_SECONDS,
    )
    interval = max(round(plan.interval * 1000), 1)
    for number, span in enumerate(spans):
        observed = _observed(plan, run, number, span, pods)
        registry.state = replace(registry.state, observed=observed, weight_constant_until=span.end)
        for end in [*range(span.begin + interval, span.end, interval), span.end]:
            # A snapshot ends one scrape interval ago: at this time of the clock it is `end`.
            now = end + (registry.state.scrape_ms or scrape_ms or 0)
            await collector.collect(Lease(run.id, now, now))
            tell(end)
    return registry.snapshots


async def _known(plan: AnalysisPlan, spans: Sequence[Span], provider: Provider) -> tuple[tuple[Pod, ...], int | None]:
    """The run's pods in the range as the series name them, and the interval of scrapes."""
    begin, end = spans[0].begin, spans[-1].end
    found: dict[str, Pod] = {}
    scrape_ms: int | None = None
    for metric in plan.metrics:
        if not isinstance(metric.source, Counted | Bucketed | Gauged):
            continue
        answer = await provider.sums(metric.source.query, ("pod",), end, end - begin, POD_STEP_MS)
        for one in answer.read().series:
            name = one.labels.get("pod", "")
            arm = next((rule.arm(one.labels) for rule in plan.arms if rule.label == "pod"), None)
            if arm and name:
                found[name] = Pod(name=name, arm=arm, ready=True)
        newest = await provider.samples(metric.source.query, end, NEWEST_MS)
        scrape_ms = scrape_ms or scrape_interval(newest.read().series)
    return tuple(sorted(found.values(), key=lambda pod: pod.name)), scrape_ms


def _observed(plan: AnalysisPlan, run: Run, number: int, span: Span, pods: tuple[Pod, ...]) -> RolloutObserved:
    stage = plan.stages[number]
    return RolloutObserved(
        run=run,
        resource_version="0",
        phase="Paused",
        step=max([stage.first_step, *stage.gates]),
        steps=max([0, *plan.stages[-1].gates]) + 1,
        stage=number,
        set_weight=span.weight,
        actual_weight=span.weight,
        steady=True,
        stage_started=span.begin,
        gate_started=span.begin,
        pods=pods,
        plan=plan.digest,
    )
