"""From series to a measurement: arms, what is counted of which process, and what keeps it from being judged."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from serinus_contracts import (
    AnalysisPlan,
    Bucketed,
    Counted,
    Gauged,
    Measurement,
    PlanMetric,
    Window,
)
from serinus_contracts.base import Arm, Millis
from serinus_contracts.events import MAX_COUNT, MetricStatus

from serinus_counting.gauges import gauge
from serinus_counting.misread import counted_twice, status_in_words
from serinus_counting.overlooked import overlooked
from serinus_counting.pages import counted_once
from serinus_counting.progress import (
    MAX_BYTES,
    MAX_LATE_MS,
    Fetched,
    Progress,
    Stretch,
    advanced,
    begins,
    bytes_at_most,
    common,
    ends,
    falls,
    lacks_base,
)
from serinus_counting.quality import Quality, blank
from serinus_counting.resets import Process, Span, increase, processes, restarts
from serinus_counting.series import Series, Target, with_one_spelling
from serinus_counting.several import several, without_gone
from serinus_counting.tallies import ARMS, by_segment, distribution, proportion
from serinus_counting.windows import ASSUMED_SCRAPE_MS

_MANY = (
    "very many processes: they are counted up to a time that all of them show, and what comes later than 2.5 scrapes "
    "is not counted"
)
OVERDUE_SCRAPES = 2.5
# Of both arms and all metrics of a snapshot, by the characters of their pods' names: what more pods count is one sum.
MAX_POD_CHARACTERS = 256 * 1024

_Wrong = tuple[MetricStatus, str]


def measure(
    plan: AnalysisPlan,
    metric: PlanMetric,
    series: Sequence[Series],
    span: Span,
    pods: Mapping[str, tuple[Arm, Millis | None]],
    scrape_ms: int | None,
    restarted: Mapping[str, int] = MappingProxyType({}),
) -> Measurement:
    """The counts of one metric in one window by itself, as `measure_on` gives them."""
    found = measure_on(plan, metric, series, span, pods, scrape_ms, restarted, Fetched())
    assert isinstance(found, tuple), "nothing else is asked for"
    return found[0]


def measure_on(
    plan: AnalysisPlan,
    metric: PlanMetric,
    series: Sequence[Series],
    span: Span,
    pods: Mapping[str, tuple[Arm, Millis | None]],
    scrape_ms: int | None,
    restarted: Mapping[str, int],
    fetched: Fetched,
) -> tuple[Measurement, Progress | None] | Millis:
    """The counts of one metric in one window, and up to when each process is counted with it, None where nothing is.
    Where samples from further back are to be asked for first, since when.

    `pods` are the run's pods by name: arm, and when they started; `restarted`: how often their containers did.
    Series of neither arm are left out.
    """
    by_arm = _by_arm(plan, metric, series)
    most_characters = MAX_POD_CHARACTERS // (2 * len(plan.metrics))
    ours = [*by_arm["canary"], *by_arm["stable"]]
    quality = Quality(len(ours), _newest(ours) if ours else None)
    if lacking := _missing(by_arm, ours, span, pods, scrape_ms):
        return blank(metric, *lacking, quality), None
    found = processes(ours, {name: started for name, (_, started) in pods.items()})
    if isinstance(metric.source, Gauged):
        begin = begins(found, span, Fetched())
        if not fetched.last and (wanted := lacks_base(found, begin, fetched)) is not None:
            return wanted
        return gauge(metric.source, by_arm, span, scrape_ms, quality, most_characters), None
    words = status_in_words(metric.source, by_arm) if isinstance(metric.source, Counted) else ""
    if misread := words or counted_twice(ours):
        return blank(metric, "error", misread, quality), None
    warm_at = _warm_at(plan, metric, pods)
    by_pod = any(rule.label == "pod" for rule in plan.arms_of(metric))
    step = _step(plan, ours, found, span, scrape_ms or ASSUMED_SCRAPE_MS, warm_at, by_pod, restarted, fetched)
    if isinstance(step, int):
        return step
    if not isinstance(step, _Step):
        return blank(metric, *step, quality), None
    stretch, span = step.stretch, step.span
    quality = replace(quality, detail=step.detail, resets=restarts(found, stretch.of_target))
    if isinstance(metric.source, Bucketed):
        by_arm, left_out = _warm(by_arm, warm_at, span)
        if left_out:
            young = f"pods younger than {plan.warmup:g} s left out: {left_out}"
            quality = replace(quality, detail=_both(quality.detail, young))
        if not all(by_arm.values()):
            return blank(metric, "settling", quality=quality), None
    increases = {arm: [increase(one, found[one.target], stretch.of(one)) for one in by_arm[arm]] for arm in ARMS}
    if uncounted := _uncounted(by_arm, stretch, increases):
        return blank(metric, *uncounted, quality), None
    counts = {arm: [(one, round(n)) for one, n in zip(by_arm[arm], increases[arm], strict=True)] for arm in ARMS}
    window = Window(begin=span.begin, end=span.end)
    if isinstance(metric.source, Counted):
        whole = proportion(metric, metric.source, counts, pods, window, quality, most_characters)
        counted = by_segment(plan.warmup, metric, metric.source, whole, counts, pods)
    else:
        assert isinstance(metric.source, Bucketed), "a query of its own has no series to be counted"
        counted = distribution(metric, metric.source, counts, window, quality)
    return counted, step.after if counted.status == "ok" else None


def _missing(
    by_arm: Mapping[Arm, Sequence[Series]],
    ours: Sequence[Series],
    span: Span,
    pods: Mapping[str, tuple[Arm, Millis | None]],
    scrape_ms: int | None,
) -> _Wrong | None:
    for arm in ARMS:
        lacking = _lacking(arm, by_arm[arm], span, sum(known == arm for known, _ in pods.values()))
        if lacking:
            # Between two scrapes there is nothing new: only a scrape that is overdue is a fault.
            late = not by_arm[arm] or span.end - _newest(by_arm[arm]) > OVERDUE_SCRAPES * (scrape_ms or 0)
            return "no_data" if late else "waiting", lacking
    overdue = _overdue(ours, span, scrape_ms)
    return ("no_data", overdue) if overdue else None


class _Step(NamedTuple):
    """What is counted now of which process, in the metric's window, and what is so afterwards."""

    stretch: Stretch
    span: Span
    after: Progress
    detail: str = ""


