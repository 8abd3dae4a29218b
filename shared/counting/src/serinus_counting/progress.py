"""Up to when each process was counted, so that what can be read only later is counted in the next window.

A server may show a sample seconds after its time: a series that is new (VictoriaMetrics' index), or one that came by a
slow shard of a remote write. Samples of one series come in order. So all series of a process are counted up to the last
scrape that all of them show, and the next window of that process begins there, whatever the window of the metric is
called. Series of which that is not true are named: those that the process has dropped, which may be late, and young
ones, which else could not be told from those that were hidden (docs/adr/0093).
"""

from base64 import b64encode
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, NamedTuple

from serinus_contracts.base import Millis

from serinus_counting.resets import SAME_SCRAPE, Process, Span, knows_base
from serinus_counting.series import Series, Target

# A new series can be read so long after its sample at the latest; a snapshot ends one scrape interval ago anyway.
HIDDEN_MS = 20_000
HIDDEN_SCRAPES = 12
# A series that lacks more scrapes of its process is taken for dropped.
DROPPED_SCRAPES = 2.5
# A process that was not counted so far has gone, or waits for longer than any that goes on.
RECENT_SCRAPES = 4
# A metric that failed for longer gives up the older part of its window: Prometheus would not thank us for more.
MAX_WINDOW_MS = 3_600_000
# What a dropped series had counted is kept for so long, should it be late; the second where there is little room.
MAX_LATE_MS = (MAX_WINDOW_MS, 600_000)
# Kubernetes tells of restarts that no scrape shows yet.
RESTARTS_NOT_SEEN = 2
# Of what is kept of all metrics of a run.
MAX_BYTES = 14 * 1024


class Mark(NamedTuple):
    """One process: its series are counted up to `end` (ms), but for those in `series`, by key.

    `falls`: scrapes at which it had restarted, so far in the stage; `restarts`: how often its containers had before;
    `number`: of the series that are counted up to `end`, None where that is not known.
    """

    end: Millis
    series: Mapping[str, Millis] = {}
    falls: int = 0
    restarts: int = 0
    number: int | None = None


@dataclass(frozen=True)
class Progress:
    """What of one metric is counted in its stage. `since`: where its first window began. `scrape_ms`: the interval by
    which series were young. Where `marks` is None, everything is counted up to the end of the last window."""

    since: Millis
    scrape_ms: int
    marks: Mapping[str, Mark] | None = field(default_factory=dict)


def packed(progress: Progress) -> list[Any]:
    """As JSON that takes little room."""
    if progress.marks is None:
        return [progress.since, progress.scrape_ms]
    return [
        progress.since,
        progress.scrape_ms,
        {k: _packed(mark, progress.since) for k, mark in progress.marks.items()},
        [mark.number for mark in progress.marks.values()],
    ]


def unpacked(found: Sequence[Any]) -> Progress:
    """What `packed` gave."""
    since, scrape_ms, *rest = found
    if not rest:
        return Progress(since, scrape_ms, None)
    # A collector from before numbers wrote none.
    numbers = rest[1] if len(rest) > 1 else [None] * len(rest[0])
    marks = {k: _unpacked(mark, since, number) for (k, mark), number in zip(rest[0].items(), numbers, strict=True)}
    return Progress(since, scrape_ms, marks)


def bytes_at_most(progress: Progress) -> int:
    """Of what `packed` gives."""
    long = [mark for mark in (progress.marks or {}).values() if not _short(mark)]
    numbers = sum([len(str(mark.number)) for mark in (progress.marks or {}).values()])
    # `null` is as long as None.
    return 64 + 27 * len(progress.marks or ()) + numbers + sum(32 + 26 * len(mark.series) for mark in long)


def _short(mark: Mark) -> bool:
    return not (mark.series or mark.falls or mark.restarts)


def _packed(mark: Mark, since: Millis) -> Any:
    if _short(mark):
        return mark.end - since
    by_time: dict[int, str] = {}
    for key, time in mark.series.items():
        by_time[time - since] = by_time.get(time - since, "") + key
    return [mark.end - since, by_time, mark.falls, mark.restarts]


