"""From series to a measurement: arms, what is counted of which process, and what keeps it from being judged."""

from collections.abc import Sequence
from dataclasses import replace

from serinus_contracts import (
    Bucketed,
    Counted,
    Gauged,
    Measurement,
    Window,
)
from serinus_contracts.base import Millis

from serinus_counting.gauges import gauge
from serinus_counting.layout import by_arms
from serinus_counting.metric_window import MetricWindow
from serinus_counting.misread import counted_twice, status_in_words
from serinus_counting.ordinary import measure_ordinary
from serinus_counting.progress import Progress
from serinus_counting.quality import Quality, blank
from serinus_counting.renamed import UnknownNamesError, with_one_name
from serinus_counting.resets import increase, processes, restarts
from serinus_counting.series import Series, with_pods
from serinus_counting.steps import Step, both, missing, newest, next_step, uncounted
from serinus_counting.stretch import Fetched, begins, lacks_base
from serinus_counting.tallies import ARMS, by_segment, distribution, proportion
from serinus_counting.warming import warm, warm_times


def measure(asked: MetricWindow, series: Sequence[Series]) -> Measurement:
    """The counts of one metric in one window by itself, as `measure_on` gives them."""
    found = measure_on(asked, series)
    assert isinstance(found, tuple), "nothing else is asked for"
    return found[0]


def measure_on(asked: MetricWindow, series: Sequence[Series]) -> tuple[Measurement, Progress | None] | Millis:
    """The counts of one metric in one window, and up to when each process is counted with it, None where nothing is.
    Where samples from further back are to be asked for first, since when.

    Series of neither arm are left out.
    """
    try:
        return measure_ordinary(asked, series) or measure_each(asked, series)
    except UnknownNamesError as error:
        return blank(asked.metric, "error", str(error), Quality(len(series))), None


def measure_each(asked: MetricWindow, series: Sequence[Series]) -> tuple[Measurement, Progress | None] | Millis:
    """As `measure_on`, series by series, whatever they show. Raises UnknownNamesError."""
    plan, metric, pods, span = asked.plan, asked.metric, asked.pods, asked.span
    by_arm = with_one_name(by_arms(plan, metric, with_pods(series, plan.pod_label(metric))))
    ours = [*by_arm["canary"], *by_arm["stable"]]
    quality = Quality(len(ours), newest(ours) if ours else None)
    if lacking := missing(asked, by_arm, ours):
        return blank(metric, *lacking, quality), None
    found = processes(ours, asked.started)
    if isinstance(metric.source, Gauged):
        begin = begins(found, span, Fetched())
        if not asked.fetched.last and (wanted := lacks_base(found, begin, asked.fetched)) is not None:
            return wanted
        return gauge(metric.source, by_arm, span, asked.scrape_ms, quality, asked.max_characters), None
    counter = metric.source if isinstance(metric.source, Counted) else None
    words = (counter.blind or status_in_words(counter, by_arm)) if counter else ""
    if misread := words or counted_twice(ours):
        return blank(metric, "error", misread, quality), None
    warm_at = warm_times(plan, metric, pods)
    step = next_step(asked, ours, found, warm_at)
    if isinstance(step, int):
        return step
    if not isinstance(step, Step):
        return blank(metric, *step, quality), None
    stretch, span = step.stretch, step.span
    quality = replace(quality, detail=step.detail, resets=restarts(found, stretch.of_target))
    if isinstance(metric.source, Bucketed):
        by_arm, left_out = warm(by_arm, warm_at, span)
        if left_out:
            young = f"pods younger than {plan.warmup:g} s left out: {left_out}"
            quality = replace(quality, detail=both(quality.detail, young))
        if not all(by_arm.values()):
            return blank(metric, "settling", quality=quality), None
    increases = {arm: [increase(one, found[one.target], stretch.of(one)) for one in by_arm[arm]] for arm in ARMS}
    if wrong := uncounted(by_arm, stretch, increases):
        return blank(metric, *wrong, quality), None
    counts = {arm: [(one, round(n)) for one, n in zip(by_arm[arm], increases[arm], strict=True)] for arm in ARMS}
    window = Window(begin=span.begin, end=span.end)
    if isinstance(metric.source, Counted):
        whole = proportion(metric, metric.source, counts, pods, window, quality, asked.max_characters)
        counted = by_segment(plan.warmup, metric, metric.source, whole, counts, pods)
    else:
        assert isinstance(metric.source, Bucketed), "a query of its own has no series to be counted"
        counted = distribution(metric, metric.source, counts, window, quality)
    return counted, step.after if counted.status == "ok" else None
