"""Whole-number counts over a window from raw counter samples.

V(t) is the last sample at or before t; a window's count is V(end) - V(begin) plus what resets hide. Windows that
tile time telescope: their counts add up to the count of their union, whatever scrapes were missed between.
PromQL's increase() extrapolates and misses births, so it is not used.

A process that restarts counts from zero again: its new value is added. In a process that is one of the run's own
pods, one counter that fell says that all did which have no sample in between. A process that counts for others (an
ingress controller) may drop one series and keep the rest, so one that fell says nothing about the others, but where a
proxy is known to drop series: what was missing together fell together. HAProxy drops none, so of it one fall says that
all fell. That a series was missing says nothing by itself: a sample may be lost, or only what changed is pushed. Where
series of one process have times of their own, as replicas of a Prometheus or clocks per instrument give them, nothing
can be missing and nothing is inferred.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import le

from serinus_counting.series import Series, Target, median_distance


@dataclass(frozen=True, slots=True)
class Span:
    """The window (begin, end] and `floor`, when its stage's weight was in force; all in ms.

    No sample from before the floor may serve as base, else the window would straddle the change of weight. `new`: what
    is counted was in no window of its stage before.
    """

    floor: int
    begin: int
    end: int
    new: bool = False


@dataclass(frozen=True, slots=True)
class Process:
    """What all series of one target say together.

    `scrapes`: when each began, whose samples may be some ms apart. `restarts`: scrapes before which it restarted.
    `shared`: each scrape is of all its series. `whole`: what falls in one series fell in all. `told`: scrapes, by
    number, between which a series fell that says so of others. `own`: it is a pod of the run. `started`: when that
    pod, `pod`, started, ms. `size`: how many series it has, of which `series` may be some that stand for all.
    """

    scrapes: Sequence[int]
    restarts: frozenset[int]
    shared: bool
    whole: bool
    told: Sequence[tuple[int, int]]
    own: bool
    started: int | None
    pod: str
    series: Sequence[Series] = ()
    size: int = 0


SAME_SCRAPE = 0.05
"""Of an interval: clocks of one process differ by less, those of replicas by more, and a restart may lie between."""
# What Prometheus scrapes is named by its address, what is pushed by whatever its sender likes.
_SCRAPED = re.compile(":[0-9]+$")
# Traefik, Envoy and Caddy destroy what they drop; it counts from zero when it returns.
_DROPPING = ("traefik_", "envoy_", "caddy_")


def processes(
    series: Iterable[Series], pods: Mapping[str, int | None], sizes: Mapping[Target, int] | None = None
) -> dict[Target, Process]:
    """The processes behind the series. `pods` maps the run's pods to when they started (ms), if known. `sizes`: of each
    process how many series it has, where some stand for all."""
    by_target: dict[Target, list[Series]] = {}
    for one in series:
        by_target.setdefault(one.target, []).append(one)
    found = {}
    for target, members in by_target.items():
        pod = members[0].labels.get("pod", "")
        scrapes, shared = _scrapes(members)
        fell = [one for one in members if list(one.values) != sorted(one.values)]
        falls = sorted({between for one in fell for between in _falls(one, scrapes)})
        # What fell while it was missing does not tell when.
        restarts = frozenset([scrapes[after] for before, after in falls if after - before <= 1])
        own, name = shared and pod in pods, members[0].labels.get("__name__", "")
        whole = own or (shared and name.startswith("haproxy_"))
        dropping = shared and name.startswith(_DROPPING)
        told = [(before, after) for before, after in falls if whole or (dropping and after - before > 1)]
        size, started = sizes[target] if sizes else len(members), pods.get(pod)
        found[target] = Process(scrapes, restarts, shared, whole, told, own, started, pod, members, size)
    return found


def _scrapes(members: Sequence[Series]) -> tuple[Sequence[int], bool]:
    """When the process was scraped, and whether all its series were, each time."""
    times = sorted({time for one in members for time in one.times})
    if len(members) == 1 or len(times) == max(len(one.times) for one in members):
        return times, True
    interval = median_distance(one.times for one in members)
    if interval is None:
        return times, True
    born, scrapes, shared = _created(members), list[int](), True
    longest = max(members, key=lambda one: len(one.times)).times
    if together := _together([time for time in times if time not in born], longest, interval * SAME_SCRAPE):
        return together, True
    for time in times:
        if time in born:
            continue
        if not scrapes or time - scrapes[-1] >= interval / 2:
            scrapes.append(time)
        elif time - scrapes[-1] > interval * SAME_SCRAPE:
            shared = False
    return scrapes, shared and (median_distance([scrapes]) or interval) > 0.75 * interval


def _together(times: Sequence[int], longest: Sequence[int], apart: float) -> list[int]:
    """The scrapes, if each time is so near to a sample of one series, whose samples are of a scrape each; else none."""
    scrapes = list(longest)
    for time in times:
        at = bisect_left(longest, time - apart)
        if at == len(longest) or longest[at] > time + apart:
            return []
        scrapes[at] = min(scrapes[at], time)
    return scrapes


def _created(members: Sequence[Series]) -> set[int]:
    """Times that are no scrape: of a series that others were there before, Prometheus may store a zero at the time at
    which it was created."""
    oldest = min(one.times[0] for one in members)
    born = {i for i, one in enumerate(members) if one.values[0] == 0 and one.times[0] > oldest}
    if not born:
        return set()
    counted = {time for i, one in enumerate(members) for time in (one.times[1:] if i in born else one.times)}
    return {members[i].times[0] for i in born} - counted


def at_each_scrape(series: Series, process: Process) -> bool:
    """Whether the series has one sample of each scrape of its process, and no other, at the time of that scrape.

    As many samples as scrapes say nothing: of a scrape may be two or none, and one may be of the series' creation.
    """
    return series.times == process.scrapes


def _number(scrapes: Sequence[int], time: int) -> int:
    """Of the scrape that a sample of this time belongs to."""
    return bisect_right(scrapes, time) - 1


def _falls(series: Series, scrapes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The scrapes, by number, between which the series fell: neighbours, but where it was missing."""
    values, times = series.values, series.times
    for i in range(1, len(times)):
        if values[i] < values[i - 1]:
            yield _number(scrapes, times[i - 1]), _number(scrapes, times[i])


