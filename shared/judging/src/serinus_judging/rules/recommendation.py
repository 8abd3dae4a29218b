"""Tests, thresholds and comparisons on the stage's counts, taken at its minimum time: roll back, hold or proceed.

The analysis engine of the deployment guide that Serinus grew from (docs/adr/0014), with true counts where it assumed
1,000 and 10,000. Its tests are made for one snapshot; docs/explanation/judging.md has what they cost measured.
"""

from serinus_contracts.events import Finding
from serinus_contracts.judge import RecommendationRule
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import edge, percent

from serinus_judging import classical
from serinus_judging.guardrails.findings import Severity, p_value, severity
from serinus_judging.rules import rule_state
from serinus_judging.rules.metric_role import MetricRole, good, ratio_of, role_of, unruled
from serinus_judging.rules.rule_judge import RuleJudge, Ruling, compared, listed
from serinus_judging.rules.rule_state import MetricTotals, RuleSnapshot, TalliedState, Tally

INVESTIGATE = "investigate"
"""Marks a finding that asks for a person: slower beyond doubt, by less than what rolls back."""


def update(_: AnalysisPlan, evidence: TalliedState, now: RuleSnapshot) -> TalliedState:
    """What is remembered after a snapshot."""
    return rule_state.tallied(evidence, now)


def rules(plan: AnalysisPlan, evidence: TalliedState, _: RuleSnapshot) -> Ruling:
    """What the rules say of the counts so far."""
    rule = plan.judge
    assert isinstance(rule, RecommendationRule)
    found: list[Finding] = []
    without = [unruled(metric, "recommendation") for metric in plan.metrics if role_of(metric) is None]
    for metric, totals, tally in zip(plan.metrics, evidence.totals, evidence.tallies, strict=True):
        role = role_of(metric)
        if role == "success" or role == "conversion":
            found += _of_shares(rule, metric, totals, role)
        elif role == "latency":
            found += _of_durations(rule, metric, tally)
        elif role is not None:
            found += _of_gauge(rule, metric, tally, role)
    if len(without) == len(plan.metrics):
        return Ruling("hold", "no rule of recommendation is for any metric of this policy", None, tuple(without))
    score = max(0.0, 100 - sum(one.values["penalty"] for one in found))
    everything, confidence = (*found, *without), f"confidence {score:g} of 100"
    if any(one.severity == "critical" for one in found):
        return Ruling("abort", f"rollback recommended, {confidence}: {listed(found)}", score, everything)
    if score < rule.hold_below:
        text = f"hold recommended, {confidence}, {rule.hold_below:g} needed: {listed(found)}"
        return Ruling("hold", text, score, everything)
    slower = [one.text for one in found if INVESTIGATE in one.values]
    if slower:
        return Ruling("hold", f"a person should investigate, {confidence}: {'; '.join(slower)}", score, everything)
    warned = listed(found)
    counted = [compared(m, s) for m, s in zip(plan.metrics, evidence.totals, strict=True) if role_of(m) == "success"]
    text = f"nothing critical, {confidence}" + (f": {warned}" if warned else "".join(f"; {one}" for one in counted[:1]))
    return Ruling("proceed", text, score, everything)


def _of_shares(rule: RecommendationRule, metric: PlanMetric, totals: MetricTotals, role: MetricRole) -> list[Finding]:
    shares, name, found = good(totals.stage, role), metric.name, []
    if shares is None:
        return []
    own, other = shares
    what = name if role == "conversion" else f"{name}: success"
    if role == "success":
        test = classical.two_proportions(*totals.stage)
        if test is not None and test.p < rule.significance and own < other:
            lower = f"significantly lower than {percent(other, own)} on stable"
            text = f"{what} {percent(own, other)}, {lower} ({p_value(test.p)})"
            found.append(_fired(metric, "critical", text, test.p, rule.significance, rule.test_penalty, "statistics"))
        if own < rule.success_minimum:
            text = f"{what} {percent(own, rule.success_minimum)}, under {percent(rule.success_minimum)}"
            found.append(_over(rule, metric, text, own, rule.success_minimum))
    ratio = ratio_of(own, other)
    degree = severity("conversion" if role == "conversion" else "success", ratio, rule)
    return found + _compared(rule, metric, degree, f"{what} {ratio:.3g} times stable's", ratio)


def _of_durations(rule: RecommendationRule, metric: PlanMetric, tally: Tally) -> list[Finding]:
    found, name = [], metric.name
    medians, test = tally.quantiles(0.5), classical.ranks(tally.canary, tally.stable)
    enough = min(sum(tally.canary), sum(tally.stable)) >= rule.minimum_samples
    if medians and test and enough and test.p < rule.significance and medians[0] > medians[1]:
        ratio = ratio_of(*medians)
        text = f"{name} significantly slower, median {edge(medians[0])} against {edge(medians[1])} ({p_value(test.p)})"
        back = ratio >= rule.latency_ratio_rollback
        values = {"value": ratio, "bound": rule.latency_ratio_rollback, "p": test.p}
        values |= {"penalty": rule.test_penalty} if back else {"penalty": 0.0, INVESTIGATE: 1.0}
        degree: Severity = "critical" if back else "warning"
        found.append(Finding(kind="statistics", metric=name, severity=degree, text=text, values=values))
    for q, most in ((0.95, rule.p95_maximum), (0.99, rule.p99_maximum)):
        both = tally.quantiles(q)
        if both is None:
            continue
        what, ratio = f"p{100 * q:g} of {name}", ratio_of(*both)
        if both[0] > most:
            found.append(_over(rule, metric, f"{what} {edge(both[0])}, over {edge(most)}", both[0], most))
        found += _compared(rule, metric, severity("latency", ratio, rule), f"{what} {ratio:.3g} times stable's", ratio)
    return found


def _of_gauge(rule: RecommendationRule, metric: PlanMetric, tally: Tally, role: MetricRole) -> list[Finding]:
    most, used = rule.memory_maximum if role == "memory" else rule.cpu_maximum, tally.mean
    if used is None or used <= most:
        return []
    return [_over(rule, metric, f"{metric.name} {percent(used)} of its limit, over {percent(most)}", used, most)]


def _over(rule: RecommendationRule, metric: PlanMetric, text: str, value: float, bound: float) -> Finding:
    return _fired(metric, "critical", text, value, bound, rule.anomaly_penalty, "threshold")


def _compared(rule: RecommendationRule, metric: PlanMetric, degree: Severity, text: str, ratio: float) -> list[Finding]:
    if degree not in ("critical", "warning"):
        return []
    penalty = rule.critical_penalty if degree == "critical" else rule.warning_penalty
    values = {"value": ratio, "penalty": penalty}
    return [Finding(kind="comparison", metric=metric.name, severity=degree, text=text, values=values)]


def _fired(
    metric: PlanMetric, degree: Severity, text: str, value: float, bound: float, penalty: float, kind: str
) -> Finding:
    values = {"value": value, "bound": bound, "penalty": penalty}
    return Finding(kind=kind, metric=metric.name, severity=degree, text=text, values=values)


JUDGE = RuleJudge("recommendation/2", TalliedState, update, rules)
