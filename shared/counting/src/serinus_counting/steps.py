"""What of each process is counted now, and why nothing can be."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from serinus_contracts.base import Arm, Millis
from serinus_contracts.events import MAX_COUNT, MetricStatus

from serinus_counting.advance import advanced, falls
from serinus_counting.metric_window import MetricWindow
from serinus_counting.overlooked import overlooked
from serinus_counting.pages import counted_once
from serinus_counting.progress import MAX_BYTES, MAX_LATE_MS, Progress, bytes_at_most
from serinus_counting.resets import Process, Span
from serinus_counting.series import Series, Target
from serinus_counting.several import several, without_gone
from serinus_counting.stretch import Stretch, begins, common, ends, lacks_base
from serinus_counting.tallies import ARMS
from serinus_counting.windows import ASSUMED_SCRAPE_MS

_MANY = (
    "very many processes: they are counted up to a time that all of them show, and what comes later than 2.5 scrapes "
    "is not counted"
)
OVERDUE_SCRAPES = 2.5

Wrong = tuple[MetricStatus, str]


def missing(asked: MetricWindow, by_arm: Mapping[Arm, Sequence[Series]], ours: Sequence[Series]) -> Wrong | None:
    """Why the window cannot be counted by the samples there are, None if it can; `ours`: the series of both arms."""
    span, scrape_ms = asked.span, asked.scrape_ms
    for arm in ARMS:
        lacking = _lacking(arm, by_arm[arm], span, sum(known == arm for known, _ in asked.pods.values()))
        if lacking:
            # Between two scrapes there is nothing new: only a scrape that is overdue is a fault.
            late = not by_arm[arm] or span.end - newest(by_arm[arm]) > OVERDUE_SCRAPES * (scrape_ms or 0)
            return "no_data" if late else "waiting", lacking
    overdue = _overdue(ours, span, scrape_ms)
    return ("no_data", overdue) if overdue else None


class Step(NamedTuple):
    """What is counted now of which process, in the metric's window, and what is so afterwards."""

    stretch: Stretch
    span: Span
    after: Progress
    detail: str = ""


def next_step(
    asked: MetricWindow, ours: Sequence[Series], found: Mapping[Target, Process], warm_at: Mapping[str, float]
) -> Step | Wrong | Millis:
    """What is counted now, or why nothing can be, or since when samples are wanted first (ms)."""
    span, restarted, fetched = asked.span, asked.restarted, asked.fetched
    scrape_ms = asked.scrape_ms or ASSUMED_SCRAPE_MS
    readable = span.end
    # What is scraped after the last sample seen belongs to the next window, whatever the clocks say (docs/adr/0062).
    span = replace(span, end=min(span.end, newest(ours)))
    before = fetched.before
    once = counted_once(found, begins(found, span, fetched, warm_at), span.end, scrape_ms)
    if isinstance(once, str):
        return "error", once
    begin = once
    if not fetched.last and (wanted := lacks_base(found, begin, fetched)) is not None:
        return wanted
    if isinstance(lacking := overlooked(found, fetched), int):
        return lacking
    fell = falls(found, begin, before, restarted)
    if wrong := several(found, begin, fell, restarted, span.end, scrape_ms):
        return wrong
    left_out = ""
    if restarted and asked.by_pod:
        begin, left_out = without_gone(found, begin, restarted)
    left_out = both(left_out, lacking)
    stretch = ends(found, begin, scrape_ms)
    known = before or Progress(span.begin, scrape_ms)
    for max_late_ms in MAX_LATE_MS:
        after = advanced(found, stretch, known, scrape_ms, fell, max_late_ms)
        if bytes_at_most(after) <= MAX_BYTES // len(asked.plan.metrics):
            return Step(stretch, span, after, left_out)
    together = common(stretch, span.end, readable, scrape_ms)
    if together is None or together[1] <= span.begin:
        return "waiting", _MANY
    stretch, end = together
    return Step(stretch, replace(span, end=end), Progress(end, scrape_ms, None), both(left_out, _MANY))


def both(*details: str) -> str:
    """Those that are not empty, as one."""
    return "; ".join(filter(None, details))


def uncounted(
    by_arm: Mapping[Arm, Sequence[Series]], stretch: Stretch, increases: Mapping[Arm, Sequence[float]]
) -> Wrong | None:
    """Why these increases are no counts of the window, None if they are."""
    for arm in ARMS:
        if all(stretch.of(one).end <= stretch.of(one).begin for one in by_arm[arm]):
            return "waiting", f"samples of {arm} are late: no scrape of a process can be read whole yet"
        if not (total := sum(increases[arm])) <= MAX_COUNT:
            wrong = f"{arm} {total:.3g} counts in one window, more than {MAX_COUNT:.0e}: no counter of requests"
            return "error", wrong
        if (least := min(increases[arm])) < 0:
            return "error", f"{arm} has a series that counts {least:.3g} in one window: no counter of requests"
    return None


def _lacking(arm: Arm, series: Sequence[Series], span: Span, expected: int) -> str:
    """Why the window of this arm cannot be counted, empty if it can."""
    since = f"no {arm} data since {_clock(span.begin)}, Prometheus answered, "
    if not series:
        return since + f"0 of {max(expected, 1)} expected series"
    if newest(series) <= span.begin:
        return since + f"{len(series)} series without a new sample"
    return ""


def _overdue(series: Sequence[Series], span: Span, scrape_ms: int | None) -> str:
    """Whether samples may still come that belong into the window: counted now, they would be lost (docs/adr/0062)."""
    behind = span.end - newest(series)
    if not scrape_ms or behind <= OVERDUE_SCRAPES * scrape_ms:
        return ""
    return (
        f"the newest sample is {behind / 1000:.0f} s older than the snapshot: scrapes are overdue, or the clocks of "
        "Redis and Prometheus disagree"
    )


def newest(series: Sequence[Series]) -> Millis:
    """When the newest sample of all was taken (ms)."""
    return max(one.times[-1] for one in series)


def _clock(at: Millis) -> str:
    seconds = at // 1000 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
