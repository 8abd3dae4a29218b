"""Which role a metric has in rules that speak of success, latency, conversion, memory and CPU."""

from typing import Literal

from serinus_contracts.events import Finding
from serinus_contracts.plan import PlanMetric

from serinus_judging.snapshot import Quad

MAX_RATIO = 1e6
"""The largest ratio that is told."""

MetricRole = Literal["success", "conversion", "latency", "memory", "cpu"]


def role_of(metric: PlanMetric) -> MetricRole | None:
    """None where no such rule is for it: a rate of events that fail, a gauge that is no share of anything."""
    source = metric.source
    if source.kind == "distribution":
        return "latency"
    if source.kind == "gauge":
        return None if source.over is None else "cpu" if source.rate else "memory"
    if source.kind == "proportion" and metric.better == "higher":
        return "conversion"
    return "success" if source.kind == "proportion" and metric.count == "share" else None


def good(quad: Quad, role: MetricRole) -> tuple[float, float] | None:
    """Share of the trials that went well, of canary and stable: what is not an error, or what converted."""
    x, n, y, m = quad
    if not n or not m:
        return None
    return (x / n, y / m) if role == "conversion" else (max(1 - x / n, 0.0), max(1 - y / m, 0.0))


def ratio_of(canary: float, stable: float) -> float:
    """Canary to stable, at most MAX_RATIO: as of a canary above 0 and a stable that is 0; two zeros are the same."""
    if stable > 0:
        return min(canary / stable, MAX_RATIO)
    return MAX_RATIO if canary > 0 else 1.0


def unruled(metric: PlanMetric, judge: str) -> Finding:
    """Said of a metric that no rule is for, so that nobody takes silence for a pass."""
    return Finding(kind="rule", metric=metric.name, text=f"no rule of {judge} is for {metric.name}")
