"""When a run's next snapshot is taken, up to when, and which window each metric gets in it.

A snapshot always advances; a window only when its metric was counted, so that a failed query loses nothing. No window
ends where the weight is not known, none begins before its stage has settled.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from serinus_contracts import AnalysisPlan, PlanMetric, RolloutObserved
from serinus_contracts.base import Millis

from serinus_counting.progress import MAX_WINDOW_MS, Progress, lookback_ms, read_from
from serinus_counting.resets import Span

# Before the first samples have told it; Prometheus' own default is a minute, 15 s is what most people set.
ASSUMED_SCRAPE_MS = 15_000
# A base this far back is still found after a gap in the scrapes.
MAX_GAP_MS = 600_000


@dataclass(frozen=True)
class RunState:
    """What the registry knows of a run.

    `ends` are the ends of the metrics' last windows in the stage that began at `ends_stage`; `failures` counts
    the snapshots in a row for which the provider answered nothing. `progress` says which part of these windows was
    counted, by metric.
    """

    observed: RolloutObserved
    weight_constant_until: Millis
    follows: Millis = 0
    ends_stage: Millis = 0
    ends: Mapping[str, Millis] = field(default_factory=dict)
    progress: Mapping[str, Progress] = field(default_factory=dict)
    scrape_ms: int | None = None
    failures: int = 0


def snapshot_end(state: RunState, now: Millis, plan: AnalysisPlan, allowance_ms: int) -> Millis | None:
    """End of the snapshot that can be taken now, None if there is nothing new to collect.

    One scrape interval in the past, so that what is counted has been scraped and stored; and never where the
    weight is not yet known to have stayed, less an allowance for clocks that differ.
    """
    scrape = state.scrape_ms or min(ASSUMED_SCRAPE_MS, math.ceil(plan.interval * 1000))
    end = min(now - scrape, state.weight_constant_until - allowance_ms)
    return end if end > max(state.follows, state.observed.stage_started) else None


def span(state: RunState, plan: AnalysisPlan, metric: PlanMetric, end: Millis) -> Span | None:
    """The window of one metric, None while the stage settles for it.

    The first window of a stage begins when the stage has settled (at least two scrapes, and a metric's lag, by
    which its events belong to this stage's trials); later ones begin where the one before ended.
    """
    floor, settled, before = state.observed.stage_started, settled_at(state, plan, metric), ended_before(state, metric)
    if before is None:
        # The first window waits until it holds a scrape, so that it does not count as empty.
        return Span(floor, settled, end, new=True) if end - settled > (state.scrape_ms or 0) else None
    return Span(floor, max(before, end - MAX_WINDOW_MS), end)


def settled_at(state: RunState, plan: AnalysisPlan, metric: PlanMetric) -> Millis:
    """From when on the metric counts in the stage: its events belong to this stage's trials then."""
    settle_ms = max(plan.settle * 1000, 2 * (state.scrape_ms or 0)) + metric.lag * 1000
    return state.observed.stage_started + math.ceil(settle_ms)


def ended_before(state: RunState, metric: PlanMetric) -> Millis | None:
    """Where the metric's window before ended in this stage, None if there was none."""
    return state.ends.get(metric.name) if state.ends_stage == state.observed.stage_started else None


def next_due(run: str, now: Millis, plan: AnalysisPlan, scrape_ms: int | None, *, slower: int = 1) -> Millis:
    """The first moment of the run's own phase that is half an interval away or more.

    So runs stay spread, those that began or waited together too, and what was missed is not caught up by snapshots in a
    hurry. `slower` stretches the interval while the provider fails.
    """
    interval = max(math.ceil(plan.interval * 1000), scrape_ms or 0) * slower
    soonest = now + interval // 2
    return soonest + (zlib.crc32(run.encode()) - soonest) % interval


def reach_ms(window: Span, scrape_ms: int | None, before: Progress | None = None) -> int:
    """Length of the range query: the window and enough before it to hold a sample as base, without a gap, and to tell
    which series were young. `before`: what was counted in the window before."""
    scrape = scrape_ms or ASSUMED_SCRAPE_MS
    begin = min(window.begin - max(3 * scrape, lookback_ms(scrape)), read_from(before, window.begin))
    return window.end - begin


def far_reach_ms(window: Span, wanted: Millis) -> int:
    """Length of the range query that finds the base behind a gap in the scrapes, or one as old as `wanted`."""
    return window.end - max(min(window.begin, wanted), window.end - MAX_WINDOW_MS) + MAX_GAP_MS