def knows_base(series: Series, process: Process, span: Span) -> bool:
    """Whether what was fetched settles from which value to count; if not, samples from further back are needed."""
    if not series.times or series.times[0] <= span.begin:
        return True
    if not _counts_from_zero(series, process, replace(span, new=False), 0):
        return False
    return not _may_be_silent(series) or (process.started is not None and process.started >= span.floor)


def _may_be_silent(series: Series) -> bool:
    """What is not scraped may be sent only when it changes."""
    return _SCRAPED.search(series.labels.get("instance", "")) is None


def _counts_from_zero(series: Series, process: Process, span: Span, first: int) -> bool:
    """A series with no sample from the floor to `begin`: was it born after the floor, before its sample `first`?"""
    time = series.times[first]
    seen_without = _number(process.scrapes, time) > bisect_left(process.scrapes, span.floor)
    if first:
        # It was there before the floor: a restart hid it, or the process dropped it.
        fell = series.values[first] < series.values[first - 1]
        return seen_without and process.shared and _restarted(process, series.times[first - 1], time, fell)
    return seen_without or (process.started is not None and process.started >= (span.floor if span.new else span.begin))


def counted_samples(series: Series, process: Process, span: Span) -> tuple[int, int, bool]:
    """Which samples are counted in the window: from the first number up to before the second, and whether from the
    value of the sample before them, else from zero. None are where no base is known: the first sample only sets it."""
    times = series.times
    stop = bisect_right(times, span.end)
    start = bisect_right(times, span.begin)
    if start and (times[start - 1] >= span.floor or _unchanged_at_floor(series, process, span)):
        return start, stop, True
    if start < stop and not _counts_from_zero(series, process, span, start):
        return start + 1, stop, True
    return start, stop, False


def increase(series: Series, process: Process, span: Span) -> float:
    """What the series counted in the window; 0 where no base is known."""
    times, values = series.times, series.values
    start, stop, based = counted_samples(series, process, span)
    if start >= stop:
        return 0.0
    previous, last = (values[start - 1], times[start - 1]) if based else (0.0, None)
    counted = values[start:stop]
    if not process.told and counted[0] >= previous and all(map(le, counted, counted[1:])):
        return counted[-1] - previous
    total = 0.0
    for time, value in zip(times[start:stop], counted, strict=True):
        total += value if _restarted(process, last, time, value < previous) else value - previous
        previous, last = value, time
    return total


def _unchanged_at_floor(series: Series, process: Process, span: Span) -> bool:
    """Whether a series without a sample between floor and window was silent there, while others of its process came."""
    scrapes = process.scrapes
    silent = bisect_left(scrapes, span.floor) < bisect_right(scrapes, span.begin)
    return silent and _may_be_silent(series)


def _restarted(process: Process, last: int | None, time: int, fell: bool) -> bool:
    if fell or last is None or not process.told:
        return fell
    before, after = _number(process.scrapes, last), _number(process.scrapes, time)
    return any(before <= first and second <= after for first, second in process.told)


def restarts(found: Mapping[Target, Process], spans: Mapping[Target, Span]) -> int:
    """How many restarts were seen inside the windows of the processes."""
    return sum(
        sum(spans[target].begin < time <= spans[target].end for time in process.restarts)
        for target, process in found.items()
        if process.restarts
    )
