"""What the judges of rules have in common.

Such a judge remembers a snapshot and rules on the counts so far; everything around it, above all what is done where
data are missing, is the same for every judge (`verdict_order`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple

from serinus_contracts.events import Finding, Label, MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, percent, plain, requests

from serinus_judging import run_progress
from serinus_judging.assessment import Assessment, Fields
from serinus_judging.rules import rule_state
from serinus_judging.rules.rule_state import MetricTotals, RuleSnapshot, RuleState, S
from serinus_judging.snapshot import Quad
from serinus_judging.verdict_order import LABELS, Facts, Opinion, assess


class Ruling(NamedTuple):
    """What rules say of the counts so far: verdict, why, points of 100, and each rule that has something to say.

    score: None where no rule could be asked at all, so that nothing may proceed on it.
    """

    verdict: Verdict
    text: str
    score: float | None
    findings: tuple[Finding, ...] = ()


Update = Callable[[AnalysisPlan, S, RuleSnapshot], S]
Rules = Callable[[AnalysisPlan, S, RuleSnapshot], Ruling]
Alarm = Callable[[AnalysisPlan, S, RuleSnapshot], Ruling | None]


def no_alarm(_: AnalysisPlan, __: RuleState, ___: RuleSnapshot) -> None:
    """For judges that abort nothing before the minimum time."""


@dataclass(frozen=True)
class RuleJudge(Generic[S]):
    """A judge by rules, as `judges.Judge`.

    update: remembers a snapshot; rules: asked at each; alarm: aborts before the minimum too.
    """

    kind: str
    state: type[S]
    update: Update[S]
    rules: Rules[S]
    alarm: Alarm[S] = no_alarm

    def start(self, plan: AnalysisPlan) -> S:
        """Nothing counted yet."""
        totals = (MetricTotals(),) * len(plan.metrics)
        return self.state(kind=self.kind, totals=totals, progress=run_progress.start(plan))

    def judge(self, cases: Sequence[tuple[AnalysisPlan, S, MetricsCollected]]) -> list[tuple[S, Assessment]]:
        """The state after a snapshot of each of different runs, and the judgement.

        An abort by a rule stays, with the counts it is from. Raises EvidenceError for the state of another plan.
        """
        return [self._judged(*case) for case in cases]

    def load(self, packed: bytes) -> S:
        """The state from bytes. Raises EvidenceError if they are not of this judge and version."""
        return self.state.unpacked(packed, self.kind)

    def _judged(self, plan: AnalysisPlan, state: S, snapshot: MetricsCollected) -> tuple[S, Assessment]:
        now = rule_state.read(plan, state, snapshot)
        progress = run_progress.after(state.progress, plan, snapshot, now.readings)
        if state.ended:
            progress = state.progress._replace(
                evaluations=progress.evaluations, evaluated_requests=progress.evaluated_requests
            )
            state = state.model_copy(update={"progress": progress})
        else:
            state = self.update(plan, rule_state.advanced(state, now, progress), now)
        alarm = self.alarm(plan, state, now)
        opinion = _opinion(plan, state, now, alarm or self.rules(plan, state, now), alarmed=alarm is not None)
        facts = Facts(plan, snapshot, progress, now.readings, lambda i: not state.totals[i].good)
        decision, assessment = assess(facts, opinion)
        if decision.own and decision.verdict == "abort":
            state = state.model_copy(update={"ended": assessment.sentence.removeprefix("abort: ")})
        return state, assessment


def _opinion(plan: AnalysisPlan, state: RuleState, now: RuleSnapshot, ruling: Ruling, alarmed: bool) -> Opinion:
    worst = [finding.metric for finding in ruling.findings if finding.severity == "critical" and finding.metric]
    return Opinion(
        "abort" if state.ended else ruling.verdict,
        "rule",
        partial(_say, state, now, ruling),
        partial(_metrics, plan, state, now, ruling.findings),
        stands=bool(state.ended),
        urgent=alarmed,
        may_proceed=ruling.score is not None,
        regressed=tuple(dict.fromkeys(worst)),
        findings=tuple([dict(finding) for finding in ruling.findings]),
        score=ruling.score,
    )


def _say(state: RuleState, now: RuleSnapshot, ruling: Ruling, reason: Reason) -> str:
    if state.ended:
        return state.ended
    if reason == "before_minimum":
        return f"; so far {ruling.text}"
    if reason == "time_spent":
        return ruling.text
    if ruling.verdict == "abort":
        return f"{ruling.text}; {requests(state.progress.evaluated_requests)} evaluated"
    return f"{ruling.text}; {duration(now.elapsed)} at {weight_text(now.snapshot.weight)}"


def _metrics(
    plan: AnalysisPlan, state: RuleState, now: RuleSnapshot, findings: Sequence[Finding]
) -> tuple[Fields, ...]:
    found = []
    for metric, totals, reading in zip(plan.metrics, state.totals, now.readings, strict=True):
        own = [finding for finding in findings if finding.metric == metric.name]
        severities = {finding.severity for finding in own}
        label: Label = LABELS.get(reading.status) or (
            "worse" if "critical" in severities else "warning" if "warning" in severities else "ok"
        )
        counted = metric.source.kind in ("proportion", "distribution")
        found.append(
            {
                "name": metric.name,
                "label": label,
                "status": reading.status,
                "better": metric.better,
                "critical": metric.critical,
                "share": 0.0,
                "log_eprocess": 0.0,
                "run": (_channel(metric, totals),) if counted else (),
                "stage": _counts(totals.stage) if counted else (),
                "detail": "; ".join(finding.text for finding in own) or reading.detail,
            }
        )
    return tuple(found)


def _channel(metric: PlanMetric, totals: MetricTotals) -> Fields:
    canary, stable = _counts(totals.run)
    quantile = None if totals.edge is None else 0.95
    return {
        "canary": canary,
        "stable": stable,
        "margin": {"ratio": metric.margin.ratio, "absolute": metric.margin.absolute},
        "canary_edge": totals.edge,
        "stable_edge": totals.edge,
        "quantile": quantile,
    }


def _counts(quad: Quad) -> tuple[Fields, Fields]:
    x, n, y, m = quad
    return {"events": x, "trials": n}, {"events": y, "trials": m}


def compared(metric: PlanMetric, totals: MetricTotals) -> str:
    """errors 0.61 % against 0.20 % on stable (66 of 10,810; 41 of 20,400), in this stage."""
    x, n, y, m = totals.stage
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