def _step(
    plan: AnalysisPlan,
    ours: Sequence[Series],
    found: Mapping[Target, Process],
    span: Span,
    scrape_ms: int,
    warm_at: Mapping[str, float],
    by_pod: bool,
    restarted: Mapping[str, int],
    fetched: Fetched,
) -> _Step | _Wrong | Millis:
    readable = span.end
    # What is scraped after the last sample seen belongs to the next window, whatever the clocks say (docs/adr/0062).
    span = replace(span, end=min(span.end, _newest(ours)))
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
    if restarted and by_pod:
        begin, left_out = without_gone(found, begin, restarted)
    left_out = _both(left_out, lacking)
    stretch = ends(found, begin, scrape_ms)
    known = before or Progress(span.begin, scrape_ms)
    for max_late_ms in MAX_LATE_MS:
        after = advanced(found, stretch, known, scrape_ms, fell, max_late_ms)
        if bytes_at_most(after) <= MAX_BYTES // len(plan.metrics):
            return _Step(stretch, span, after, left_out)
    together = common(stretch, span.end, readable, scrape_ms)
    if together is None or together[1] <= span.begin:
        return "waiting", _MANY
    stretch, end = together
    return _Step(stretch, replace(span, end=end), Progress(end, scrape_ms, None), _both(left_out, _MANY))


def _both(*details: str) -> str:
    return "; ".join(filter(None, details))


def _uncounted(
    by_arm: Mapping[Arm, Sequence[Series]], stretch: Stretch, increases: Mapping[Arm, Sequence[float]]
) -> _Wrong | None:
    for arm in ARMS:
        if all(stretch.of(one).end <= stretch.of(one).begin for one in by_arm[arm]):
            return "waiting", f"samples of {arm} are late: no scrape of a process can be read whole yet"
        if not (total := sum(increases[arm])) <= MAX_COUNT:
            wrong = f"{arm} {total:.3g} counts in one window, more than {MAX_COUNT:.0e}: no counter of requests"
            return "error", wrong
    return None


def _by_arm(plan: AnalysisPlan, metric: PlanMetric, series: Sequence[Series]) -> Mapping[Arm, Sequence[Series]]:
    by_arm: dict[Arm, list[Series]] = {"canary": [], "stable": []}
    for one in series:
        arm = plan.arm(one.labels, metric)
        if arm:
            by_arm[arm].append(one)
    bucketed = isinstance(metric.source, Bucketed)
    return {arm: with_one_spelling(members) if bucketed else members for arm, members in by_arm.items()}


def _warm_at(
    plan: AnalysisPlan, metric: PlanMetric, pods: Mapping[str, tuple[Arm, Millis | None]]
) -> Mapping[str, float]:
    """When each pod is warm (ms), whose latency is counted from then on."""
    if not isinstance(metric.source, Bucketed) or not plan.warmup:
        return {}
    return {name: started + 1000 * plan.warmup for name, (_, started) in pods.items() if started is not None}


def _warm(
    by_arm: Mapping[Arm, Sequence[Series]], warm_at: Mapping[str, float], span: Span
) -> tuple[dict[Arm, Sequence[Series]], int]:
    """The series of pods that were warm when the window began, and how many pods are left out.

    Where an arm has none, those that are warm when it ends: else the window of pods that all began together would
    wait for them for ever.
    """
    kept: dict[Arm, Sequence[Series]] = {}
    for arm in ARMS:
        for edge in (span.begin, span.end):
            found = [one for one in by_arm[arm] if warm_at.get(one.labels.get("pod", ""), 0) <= edge]
            # What is left of a pod that is gone is warm and shows nothing.
            kept[arm] = found if any(one.times[-1] > span.begin for one in found) else []
            if kept[arm]:
                break
    named = {one.labels.get("pod", "") for arm in ARMS for one in by_arm[arm]}
    return kept, len(named - {one.labels.get("pod", "") for arm in ARMS for one in kept[arm]})


def _lacking(arm: Arm, series: Sequence[Series], span: Span, expected: int) -> str:
    """Why the window of this arm cannot be counted, empty if it can."""
    since = f"no {arm} data since {_clock(span.begin)}, Prometheus answered, "
    if not series:
        return since + f"0 of {max(expected, 1)} expected series"
    if _newest(series) <= span.begin:
        return since + f"{len(series)} series without a new sample"
    return ""


def _overdue(series: Sequence[Series], span: Span, scrape_ms: int | None) -> str:
    """Whether samples may still come that belong into the window: counted now, they would be lost (docs/adr/0062)."""
    behind = span.end - _newest(series)
    if not scrape_ms or behind <= OVERDUE_SCRAPES * scrape_ms:
        return ""
    return (
        f"the newest sample is {behind / 1000:.0f} s older than the snapshot: scrapes are overdue, or the clocks of "
        "Redis and Prometheus disagree"
    )


def _newest(series: Sequence[Series]) -> Millis:
    return max(one.times[-1] for one in series)


def _clock(at: Millis) -> str:
    seconds = at // 1000 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
