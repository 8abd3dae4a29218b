"""Kayenta's judge (NetflixACAJudge) on rates of snapshots: classify each metric, score the release (docs/adr/0015).

Each snapshot gives one point per arm and metric: a rate, a p95, the mean of a gauge over pods. The canary's points are
tested against stable's by an interval for their shift; the score is the weighted share of metrics that pass.
"""

from collections.abc import Sequence
from math import nan
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import ConfigDict
from serinus_contracts.events import Finding, Gauge, Verdict
from serinus_contracts.judge import KayentaRule
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import edge, names, percent, plain

from serinus_judging.arrays import Floats
from serinus_judging.histogram import quantile
from serinus_judging.rules.metric_role import ratio_of
from serinus_judging.rules.rank_sum import Shift, shift
from serinus_judging.rules.rule_judge import RuleJudge, Ruling
from serinus_judging.rules.rule_state import RuleSnapshot, RuleState
from serinus_judging.snapshot import Reading

Label = Literal["Pass", "High", "Low", "Nodata"]
Direction = Literal["increase", "decrease"]

MAX_POINT_BYTES = 4096
"""Bytes of evidence that points may take; what is older is forgotten."""
MAX_SNAPSHOTS = 120
FENCE = 3.0
"""Interquartile ranges beyond the quartiles from which on a point may be an outlier."""


class Class(NamedTuple):
    """How one metric fared; ratio: of the means, canary to stable; shift: None where none had to be looked for."""

    label: Label
    ratio: float = 1.0
    shift: Shift | None = None


def classify(canary: Floats, stable: Floats, direction: Direction, tolerance: float, confidence: float) -> Class:
    """The classifier on points without NaN. direction: the one that is bad.

    High if the whole interval of the shift lies beyond `tolerance` of its estimate and the means say so too, Low the
    other way round; a change in the good direction passes.
    """
    if not len(canary) or not len(stable):
        return Class("Nodata")
    if np.array_equal(np.sort(canary), np.sort(stable)) or len(np.unique(np.concatenate([canary, stable]))) == 1:
        return Class("Pass")
    found = shift(canary, stable, confidence)
    own, other = float(canary.mean()), float(stable.mean())
    ratio = ratio_of(own, other)
    bound = tolerance * abs(found.estimate)
    if direction == "increase" and found.low > bound and ratio >= 1:
        return Class("High", ratio, found)
    if direction == "decrease" and found.high < -bound and ratio <= 1:
        return Class("Low", ratio, found)
    return Class("Pass", ratio, found)


def without_outliers(points: Floats) -> Floats:
    """Without what lies beyond both the fences and the 1st or 99th percentile (so of under 100 points all stay)."""
    if not len(points):
        return points
    low, first, third, high = np.quantile(points, [0.01, 0.25, 0.75, 0.99], method="weibull")
    reach = FENCE * (third - first)
    kept: Floats = points[(points >= min(low, first - reach)) & (points <= max(high, third + reach))]
    return kept


def group_score(labels: Sequence[Label]) -> float:
    """Percent of a group's metrics that pass; no data is no pass."""
    return 100 * labels.count("Pass") / len(labels)


def score(groups: Sequence[tuple[float, Sequence[Label]]]) -> float:
    """The groups' scores by their weights."""
    return sum(weight * group_score(labels) for weight, labels in groups) / sum(weight for weight, _ in groups)


