"""What is kept of a window once it is counted, and what shows that some of it could not be read then."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from serinus_contracts.base import Millis

from serinus_counting.progress import (
    NOTHING,
    Mark,
    Progress,
    hidden_ms,
    lookback_ms,
    series_key,
    series_keys,
    target_key,
)
from serinus_counting.resets import SAME_SCRAPE, Process, at_each_scrape
from serinus_counting.series import Series, Target
from serinus_counting.stretch import Stretch

# Kubernetes tells of restarts that no scrape shows yet.
RESTARTS_NOT_SEEN = 2


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
        mark = marks.get(target_key(target))
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
        key, end = target_key(target), stretch.of_target[target].end
        mark = marks.get(key, NOTHING)
        kept = {name: time for name, time in mark.series.items() if time > forgotten}
        number = _keep(kept, process, stretch, end, scrape_ms)
        times, restarts = mark.falls, mark.restarts
        if target in fell:
            times, restarts = fell[target]
            times -= sum(time > end for time in process.restarts)
        marks[key] = Mark(end, kept, times, restarts, number)
    return Progress(before.since, scrape_ms, marks)


def _keep(kept: dict[str, Millis], process: Process, stretch: Stretch, end: Millis, scrape_ms: int) -> int:
    """The series that are not counted up to `end`, and those that next time could not be told from hidden ones. Gives
    the number of the others."""
    scrapes, had, number = process.scrapes, bool(kept), 0
    young_ms, back_ms = hidden_ms(scrape_ms), lookback_ms(scrape_ms)
    at = bisect_right(scrapes, end - young_ms) - 1
    steady = not young_ms or (at >= 0 and scrapes[at] > end - back_ms)
    for one in process.series:
        if steady and not had and at_each_scrape(one, process) and id(one) not in stretch.of_series:
            number += one.times[0] <= end
            continue
        key, last = series_key(one), min(one.times[-1], stretch.of(one).end)
        for known in series_keys(one):
            kept.pop(known, None)
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
        mark = marks.get(target_key(target), NOTHING)
        if mark.series or (mark.number is not None and process.size > mark.number):
            return False
    return True


def late(target: Target, process: Process, before: Progress) -> tuple[int, Sequence[Series], Millis]:
    """How many series of a process were counted up to its mark that nobody could read then, the series among which they
    are, and that time. What is new, or named, is no such series."""
    mark = (before.marks or {}).get(target_key(target), NOTHING)
    if mark.number is None or process.size <= mark.number:
        return 0, (), mark.end
    old, last = mark.end - hidden_ms(before.scrape_ms), mark.end - SAME_SCRAPE * before.scrape_ms
    counted = [one for one in process.series if one.times[0] <= old and one.times[-1] >= last]
    if mark.series:
        counted = [one for one in counted if mark.series.keys().isdisjoint(series_keys(one))]
    return max(0, len(counted) - mark.number), counted, mark.end