def _unpacked(found: Any, since: Millis, number: int | None) -> Mark:
    if isinstance(found, int):
        return Mark(found + since, number=number)
    end, by_time, falls, restarts = found
    series = {
        keys[at : at + _KEY]: int(time) + since for time, keys in by_time.items() for at in range(0, len(keys), _KEY)
    }
    return Mark(end + since, series, falls, restarts, number)


_KEY = 8


@lru_cache(20_000)
def _key(parts: tuple[str, ...]) -> str:
    return b64encode(blake2b("\0".join(parts).encode(), digest_size=6).digest()).decode()


def _series_key(series: Series) -> str:
    return _key(tuple([part for pair in sorted(series.labels.items()) for part in pair]))


def hidden_ms(scrape_ms: int) -> int:
    """A series that is younger than this when it is counted may have been hidden from the snapshot before."""
    return max(0, min(HIDDEN_MS - scrape_ms, HIDDEN_SCRAPES * scrape_ms))


def lookback_ms(scrape_ms: int) -> int:
    """How much of a series before the end of its last window tells whether it was young then: a scrape lies in it."""
    return round(hidden_ms(scrape_ms) + 1.6 * scrape_ms)


def read_from(progress: Progress | None, end: Millis) -> Millis:
    """Since when samples are to be read in the window after one that ended at `end`."""
    if progress is None:
        return end
    ends = [mark.end for mark in (progress.marks or {}).values()]
    recent = [one for one in ends if one > end - RECENT_SCRAPES * progress.scrape_ms]
    return min([end, *recent]) - lookback_ms(progress.scrape_ms)


class Stretch(NamedTuple):
    """What is counted now of each process, and of those series by `id` for which that is another time."""

    of_target: Mapping[Target, Span]
    of_series: Mapping[int, Span]

    def of(self, series: Series) -> Span:
        """The span that is counted of a series: its own, else its process'."""
        return self.of_series.get(id(series)) or self.of_target[series.target]


class Fetched(NamedTuple):
    """What an answer stands on: no sample from before `since` (ms) was asked for. `last`: nothing else will be asked.
    `before`: what the windows before have counted."""

    since: Millis = 0
    last: bool = True
    before: Progress | None = None


def begins(
    found: Mapping[Target, Process],
    span: Span,
    fetched: Fetched,
    warm_at: Mapping[str, float] = MappingProxyType({}),
) -> Stretch:
    """Where counting goes on for each process and series. `warm_at`: when pods begin to be counted (ms)."""
    before = fetched.before
    if before is None or before.marks is None:
        return Stretch(dict.fromkeys(found, span), {})
    oldest = span.end - MAX_WINDOW_MS
    young_ms, back_ms = hidden_ms(before.scrape_ms), lookback_ms(before.scrape_ms)
    spans, others = dict[Target, Span](), dict[int, Span]()
    for target, process in found.items():
        mark = before.marks.get(_key(target))
        if mark is None:
            begin = max(before.since, oldest, round(warm_at.get(process.pod, 0)))
            spans[target] = Span(span.floor, begin, span.end, new=not warm_at)
            continue
        spans[target] = Span(span.floor, max(mark.end, oldest), span.end)
        old = mark.end - young_ms
        if not mark.series and max([one.times[0] for one in process.series]) <= old:
            continue
        for one in process.series:
            counted = mark.series.get(_series_key(one)) if mark.series else None
            if counted is not None:
                others[id(one)] = Span(span.floor, max(counted, oldest), span.end)
            elif old < one.times[0] <= mark.end and mark.end - back_ms >= fetched.since:
                # It was hidden when its process was counted.
                others[id(one)] = Span(span.floor, max(one.times[0] - 1, oldest), span.end, new=True)
    return Stretch(spans, others)


