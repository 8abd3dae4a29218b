"""Snapshots at a past range of a Prometheus: the collector's own code, on a clock that runs through the range."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.ports import Provider
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
from serinus_counting.windows import ASSUMED_SCRAPE_MS, RunState

POD_STEP_MS = 60_000
NEWEST_MS = 300_000


@dataclass(frozen=True)
class Span:
    """One stage of the past: its weight was in force from `begin` on, until `end`."""

    weight: float
    begin: Millis
    end: Millis


async def taken(
    plan: AnalysisPlan,
    run: Run,
    spans: Sequence[Span],
    provider: Provider | PeriodProvider,
    timeout: float,
    tell: Callable[[Millis], None],
) -> Sequence[MetricsCollected]:
    """The snapshots that a collector would have taken; `timeout` in seconds is for one query.

    Raises ProviderError if the provider does not answer.
    """
    pods, scrape_ms = ((), None) if isinstance(provider, PeriodProvider) else await _known(plan, spans, provider)
    state = RunState(_observed(plan, run, 0, spans[0], pods), spans[0].end, scrape_ms=scrape_ms)
    collected = CollectedRun(plan, state, provider, timeout)
    interval = max(round(plan.interval * 1000), 1)
    # A store of sums has no scrapes, and its snapshots end as if they were the usual ones.
    unscraped = min(ASSUMED_SCRAPE_MS, interval) if isinstance(provider, PeriodProvider) else 0
    for number, span in enumerate(spans):
        observed = _observed(plan, run, number, span, pods)
        for end in [*range(span.begin + interval, span.end, interval), span.end]:
            # A snapshot ends one scrape interval ago: at this time of the clock it is `end`.
            await collected.collect(observed, span.end, now=end + (collected.scrape_ms or unscraped))
            tell(end)
    return collected.snapshots


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
