"""What answers come to: the counts of one metric, or of all that were asked for together."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from serinus_contracts import AnalysisPlan, Bucketed, Measurement, PlanMetric
from serinus_contracts.base import Millis
from serinus_counting.kept import Kept
from serinus_counting.measure import measure_on
from serinus_counting.metric_window import MetricWindow
from serinus_counting.native_histograms import classic, counters
from serinus_counting.progress import Progress
from serinus_counting.quality import Quality, blank
from serinus_counting.series import Series, scrape_interval, with_pods
from serinus_counting.stretch import Fetched
from serinus_counting.windows import RunState, span

from serinus_collecting.asking import Asked
from serinus_collecting.ports import Answer, ProviderError, Unread

# Of the positions that are kept, four each.
MAX_BYTES = 8 * 2**20


class MetricCounts(NamedTuple):
    """What came of one metric: its interval of scrapes, and up to when each process is counted, where that is known."""

    measurement: Measurement
    scrape_ms: int | None = None
    progress: Progress | None = None


def count_one(
    answer: Unread[Answer], state: RunState, plan: AnalysisPlan, asked: Asked, last: bool
) -> MetricCounts | Millis:
    """What the answer gives; where it reaches not far enough back, since when it should. `last`: nothing else is asked.
    Raises ProviderError."""
    found = answer.read()
    if found.warnings:
        series = _series(asked.metric, found)
        measured = blank(asked.metric, "partial", "; ".join(found.warnings), Quality(len(series)))
        return MetricCounts(measured, scrape_interval(series))
    return _counted(found, state, plan, asked, last)


def count_each(
    answer: Unread[Answer], state: RunState, plan: AnalysisPlan, group: Sequence[Asked]
) -> Sequence[MetricCounts | Millis]:
    """What the answer gives for each metric of a group. Raises ProviderError, also for an answer that is partial."""
    found = answer.read()
    if found.warnings:
        raise ProviderError("; ".join(found.warnings))
    reach = max(one.reach_ms for one in group)
    return [_counted(_of(found, plan, one, one.reach_ms == reach), state, plan, one, False) for one in group]


def _counted(found: Answer, state: RunState, plan: AnalysisPlan, asked: Asked, last: bool) -> MetricCounts | Millis:
    metric, window = asked.metric, asked.window
    series = _series(metric, found)
    scrape = scrape_interval(series)
    scrape_ms = scrape or state.scrape_ms
    settled = span(replace(state, scrape_ms=scrape_ms), plan, metric, window.end)
    if settled is None:
        return MetricCounts(blank(metric, "settling"), scrape)
    pods = {pod.name: (pod.arm, pod.started) for pod in state.observed.pods}
    restarted = {pod.name: pod.restarts for pod in state.observed.pods}
    fetched = Fetched(window.end - asked.reach_ms, last, asked.before)
    labels = None if found.histograms else found.labels
    of = MetricWindow(plan, metric, settled, pods, scrape_ms, restarted, fetched, labels)
    measured = measure_on(of, series)
    return measured if isinstance(measured, int) else MetricCounts(measured[0], scrape, measured[1])


def counted(plan: AnalysisPlan, metric: PlanMetric, answer: Answer) -> Sequence[Series]:
    """The series that a metric is counted by: native histograms as classic ones, and each with its pod as `pod`."""
    return with_pods(_series(metric, answer), plan.pod_label(metric))


def _series(metric: PlanMetric, answer: Answer) -> Sequence[Series]:
    if not answer.histograms:
        return answer.series
    native = classic if isinstance(metric.source, Bucketed) else counters
    return [*answer.series, *native(answer.histograms)]


_kept: Kept[Sequence[int]] = Kept(MAX_BYTES, lambda positions: 4 * len(positions))


def _of(found: Answer, plan: AnalysisPlan, asked: Asked, whole: bool) -> Answer:
    """What of an answer belongs to one metric, as far back as it was to reach, or the `whole` time."""
    names = asked.selector.names
    assert names is not None, "it would not be in a group"
    made = partial(_positions, found.series, names)
    labels = None if found.labels is None else (found.labels, plan.digest, asked.metric.name)
    positions = made() if labels is None else _kept.of(labels, made)
    series = [found.series[at] for at in positions]
    histograms = [one for one in found.histograms if one.labels.get("__name__") in names]
    if whole:
        return Answer(series, histograms=histograms, labels=labels)
    begin = asked.window.end - asked.reach_ms
    cut = [
        Series(one.labels, one.times[at:], one.values[at:])
        for one in series
        if (at := bisect_left(one.times, begin)) < len(one.times)
    ]
    cut_histograms = [
        replace(one, times=one.times[at:], counts=one.counts[at:], buckets=one.buckets[at:])
        for one in histograms
        if (at := bisect_left(one.times, begin)) < len(one.times)
    ]
    return Answer(cut, histograms=cut_histograms, labels=labels if len(cut) == len(series) else None)


def _positions(series: Sequence[Series], names: frozenset[str]) -> Sequence[int]:
    return array("I", [at for at, one in enumerate(series) if one.labels.get("__name__") in names])
