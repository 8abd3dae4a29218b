"""One real measurement of a metric as a snapshot would take it now, by the collector's own code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from serinus_contracts import AnalysisPlan, ArmRule, Distribution, Measurement, PlanMetric, Proportion
from serinus_contracts.base import Arm, Millis
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.quality import Quality, blank
from serinus_counting.resets import Span
from serinus_counting.series import Series, scrape_interval
from serinus_counting.tallies import ARMS

_ARM = "serinus_arm"
# The second names the label of the pod; every series has the first.
_BY_ARM = tuple([ArmRule(label=label, canary="canary", stable="stable") for label in (_ARM, "pod")])


@dataclass(frozen=True)
class Live:
    """Counts of one arm in the last minutes; of a histogram its edges in seconds and counts per bucket, one more."""

    series: int = 0
    events: int = 0
    trials: int = 0
    edges: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Pods:
    """The pods of both arms by name: arm and when they started (ms), and how often their containers did."""

    arms: Mapping[str, tuple[Arm, Millis | None]] = field(default_factory=dict)
    restarts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One metric as it is now. `seconds` is the time in which its counts came."""

    metric: str
    canary: Live
    stable: Live
    scrape_ms: int | None
    seconds: float
    measurement: Measurement


def count(
    plan: AnalysisPlan,
    metric: PlanMetric,
    series: Sequence[Series],
    now: Millis,
    *,
    releasing: bool = True,
    pods: Pods | None = None,
    warnings: Sequence[str] = (),
) -> Seen:
    """The measurement of both arms from the first sample on; between releases of stable alone, beside its double.

    `warnings` are those of the provider, which counts nothing then.
    """
    pods = pods or Pods()
    found = [(plan.arm(one.labels, metric), one) for one in series]
    ours: dict[Arm, list[Series]] = {arm: [one for of, one in found if of == arm] for arm in ARMS}
    numbers = {arm: len(ours[arm]) for arm in ARMS}
    if not releasing:
        ours["canary"], numbers["canary"] = ours["stable"], 0
    told = [replace(one, labels={**one.labels, _ARM: arm}) for arm in ARMS for one in ours[arm]]
    scrape_ms = scrape_interval(series)
    first = min((one.times[0] for one in told), default=now)
    by_arm = metric.model_copy(update={"arms": _BY_ARM})
    if warnings:
        one = blank(metric, "partial", "; ".join(warnings), Quality(len(told)))
    else:
        span = Span(0, first, now - (scrape_ms or 0))
        one = measure(MetricWindow(plan, by_arm, span, pods.arms, scrape_ms, pods.restarts), told)
    live = {arm: _live(one, arm, numbers[arm]) for arm in ARMS}
    seconds = (one.window.end - one.window.begin) / 1000 if one.window else 0.0
    canary = live["canary"] if releasing else Live()
    return Seen(metric.name, canary, live["stable"], scrape_ms, max(1.0, seconds), one)


def _live(one: Measurement, arm: Arm, series: int) -> Live:
    if isinstance(one, Proportion):
        counts = (one.canary if arm == "canary" else one.stable).values()
        return Live(series, sum(events for events, _ in counts), sum(trials for _, trials in counts))
    if isinstance(one, Distribution):
        buckets = one.canary if arm == "canary" else one.stable
        return Live(series, 0, sum(buckets), one.edges, buckets)
    return Live(series)
