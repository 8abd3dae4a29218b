"""Confidence in percent: 100 less a penalty for each issue found in the stage's counts, taken at its minimum time.

The stage decision of the deployment guide that Serinus grew from (docs/adr/0014), on counts instead of averaged
rates. It proceeds without an issue and aborts with one; what nobody would wait for aborts at once. Its error
probabilities are nobody's promise: docs/explanation/judging.md has them measured.
"""

from typing import NamedTuple

from serinus_contracts.events import Finding, Gauge
from serinus_contracts.judge import ScorecardRule
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import edge, percent

from serinus_judging.histogram import interpolated_tail
from serinus_judging.rules import rule_state
from serinus_judging.rules.metric_role import good, ratio_of, role_of, unruled
from serinus_judging.rules.rule_judge import RuleJudge, Ruling, compared, listed
from serinus_judging.rules.rule_state import MetricTotals, RuleSnapshot, TalliedState, Tally
from serinus_judging.rules.slope import Slopes, rising
from serinus_judging.snapshot import Reading

RECENT = 60.0
"""Seconds after which counts become the older half of what "at once" looks at: the last one to two minutes."""
RISING = 2.326
"""z from which the error rate counts as rising: 1 % one-sided. The guide names the rule and no measure."""


class Recent(NamedTuple):
    """Events and trials of the canary, of the minute before and of the one that runs."""

    x: float = 0.0
    n: int = 0
    x_now: float = 0.0
    n_now: int = 0
    seconds: float = 0.0

    def after(self, x: float, n: int, seconds: float) -> "Recent":
        """With a window added."""
        if self.seconds >= RECENT:
            return Recent(self.x_now, self.n_now, x, n, seconds)
        return Recent(self.x, self.n, self.x_now + x, self.n_now + n, self.seconds + seconds)

    @property
    def share(self) -> float | None:
        """Of the last one to two minutes; None without trials."""
        total = self.n + self.n_now
        return (self.x + self.x_now) / total if total else None


class Scorecard(TalliedState):
    """Beside the tallies: per metric what happened just now, and how the rates of errors go."""

    recent: tuple[Recent, ...] = ()
    slopes: tuple[Slopes, ...] = ()


def _rule(plan: AnalysisPlan) -> ScorecardRule:
    assert isinstance(plan.judge, ScorecardRule)
    return plan.judge


def update(plan: AnalysisPlan, evidence: Scorecard, now: RuleSnapshot) -> Scorecard:
    """What is remembered after a snapshot."""
    evidence = rule_state.tallied(evidence, now)
    fresh, count = now.fresh or not evidence.recent, len(plan.metrics)
    recent = (Recent(),) * count if fresh else evidence.recent
    slopes = (Slopes(),) * count if fresh else evidence.slopes
    good = [reading.status == "ok" for reading in now.readings]
    recent = tuple(
        _recently(plan, old, reading) if ok else old
        for old, reading, ok in zip(recent, now.readings, good, strict=True)
    )
    slopes = tuple(
        old.after(now.elapsed / 60, reading.quad) if ok and role_of(metric) == "success" else old
        for metric, old, reading, ok in zip(plan.metrics, slopes, now.readings, good, strict=True)
    )
    return evidence.model_copy(update={"recent": recent, "slopes": slopes})


def _recently(plan: AnalysisPlan, old: Recent, reading: Reading) -> Recent:
    x: float
    x, n, _, _ = reading.quad
    if reading.tails is not None:
        x = interpolated_tail(reading.tails.edges, reading.tails.counts[0], _rule(plan).abort_latency_above)
    return old.after(x, n, reading.seconds)


def alarm(plan: AnalysisPlan, evidence: Scorecard, now: RuleSnapshot) -> Ruling | None:
    """What the guide calls immediate issues."""
    rule, found = _rule(plan), []
    for metric, recent, reading in zip(plan.metrics, evidence.recent, now.readings, strict=True):
        role, share = role_of(metric), recent.share
        if role == "success" and share is not None and 1 - share < rule.abort_success_below:
            text = f"{metric.name}: success {percent(1 - share)}, under {percent(rule.abort_success_below)}"
            found.append(_fired(metric, f"{text} in the last minutes", 1 - share, rule.abort_success_below))
        elif role == "latency" and share is not None and share > 0.05:
            limit = rule.abort_latency_above
            text = f"p95 of {metric.name} over {edge(limit)} ({percent(share)} of requests are) in the last minutes"
            found.append(_fired(metric, text, share, 0.05))
        elif role == "memory" and isinstance(reading.measured, Gauge) and reading.status == "ok":
            used = sum(reading.measured.canary.values()) / len(reading.measured.canary)
            if used > rule.abort_memory_above:
                text = f"{metric.name} {percent(used)} of its limit, over {percent(rule.abort_memory_above)}"
                found.append(_fired(metric, text, used, rule.abort_memory_above))
    return Ruling("abort", "; ".join(one.text for one in found), 0.0, tuple(found)) if found else None


