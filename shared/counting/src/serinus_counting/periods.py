"""Counts by closed periods, from stores that keep sums and no counters: a window is a row of whole periods.

A store adds up what arrives within a period, and some of it arrives late. A period is counted once it has ended and
`delay_ms` have passed, and no window ends within one: windows tile the periods, and what arrives within the delay is
counted once. What arrives later than that is lost, of events and trials alike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from serinus_contracts import AnalysisPlan, Measurement, PlanMetric, Proportion, Window
from serinus_contracts.base import Arm, Millis
from serinus_contracts.events import MAX_COUNT, MetricStatus
from serinus_contracts.plan import query_digest

from serinus_counting.quality import Quality, blank
from serinus_counting.tallies import ARMS
from serinus_counting.windows import RunState, ended_before, settled_at

# A day of minutes, as many points of a sum as a store gives at once: only what is older is given up.
MAX_PERIODS = 1440
# Of all sums of a question together: they are read where everybody else waits.
MAX_POINTS = 40_000
# An arm without requests for so many periods is without data; before that its next one may just not have come.
OVERDUE_PERIODS = 3
# Doubles of added rates differ from the whole number that they stand for by less.
_WHOLE = 0.001


@dataclass(frozen=True)
class Periods:
    """How a store cuts time, from the epoch on, and how long after its end a period is taken for whole."""

    period_ms: int
    delay_ms: int

    def at_or_after(self, at: float) -> Millis:
        """The first edge that is not before."""
        return -(-math.ceil(at) // self.period_ms) * self.period_ms

    def closed_until(self, at: Millis) -> Millis:
        """The last edge up to which all periods are whole at this moment."""
        return (at - self.delay_ms) // self.period_ms * self.period_ms

    def uncounted(self, window: Window) -> MetricStatus:
        """What it is that nothing could be counted in a window."""
        return "waiting" if window.end - window.begin < OVERDUE_PERIODS * self.period_ms else "no_data"


@dataclass(frozen=True)
class PeriodSums:
    """What was counted in each period, by its beginning (ms); a period that is not there had nothing that was told.

    `partial` not empty: the store says that some of it is missing.
    """

    counts: Mapping[Millis, float]
    partial: str = ""


@dataclass(frozen=True)
class ArmSums:
    """Events and trials of one arm."""

    events: PeriodSums
    trials: PeriodSums


def window_of(state: RunState, plan: AnalysisPlan, metric: PlanMetric, end: Millis, periods: Periods) -> Window | None:
    """The whole periods that a snapshot can count; None while the first one since the window before is open.

    They begin when the stage has settled for the metric, or where its window before ended.
    """
    before = ended_before(state, metric)
    begin = periods.at_or_after(settled_at(state, plan, metric) if before is None else before)
    closed = periods.closed_until(end)
    most = min(MAX_PERIODS, MAX_POINTS // (4 * len(plan.metrics)))
    begin = max(begin, closed - most * periods.period_ms)
    return Window(begin=begin, end=closed) if closed > begin else None


def measure_periods(
    metric: PlanMetric, window: Window, sums: Mapping[Arm, ArmSums], periods: Periods, store: str
) -> Measurement:
    """The counts of a metric in a window, which ends with the last period of which both arms have told: what one of
    them has not told so far is not taken for zero, and belongs to the next window. `store` is its name for people."""
    inside = {arm: _inside(one.trials, window) for arm, one in sums.items()}
    newest = {arm: max(found) for arm, found in inside.items() if found}
    quality = Quality(sum(bool(found) for found in inside.values()), max(newest.values(), default=None))
    parts = [part.partial for arm in ARMS for part in (sums[arm].events, sums[arm].trials) if part.partial]
    if parts:
        return blank(metric, "partial", "; ".join(dict.fromkeys(parts)), quality)
    for arm in ARMS:
        if arm not in newest:
            waited = (window.end - window.begin) // periods.period_ms
            detail = f"no {arm} data in {waited} closed periods of {periods.period_ms // 1000} s, {store} answered"
            return blank(metric, periods.uncounted(window), detail, quality)
    window = Window(begin=window.begin, end=min(newest.values()) + periods.period_ms)
    counts: dict[Arm, tuple[int, int]] = {}
    for arm in ARMS:
        events, trials = _total(sums[arm].events, window), _total(sums[arm].trials, window)
        if isinstance(events, str) or isinstance(trials, str):
            return blank(metric, "error", f"{arm}: {events if isinstance(events, str) else trials}", quality)
        if metric.count == "share" and events > trials:
            wrong = f"{arm} has {events:,} events of {trials:,} trials: they do not count the same requests"
            return blank(metric, "error", wrong, quality)
        counts[arm] = (events, trials)
    fields = {arm: {"": pair} for arm, pair in counts.items()} | quality.fields()
    assert not isinstance(metric.source, str)
    digest = query_digest(metric.source.query)
    return Proportion.model_validate({"status": "ok", "query_digest": digest, "window": window, **fields})


def _inside(sums: PeriodSums, window: Window) -> Mapping[Millis, float]:
    return {at: count for at, count in sums.counts.items() if window.begin <= at < window.end}


def _total(sums: PeriodSums, window: Window) -> int | str:
    """The whole number of a window, or why it is none."""
    total = 0
    for count in _inside(sums, window).values():
        if not (0 <= count <= MAX_COUNT and abs(count - round(count)) <= _WHOLE):
            return f"{count:.6g} in a period is no number of requests: give a metric of counts that is not sampled"
        total += round(count)
    return total if total <= MAX_COUNT else f"{total:.3g} counts in one window, more than {MAX_COUNT:.0e}"