def lacks_base(found: Mapping[Target, Process], begin: Stretch, fetched: Fetched) -> Millis | None:
    """From when samples are wanted too, to know from which values to count; None where what was fetched tells."""
    before = fetched.before
    covered = fetched.since + lookback_ms(before.scrape_ms) if before and before.marks is not None else 0
    wanted: list[Millis] = []
    for target, process in found.items():
        whole = begin.of_target[target]
        uncovered = not whole.new and whole.begin < covered
        if not uncovered and not begin.of_series and max([one.times[0] for one in process.series]) <= whole.begin:
            continue
        for one in process.series:
            span = begin.of(one)
            if one.times[-1] <= span.begin:
                continue
            counted = id(one) in begin.of_series and not span.new
            if one.times[0] > span.begin and (counted or not knows_base(one, process, span)):
                wanted.append(span.begin)
            elif uncovered:
                wanted.append(whole.begin)
    return min(wanted, default=None)


def ends(found: Mapping[Target, Process], begin: Stretch, scrape_ms: int) -> Stretch:
    """Up to where each process can be counted: the last scrape which all its series show, but those it has dropped."""
    spans, others = dict[Target, Span](), dict[int, Span]()
    for target, process in found.items():
        span = begin.of_target[target]
        lasts = [one.times[-1] for one in process.series]
        end = newest = max(lasts)
        if min(lasts) < newest:
            restarted = max(process.restarts, default=0) if process.whole else 0
            lasts = _of_whole_histograms(process.series, restarted)
            # Of a process that has ended no scrape will tell that a series was dropped.
            dropped = max(min(newest - 1, span.end - DROPPED_SCRAPES * scrape_ms), restarted - 1)
            end = min((last for last in lasts if last > dropped), default=max(lasts))
            # Clocks of one process may differ by a little.
            end = max(last for last in lasts if last <= end + SAME_SCRAPE * scrape_ms)
        spans[target] = _until(span, end)
        if begin.of_series:
            for one in process.series:
                if id(one) in begin.of_series:
                    others[id(one)] = _until(begin.of_series[id(one)], spans[target].end)
        if min(lasts) < spans[target].end:
            for one, last in zip(process.series, lasts, strict=True):
                if last < min(one.times[-1], spans[target].end):
                    others[id(one)] = _until(begin.of(one), last)
    return Stretch(spans, others)


def _of_whole_histograms(series: Sequence[Series], restarted: Millis) -> list[Millis]:
    """Up to when each series can be counted: a histogram only as far as all its buckets go, since a process drops none
    of them alone, unless it has restarted."""
    whole: dict[tuple[tuple[str, str], ...], Millis] = {}
    lasts = [one.times[-1] for one in series]
    histograms = [
        tuple(sorted([pair for pair in one.labels.items() if pair[0] != "le"])) if "le" in one.labels else ()
        for one in series
    ]
    for histogram, last in zip(histograms, lasts, strict=True):
        if histogram and last >= restarted:
            whole[histogram] = min(last, whole.get(histogram, last))
    return [min(last, whole.get(histogram, last)) for histogram, last in zip(histograms, lasts, strict=True)]


def _until(span: Span, end: Millis) -> Span:
    return Span(span.floor, span.begin, max(span.begin, min(span.end, end)), span.new)


def common(stretch: Stretch, newest: Millis, readable: Millis, scrape_ms: int) -> tuple[Stretch, Millis] | None:
    """All processes counted up to one time, where too much would have to be kept; None while that is too early.

    No process that goes on has shown less, and whatever has begun can be read: nothing is to be kept then.
    """
    live = [span.end for span in stretch.of_target.values() if span.end > newest - DROPPED_SCRAPES * scrape_ms]
    end = min([*live, readable - hidden_ms(scrape_ms)])
    if end <= max(span.begin for span in stretch.of_target.values()):
        return None
    return Stretch(
        {target: _until(span, end) for target, span in stretch.of_target.items()},
        {series: _until(span, end) for series, span in stretch.of_series.items()},
    ), end


