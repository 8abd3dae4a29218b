"""Whole-number counts over a window from raw counter samples.

V(t) is the last sample at or before t; a window's count is V(end) - V(begin) plus what resets hide. Windows that
tile time telescope: their counts add up to the count of their union, whatever scrapes were missed between.
PromQL's increase() extrapolates and misses births, so it is not used.

A process that restarts counts from zero again: its new value is added. In a process that is one of the run's own
pods, one counter that fell says that all restarted, and a series that is missing from a scrape of its process has
restarted too when it returns. A process that counts for others (an ingress controller) is not trusted like that:
it may drop one series and keep the rest.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from serinus_counting.series import Series, Target


@dataclass(frozen=True, slots=True)
class Span:
    """The window (begin, end] and `floor`, when its stage's weight was in force; all in ms.

    No sample from before the floor may serve as base, else the window would straddle the change of weight.
    """

    floor: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Process:
    """What all series of one target say together.

    `scrapes`: when it was scraped. `restarts`: scrapes before which it restarted. `own`: it is a pod of the run.
    `started`: when that pod started, ms.
    """

    scrapes: Sequence[int]
    restarts: frozenset[int]
    own: bool
    started: int | None


def processes(series: Iterable[Series], pods: Mapping[str, int | None]) -> dict[Target, Process]:
    """The processes behind the series. `pods` maps the run's pods to when they started (ms), if known."""
    by_target: dict[Target, list[Series]] = {}
    for one in series:
        by_target.setdefault(one.target, []).append(one)
    found = {}
    for target, members in by_target.items():
        pod = members[0].labels.get("pod", "")
        scrapes = sorted({time for one in members for time in one.times})
        restarts = frozenset(time for one in members for time in _falls(one, scrapes))
        found[target] = Process(scrapes, restarts, pod in pods, pods.get(pod))
    return found


def _falls(series: Series, scrapes: Sequence[int]) -> Iterator[int]:
    """Scrapes at which the series is lower than at the scrape before. What fell while it was missing does not tell
    when, so it says nothing about the others."""
    values, times = series.values, series.times
    for i in range(1, len(times)):
        if values[i] < values[i - 1] and scrapes[bisect_left(scrapes, times[i]) - 1] == times[i - 1]:
            yield times[i]


def knows_base(series: Series, process: Process, span: Span) -> bool:
    """Whether what was fetched settles from which value to count; if not, samples from further back are needed."""
    if not series.times or series.times[0] <= span.begin:
        return True
    return _counts_from_zero(series, process, span, 0)


def _counts_from_zero(series: Series, process: Process, span: Span, first: int) -> bool:
    """A series with no sample from the floor to `begin`: was it born after the floor, before its sample `first`?"""
    time = series.times[first]
    seen_without = bisect_left(process.scrapes, time) > bisect_left(process.scrapes, span.floor)
    if first:
        # It was there before the floor: a restart hid it, or a process that counts for others dropped it alone.
        return seen_without and process.own
    return seen_without or (process.started is not None and process.started >= span.begin)


def increase(series: Series, process: Process, span: Span) -> float:
    """What the series counted in the window; 0 where no base is known (the first sample only sets it)."""
    times, values = series.times, series.values
    stop = bisect_right(times, span.end)
    start = bisect_right(times, span.begin)
    if stop == 0:
        return 0.0
    previous, last = 0.0, None
    if start and times[start - 1] >= span.floor:
        previous, last = values[start - 1], times[start - 1]
    elif start < stop and not _counts_from_zero(series, process, span, start):
        previous, last = values[start], times[start]
        start += 1
    if start >= stop:
        return 0.0
    if not process.restarts and len(times) == len(process.scrapes):
        return values[stop - 1] - previous
    total = 0.0
    for time, value in zip(times[start:stop], values[start:stop], strict=True):
        total += value if _restarted(process, last, time, value < previous) else value - previous
        previous, last = value, time
    return total


def _restarted(process: Process, last: int | None, time: int, fell: bool) -> bool:
    if fell or not process.own:
        return fell
    if time in process.restarts:
        return True
    return last is not None and bisect_left(process.scrapes, time) > bisect_right(process.scrapes, last)


def restarts(found: Iterable[Process], span: Span) -> int:
    """How many restarts were seen inside the window."""
    return sum(sum(span.begin < time <= span.end for time in process.restarts) for process in found)