def rules(plan: AnalysisPlan, evidence: Scorecard, now: RuleSnapshot) -> Ruling:
    """What the rules say of the counts so far."""
    rule = _rule(plan)
    issues: list[Finding] = []
    without = [unruled(metric, "scorecard") for metric in plan.metrics if role_of(metric) is None]
    for metric, totals, tally, slopes in zip(
        plan.metrics, evidence.totals, evidence.tallies, evidence.slopes, strict=True
    ):
        issues += _issues(rule, metric, totals, tally, slopes)
    if len(without) == len(plan.metrics):
        return Ruling("hold", "no rule of scorecard is for any metric of this policy", None, tuple(without))
    score = max(0.0, 100 - sum(issue.values["penalty"] for issue in issues))
    needed = rule.base - rule.per_weight * now.snapshot.weight
    points = f"scorecard {score:g} of 100, {needed:g} needed"
    if issues:
        return Ruling("abort", f"{points}: {listed(issues)}", score, (*issues, *without))
    counted = [compared(m, s) for m, s in zip(plan.metrics, evidence.totals, strict=True) if role_of(m) == "success"]
    text = "; ".join([f"{points}, no issue", *counted[:1]])
    return Ruling("proceed" if score >= needed else "hold", text, score, tuple(without))


def _issues(
    rule: ScorecardRule, metric: PlanMetric, totals: MetricTotals, tally: Tally, slopes: Slopes
) -> list[Finding]:
    role, name = role_of(metric), metric.name
    found = []
    shares = good(totals.stage, role) if role in ("success", "conversion") else None
    if shares is not None:
        own, other = shares
        ratio = ratio_of(own, other)
        against = f"{percent(own, other)} against {percent(other, own)} on stable"
        if role == "conversion":
            if ratio < rule.conversion_ratio_below:
                text = f"{name} {against}, under {rule.conversion_ratio_below:g} times"
                found.append(_fired(metric, text, ratio, rule.conversion_ratio_below, rule.conversion_penalty))
            return found
        if own < rule.success_below:
            text = f"{name}: success {percent(own, rule.success_below)}, under {percent(rule.success_below)}"
            found.append(_fired(metric, text, own, rule.success_below, rule.success_penalty))
        if ratio < rule.success_ratio_below:
            text = f"{name}: success {against}, under {rule.success_ratio_below:g} times"
            found.append(_fired(metric, text, ratio, rule.success_ratio_below, rule.success_ratio_penalty))
        z = rising(slopes, totals.stage)
        if z > RISING:
            found.append(_fired(metric, f"{name} rising in this stage (z {z:.1f})", z, RISING, rule.trend_penalty))
    p95 = tally.quantiles(0.95) if role == "latency" else None
    if p95 is not None and ratio_of(*p95) > rule.latency_ratio_above:
        text = f"p95 of {name} {edge(p95[0])} against {edge(p95[1])} on stable, over {rule.latency_ratio_above:g} times"
        found.append(_fired(metric, text, ratio_of(*p95), rule.latency_ratio_above, rule.latency_penalty))
    used = tally.mean if role == "memory" else None
    if used is not None and used > rule.memory_above:
        text = f"{name} {percent(used)} of its limit, over {percent(rule.memory_above)}"
        found.append(_fired(metric, text, used, rule.memory_above, rule.memory_penalty))
    return found


def _fired(metric: PlanMetric, text: str, value: float, bound: float, penalty: float = 100.0) -> Finding:
    values = {"value": value, "bound": bound, "penalty": penalty}
    return Finding(kind="rule", metric=metric.name, severity="critical", decides=True, text=text, values=values)


JUDGE = RuleJudge("scorecard/2", Scorecard, update, rules, alarm)
