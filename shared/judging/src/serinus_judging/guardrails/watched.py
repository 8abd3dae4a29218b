"""What the guardrails watch of a plan."""

from functools import lru_cache
from typing import NamedTuple

from serinus_contracts.plan import AnalysisPlan, Gauged, PlanLimit, PlanMetric


class Watched(NamedTuple):
    """Which of a plan's metrics the guardrails watch, by index. limits: those on gauges."""

    gauges: tuple[int, ...]
    counted: tuple[int, ...]
    durations: tuple[int, ...]
    limits: tuple[PlanLimit, ...]

    @property
    def features(self) -> tuple[int, ...]:
        """In what pods are compared with one another."""
        return self.counted + self.gauges


@lru_cache(maxsize=4096)
def watched_by(plan: AnalysisPlan) -> Watched:
    """Which of the plan's metrics are watched beside the judge."""
    metrics = plan.metrics
    kinds: dict[str, tuple[int, ...]] = {
        kind: tuple(i for i, metric in enumerate(metrics) if metric.source.kind == kind)
        for kind in ("gauge", "proportion", "distribution")
    }
    names = {metrics[i].name for i in kinds["gauge"]}
    limits = tuple(limit for limit in plan.limits if limit.metric in names)
    return Watched(kinds["gauge"], kinds["proportion"], kinds["distribution"], limits)


def display_name(metric: PlanMetric) -> str:
    """memory, or CPU per request: a gauge that is a rate is taken per request of its pod."""
    per_request = isinstance(metric.source, Gauged) and metric.source.rate
    return f"{metric.name} per request" if per_request else metric.name
