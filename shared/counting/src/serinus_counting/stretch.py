"""What is counted now of each process and series: from where the windows before ended, up to what can be read."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from serinus_contracts.base import Millis

from serinus_counting.progress import MAX_WINDOW_MS, Progress, hidden_ms, lookback_ms, series_keys, target_key
from serinus_counting.resets import SAME_SCRAPE, Process, Span, knows_base
from serinus_counting.series import Series, Target

# A series that lacks more scrapes of its process is taken for dropped.
DROPPED_SCRAPES = 2.5


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
        mark = before.marks.get(target_key(target))
        if mark is None:
            begin = max(before.since, oldest, round(warm_at.get(process.pod, 0)))
            spans[target] = Span(span.floor, begin, span.end, new=not warm_at)
            continue
        spans[target] = Span(span.floor, max(mark.end, oldest), span.end)
        old = mark.end - young_ms
        if not mark.series and max([one.times[0] for one in process.series]) <= old:
            continue
        for one in process.series:
            known = [mark.series[key] for key in series_keys(one) if key in mark.series] if mark.series else []
            counted = known[0] if known else None
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