class Points(RuleState):
    """And the points of the last snapshots, (snapshots, metrics, arms) as float32, NaN where there was
    none."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    points: bytes = b""

    def of(self, metric: int, arm: int) -> Floats:
        """The points of a metric (canary 0, stable 1) that are there."""
        found = self.table[:, metric, arm].astype(np.float64)
        return found[~np.isnan(found)]

    @property
    def table(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """The points as (snapshots, metrics, arms)."""
        return np.frombuffer(self.points, "<f4").reshape(-1, len(self.totals), 2)


def update(plan: AnalysisPlan, evidence: Points, now: RuleSnapshot) -> Points:
    """What is remembered after a snapshot."""
    row = np.array([[_point(reading) for reading in now.readings]], dtype="<f4")
    kept = min(MAX_SNAPSHOTS, max(MAX_POINT_BYTES // (8 * len(plan.metrics)), 1))
    table = np.concatenate([evidence.table, row])[-kept:]
    return evidence.model_copy(update={"points": table.tobytes()})


def _point(reading: Reading) -> tuple[float, float]:
    measured = reading.measured
    if reading.status != "ok":
        return nan, nan
    if isinstance(measured, Gauge):
        return _mean(measured.canary.values()), _mean(measured.stable.values())
    if reading.tails is not None:
        canary, stable = (quantile(reading.tails.edges, counts, 0.95) for counts in reading.tails.counts)
        return nan if canary is None else canary, nan if stable is None else stable
    x, n, y, m = reading.quad
    return x / n, y / m


def _mean(values: Any) -> float:
    return float(np.mean(list(values))) if values else nan


def rules(plan: AnalysisPlan, evidence: Points, _: RuleSnapshot) -> Ruling:
    """What the rules say of the counts so far."""
    rule = plan.judge
    assert isinstance(rule, KayentaRule)
    classes = [_class(rule, metric, evidence, i) for i, metric in enumerate(plan.metrics)]
    found = [_finding(metric, one) for metric, one in zip(plan.metrics, classes, strict=True)]
    total = score([(metric.weight, [one.label]) for metric, one in zip(plan.metrics, classes, strict=True)])
    failed = [metric for metric, one in zip(plan.metrics, classes, strict=True) if one.label != "Pass"]
    critical = [metric.name for metric in failed if metric.critical]
    if critical:
        total = 0.0
    why = [one.text for one in found if one.severity == "critical"]
    points = f"kayenta scores {total:.3g} of 100"
    if critical:
        points += f", since {names(critical)} {'is' if len(critical) == 1 else 'are'} critical"
    if total >= rule.pass_score:
        verdict: Verdict = "proceed"
        points += f", {rule.pass_score:g} passes, on {len(evidence.table)} snapshots"
    elif total < rule.marginal_score:
        verdict, points = "abort", f"{points}, {rule.marginal_score:g} needed"
    else:
        verdict, points = "hold", f"{points}, {rule.pass_score:g} passes"
    return Ruling(verdict, ": ".join([points, "; ".join(why)]) if why else points, total, tuple(found))


def _class(rule: KayentaRule, metric: PlanMetric, evidence: Points, i: int) -> Class:
    canary, stable = evidence.of(i, 0), evidence.of(i, 1)
    if rule.outliers == "remove":
        canary, stable = without_outliers(canary), without_outliers(stable)
    direction: Direction = "decrease" if metric.better == "higher" else "increase"
    return classify(canary, stable, direction, rule.tolerance, rule.confidence)


def _finding(metric: PlanMetric, one: Class) -> Finding:
    name, passes, values = metric.name, one.label == "Pass", {}
    if one.shift is None:
        text = f"{name}: {'Pass, nothing differs' if passes else 'no data'}"
    else:
        low, high, estimate = (_signed(metric, bound) for bound in (one.shift.low, one.shift.high, one.shift.estimate))
        text = f"{name} {one.label}: shifted by {estimate} ({low} to {high}), {plain(one.ratio)} times stable's"
        values = {**one.shift._asdict(), "ratio": one.ratio}
    severity = "none" if passes else "critical"
    return Finding(kind="rule", metric=name, severity=severity, decides=not passes, text=text, values=values)


def _signed(metric: PlanMetric, value: float) -> str:
    """A difference in the metric's own unit."""
    source, size = metric.source, abs(value)
    number = metric.count == "rate" or (source.kind == "gauge" and source.over is None)
    said = edge(size) if source.kind == "distribution" else plain(size) if number else percent(size)
    return f"{'-' if value < 0 else '+'}{said}"


JUDGE = RuleJudge("kayenta/2", Points, update, rules)
