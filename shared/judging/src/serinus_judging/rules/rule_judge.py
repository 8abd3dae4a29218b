"""What the judges of rules have in common: the order of the verdict, and what is published of it.

Such a judge folds a look into its evidence and forms an opinion; everything around it, above all what is done where
data are missing, is the same for all of them (docs/judging.md, "Other judges").
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple

from serinus_contracts.events import Channel, Counts, Finding, Label, MetricsCollected, MetricVerdict, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.weight import weight_text

from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import sample_ratio
from serinus_judging.rules import rule_state
from serinus_judging.rules.rule_state import C, Course, Look, Seen
from serinus_judging.sequential import combination
from serinus_judging.sequential.judge import PATIENCE
from serinus_judging.sequential.report import LABELS
from serinus_judging.snapshot import Quad
from serinus_judging.wording import clock, duration, names, percent, plain, requests


class Opinion(NamedTuple):
    """What rules say of the counts so far: verdict, why, points of 100, and each rule that has something to say.

    score: None where no rule could be asked at all, so that nothing may proceed on it.
    """

    verdict: Verdict
    text: str
    score: float | None
    findings: tuple[Finding, ...] = ()


Fold = Callable[[AnalysisPlan, C, Look], C]
Rules = Callable[[AnalysisPlan, C, Look], Opinion]
Alarm = Callable[[AnalysisPlan, C, Look], Opinion | None]


def no_alarm(_: AnalysisPlan, __: Course, ___: Look) -> None:
    """For judges that abort nothing before the minimum time."""


class Decision(NamedTuple):
    verdict: Verdict
    reason: Reason
    text: str
    lasting: bool = False


@dataclass(frozen=True)
class RuledJudge(Generic[C]):
    """A judge by rules. fold: remembers a look; rules: asked at every look; alarm: aborts before the minimum too."""

    kind: str
    evidence: type[C]
    fold: Fold[C]
    rules: Rules[C]
    alarm: Alarm[C] = no_alarm

    def open(self, plan: AnalysisPlan) -> C:
        return self.evidence(kind=self.kind, seen=(Seen(),) * len(plan.metrics))

    def look(self, plan: AnalysisPlan, evidence: C, snapshot: MetricsCollected) -> tuple[C, Assessment]:
        """Raises EvidenceError for evidence of another plan. An abort by a rule stays, with the counts it is from."""
        look = rule_state.read(plan, evidence, snapshot)
        after = rule_state.advanced(plan, evidence, look)
        if evidence.ended:
            evidence = evidence.model_copy(update={"looks": after.looks, "exposed": after.exposed})
        else:
            evidence = self.fold(plan, after, look)
        opinion = self.rules(plan, evidence, look)
        alarm = self.alarm(plan, evidence, look)
        if alarm is not None:
            opinion = alarm
        decision = _decide(plan, evidence, look, opinion, alarmed=alarm is not None)
        if decision.lasting:
            evidence = evidence.model_copy(update={"ended": decision.text})
        return evidence, _assessed(plan, evidence, look, opinion, decision)

    def look_all(self, cases: Sequence[tuple[AnalysisPlan, C, MetricsCollected]]) -> list[tuple[C, Assessment]]:
        return [self.look(*case) for case in cases]

    def unpack(self, packed: bytes) -> C:
        return self.evidence.unpacked(packed, self.kind)


def _decide(plan: AnalysisPlan, evidence: Course, look: Look, opinion: Opinion, alarmed: bool) -> Decision:
    """The first that applies."""
    snapshot = look.snapshot
    if evidence.ended:
        return Decision("abort", "rule", evidence.ended)
    if not 0 <= snapshot.stage < len(plan.stages):
        return Decision("hold", "settling", "waiting for the first change of weight")
    if alarmed:
        return _abort(evidence, opinion)
    stage, where = plan.stages[snapshot.stage], f"at {weight_text(snapshot.weight)}"
    fault = _fault(plan, evidence, look)
    waited = look.elapsed >= stage.minimum
    if plan.on_no_data == "abort" and evidence.missing >= PATIENCE and waited:
        return Decision("abort", "no_data", f"{_lacking(plan, look)}; {evidence.missing} looks in a row")
    if fault is not None:
        return Decision("hold", *fault)
    if not waited:
        spent = f"{duration(look.elapsed)} of at least {duration(stage.minimum)} {where}"
        return Decision("hold", "before_minimum", f"{spent}; so far {opinion.text}")
    if opinion.verdict == "abort":
        return _abort(evidence, opinion)
    if opinion.verdict == "proceed":
        return Decision("proceed", "rule", f"{opinion.text}; {duration(look.elapsed)} {where}")
    if look.elapsed < stage.maximum:
        return Decision("hold", "rule", f"{opinion.text}; {duration(look.elapsed)} {where}")
    after = plan.on_time_spent if opinion.score is not None or plan.on_time_spent == "abort" else "hold"
    then = {"hold": "", "abort": ", then the policy aborts", "proceed": ", then the policy proceeds"}[after]
    return Decision(after, "time_spent", f"{duration(stage.maximum)} {where} without an answer{then}; {opinion.text}")


def _abort(evidence: Course, opinion: Opinion) -> Decision:
    return Decision("abort", "rule", f"{opinion.text}; {requests(evidence.exposed)} exposed", lasting=True)


def _fault(plan: AnalysisPlan, evidence: Course, look: Look) -> tuple[Reason, str] | None:
    """What is wrong with the data of this look, the worst first."""
    statuses = [reading.status for reading in look.readings]
    if "error" in statuses:
        return "provider_error", _lacking(plan, look)
    if "no_data" in statuses or "partial" in statuses:
        return "no_data", _lacking(plan, look)
    share = evidence.traffic
    if share.log_mismatch >= combination.bar(plan.budget.false_abort):
        return "traffic_mismatch", sample_ratio.mismatch(share)
    # between two scrapes: no fault, unless nothing was counted in this stage yet
    nothing = [status == "waiting" and not seen.good for status, seen in zip(statuses, evidence.seen, strict=True)]
    if "settling" in statuses or any(nothing):
        started = f"the change to {weight_text(look.snapshot.weight)} at {clock(look.snapshot.stage_started)}"
        return "settling", f"waiting for counts to settle after {started}"
    return None


def _lacking(plan: AnalysisPlan, look: Look) -> str:
    """Which metrics cannot be judged and why, the worst first."""
    for statuses in (("error",), ("no_data", "partial")):
        found = [(m.name, r) for m, r in zip(plan.metrics, look.readings, strict=True) if r.status in statuses]
        if found:
            detail = found[0][1].detail or ("no reason given" if statuses == ("error",) else "no data")
            return f"{names([name for name, _ in found])}: {detail}"
    return "no data"


def _assessed(plan: AnalysisPlan, evidence: Course, look: Look, opinion: Opinion, decision: Decision) -> Assessment:
    measured = [reading.measured for reading in look.readings if reading.measured is not None]
    worst = [finding.metric for finding in opinion.findings if finding.severity == "critical" and finding.metric]
    return Assessment(
        verdict=decision.verdict,
        reason=decision.reason,
        sentence=f"{decision.verdict}: {decision.text}",
        blame=tuple(dict.fromkeys(worst)) if decision.verdict == "abort" and decision.reason == "rule" else (),
        log_abort=0.0,
        missing=tuple(
            metric.name
            for metric, reading in zip(plan.metrics, look.readings, strict=True)
            if reading.status not in ("ok", "waiting")
        ),
        resets=sum(one.resets for one in measured),
        newest=max((one.newest for one in measured if one.newest is not None), default=None),
        exposed=evidence.exposed,
        calibrated=False,
        report=partial(_metrics, plan, evidence, look, opinion.findings),
        share=partial(sample_ratio.published, plan, look.snapshot, evidence.traffic),
        found=lambda: opinion.findings,
        score=opinion.score,
    )


def _metrics(
    plan: AnalysisPlan, evidence: Course, look: Look, findings: Sequence[Finding]
) -> tuple[MetricVerdict, ...]:
    verdicts = []
    for metric, seen, reading in zip(plan.metrics, evidence.seen, look.readings, strict=True):
        own = [finding for finding in findings if finding.metric == metric.name]
        severities = {finding.severity for finding in own}
        label: Label = LABELS.get(reading.status) or (
            "worse" if "critical" in severities else "warning" if "warning" in severities else "ok"
        )
        counted = metric.source.kind in ("proportion", "distribution")
        verdicts.append(
            MetricVerdict(
                name=metric.name,
                label=label,
                status=reading.status,
                better=metric.better,
                critical=metric.critical,
                share=0.0,
                log_abort=0.0,
                run=(_channel(metric, seen),) if counted else (),
                stage=_counts(seen.stage) if counted else (),
                detail="; ".join(finding.text for finding in own) or reading.detail,
            )
        )
    return tuple(verdicts)


def _channel(metric: PlanMetric, seen: Seen) -> Channel:
    canary, stable = _counts(seen.run)
    quantile = None if seen.edge is None else 0.95
    return Channel(
        canary=canary,
        stable=stable,
        margin=metric.margin,
        canary_edge=seen.edge,
        stable_edge=seen.edge,
        quantile=quantile,
    )


def _counts(quad: Quad) -> tuple[Counts, Counts]:
    x, n, y, m = quad
    return Counts(events=x, trials=n), Counts(events=y, trials=m)


def compared(metric: PlanMetric, seen: Seen) -> str:
    """errors 0.61 % against 0.20 % on stable (66 of 10,810; 41 of 20,400), in this stage."""
    x, n, y, m = seen.stage
    if not n or not m:
        return f"{metric.name} not counted in this stage yet"
    phrase = plain if metric.count == "rate" else percent
    return f"{metric.name} {phrase(x / n)} against {phrase(y / m)} on stable ({x:,} of {n:,}; {y:,} of {m:,})"


def listed(findings: Sequence[Finding]) -> str:
    """What fired with what it costs, the dearest first, three of them at most."""
    fired = sorted((one for one in findings if one.values.get("penalty")), key=lambda one: -one.values["penalty"])
    said = [f"{one.text} (-{one.values['penalty']:g})" for one in fired[:3]]
    more = len(fired) - len(said)
    return "; ".join([*said, f"{more} more {'issue' if more == 1 else 'issues'}"] if more else said)
