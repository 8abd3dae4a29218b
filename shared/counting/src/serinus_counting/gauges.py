"""Values per pod, such as the share of its memory limit that a pod uses."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

from serinus_contracts import Gauge, Gauged, Matcher, Window
from serinus_contracts.base import Arm
from serinus_contracts.plan import query_digest

from serinus_counting.quality import Quality
from serinus_counting.resets import Span, increase, processes
from serinus_counting.series import Series

# A pod that was not scraped for longer has no value now.
STALE_MS = 60_000
STALE_SCRAPES = 3


def gauge(
    source: Gauged,
    by_arm: Mapping[Arm, Sequence[Series]],
    span: Span,
    scrape_ms: int | None,
    quality: Quality,
    most_characters: int,
) -> Gauge:
    """The value of each pod at the end of the window, by arm. A pod without its divisor is left out.

    An error where the names of an arm's pods have more than `most_characters`: a limit on a gauge holds for each pod.
    """
    oldest = span.end - max(STALE_MS, STALE_SCRAPES * (scrape_ms or 0))
    arms = {arm: _values(source, series, span, oldest) for arm, series in by_arm.items()}
    if not any(arms.values()):
        every = [one for series in by_arm.values() for one in series]
        return Gauge(status="no_data", detail=_missing(source, every), query_digest=query_digest(source.query))
    if max(sum(map(len, values)) for values in arms.values()) > most_characters:
        count = max(map(len, arms.values()))
        detail = f"{count:,} pods of an arm have a value, more than a snapshot can hold: write fewer metrics"
        return Gauge(status="error", detail=detail, query_digest=query_digest(source.query))
    window = Window(begin=span.begin, end=span.end)
    return Gauge(status="ok", query_digest=query_digest(source.query), window=window, **arms, **quality.fields())


def _missing(source: Gauged, series: Sequence[Series]) -> str:
    """Which of the series that make a value no pod has."""
    for matchers in (source.value, source.over):
        if matchers and not any(_is(one, matchers) for one in series):
            return f"no pod has {' with '.join(one.value if one.label == '__name__' else str(one) for one in matchers)}"
    return "no pod has both a value of this minute and what it is divided by"


def _values(source: Gauged, series: Sequence[Series], span: Span, oldest: int) -> dict[str, float]:
    values: dict[str, float] = defaultdict(float)
    over: dict[str, float] = defaultdict(float)
    per: dict[str, float] = defaultdict(float)
    seconds = (span.end - span.begin) / 1000
    for one in series:
        last = bisect_right(one.times, span.end) - 1
        if last < 0 or one.times[last] < oldest:
            continue
        pod, value = one.labels.get("pod", ""), one.values[last]
        if _is(one, source.value):
            values[pod] += _increase(one, span) / seconds if source.rate else value
        elif source.over and _is(one, source.over):
            over[pod] += value
        elif source.per and _is(one, source.per):
            per[pod] += value
    found = {}
    for pod, value in values.items():
        divisor = (over.get(pod, 0.0) if source.over else 1.0) / ((per.get(pod) or 1.0) if source.per else 1.0)
        if divisor > 0:
            found[pod] = value / divisor
    return found


def _increase(series: Series, span: Span) -> float:
    """Of one counter by itself: it comes from a process that counts for all pods of a node."""
    return increase(series, processes([series], {})[series.target], span)


def _is(series: Series, matchers: tuple[Matcher, ...]) -> bool:
    return all(matcher.matches(series.labels) for matcher in matchers)