def falls(
    found: Mapping[Target, Process], stretch: Stretch, before: Progress | None, restarted: Mapping[str, int]
) -> Mapping[Target, tuple[int, int]]:
    """Of each pod of the run that restarted in its stage: at how many scrapes that was seen, and how often its
    containers had been restarted before."""
    marks = (before.marks if before else None) or {}
    told: dict[Target, tuple[int, int]] = {}
    for target, process in found.items():
        if not process.own:
            continue
        times = restarted.get(process.pod, 0)
        if not (process.restarts or times):
            continue
        mark = marks.get(_key(target))
        if mark is None:
            told[target] = len(process.restarts), max(0, times - len(process.restarts) - RESTARTS_NOT_SEEN)
        else:
            span = stretch.of_target[target]
            told[target] = mark.falls + sum(time > span.begin for time in process.restarts), mark.restarts
    return told


def advanced(
    found: Mapping[Target, Process],
    stretch: Stretch,
    before: Progress,
    scrape_ms: int,
    fell: Mapping[Target, tuple[int, int]],
    max_late_ms: int,
) -> Progress:
    """What is counted once the window is; what a series had that was dropped longer ago is forgotten."""
    marks = dict(before.marks or {})
    forgotten = max(span.end for span in stretch.of_target.values()) - max_late_ms
    for target, process in found.items():
        key, end = _key(target), stretch.of_target[target].end
        mark = marks.get(key, _NOTHING)
        kept = {name: time for name, time in mark.series.items() if time > forgotten}
        number = _keep(kept, process, stretch, end, scrape_ms)
        times, restarts = mark.falls, mark.restarts
        if target in fell:
            times, restarts = fell[target]
            times -= sum(time > end for time in process.restarts)
        marks[key] = Mark(end, kept, times, restarts, number)
    return Progress(before.since, scrape_ms, marks)


_NOTHING = Mark(0)


def _keep(kept: dict[str, Millis], process: Process, stretch: Stretch, end: Millis, scrape_ms: int) -> int:
    """The series that are not counted up to `end`, and those that next time could not be told from hidden ones. Gives
    the number of the others."""
    scrapes, had, number = process.scrapes, bool(kept), 0
    young_ms, back_ms = hidden_ms(scrape_ms), lookback_ms(scrape_ms)
    at = bisect_right(scrapes, end - young_ms) - 1
    steady = not young_ms or (at >= 0 and scrapes[at] > end - back_ms)
    for one in process.series:
        if steady and not had and len(one.times) == len(scrapes) and id(one) not in stretch.of_series:
            number += one.times[0] <= end
            continue
        key, last = _series_key(one), min(one.times[-1], stretch.of(one).end)
        kept.pop(key, None)
        if last < end - SAME_SCRAPE * scrape_ms:
            kept[key] = max(last, stretch.of(one).begin)
        elif young_ms and one.times[0] <= end:
            at = bisect_right(one.times, end - young_ms) - 1
            if at < 0 or one.times[at] <= end - back_ms:
                kept[key] = end
            else:
                number += 1
        else:
            number += one.times[0] <= end
    return process.size if number == len(process.series) else number


def is_plain(progress: Progress | None, found: Mapping[Target, Process]) -> bool:
    """Whether all series of each process are counted up to one time, and none is one that nobody could read then."""
    marks = (progress.marks if progress else None) or {}
    for target, process in found.items():
        mark = marks.get(_key(target), _NOTHING)
        if mark.series or (mark.number is not None and process.size > mark.number):
            return False
    return True


def late(target: Target, process: Process, before: Progress) -> tuple[int, Sequence[Series], Millis]:
    """How many series of a process were counted up to its mark that nobody could read then, the series among which they
    are, and that time. What is new, or named, is no such series."""
    mark = (before.marks or {}).get(_key(target), _NOTHING)
    if mark.number is None or process.size <= mark.number:
        return 0, (), mark.end
    old, last = mark.end - hidden_ms(before.scrape_ms), mark.end - SAME_SCRAPE * before.scrape_ms
    counted = [one for one in process.series if one.times[0] <= old and one.times[-1] >= last]
    if mark.series:
        counted = [one for one in counted if _series_key(one) not in mark.series]
    return max(0, len(counted) - mark.number), counted, mark.end
