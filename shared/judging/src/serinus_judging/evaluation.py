"""One snapshot of a run to its verdict: the judge, then the guardrails, then what is known of the run so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from serinus_contracts import AnalysisPlan, DataQuality, MetricsCollected, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import Reason, Verdict

from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.judges import JUDGES, Evidence
from serinus_judging.served import Served
from serinus_judging.served import after as after_snapshot

DESCRIBED_EVERY = 10
"""Evaluations after which a verdict that goes on is described again: nothing is decided by descriptions, and at each
they would cost more than any other part of a verdict (docs/adr/0046)."""


@dataclass(frozen=True)
class RunRecord:
    """What is kept of a run between evaluations: its chain, its last verdict, and the packed memory of the judge, of
    the guardrails and of what the canary served.

    `through` is the end of the last evaluated snapshot: version, order and dedupe in one. `since`: end of the snapshot
    that first gave the verdict for its reason. `gaps`: snapshots that could never be read. `plan`: digest of the plan
    that evidence and guardrails belong to.
    """

    through: Millis = 0
    evaluations: int = 0
    gaps: int = 0
    verdict: Verdict | None = None
    reason: Reason | None = None
    since: Millis = 0
    plan: str = ""
    evidence: bytes = b""
    guardrails: bytes = b""
    served: bytes = b""

    def bridged(self, snapshot: MetricsCollected) -> Self:
        """Before a snapshot behind a gap: what is missing is counted, not forgotten."""
        return replace(self, through=snapshot.follows, gaps=self.gaps + 1)


class Evaluation(NamedTuple):
    """A snapshot that is next in the chain of its run, with all that judging it takes."""

    state: RunRecord
    plan: AnalysisPlan
    snapshot: MetricsCollected


def evaluate(evaluations: Sequence[Evaluation]) -> list[tuple[RunRecord, VerdictReached]]:
    """The state after each, and its verdict, in the order given; different runs, judged together where one judge can.

    Raises ValueError, for all, if evidence cannot be read by its plan's judge.
    """
    results: list[tuple[RunRecord, VerdictReached]] = [None] * len(evaluations)  # type: ignore[list-item]
    by_judge: dict[str, list[int]] = {}
    for position, each in enumerate(evaluations):
        by_judge.setdefault(each.plan.judge.name, []).append(position)
    for name, positions in by_judge.items():
        own = [evaluations[i] for i in positions]
        judged = JUDGES[name].judge([(each.plan, _evidence(each), each.snapshot) for each in own])
        for i, each, (evidence, assessment) in zip(positions, own, judged, strict=True):
            memory, found = checks.evaluate(each.plan, _guardrails(each), each.snapshot)
            results[i] = _verdict(each, evidence, memory, checks.apply_guardrails(assessment, found))
    return results


def _evidence(evaluation: Evaluation) -> Evidence:
    # Evidence belongs to the plan it was collected under; under a plan that changed in mid-run it starts again.
    state, judge = evaluation.state, JUDGES[evaluation.plan.judge.name]
    known = state.evidence if state.plan == evaluation.snapshot.plan else b""
    evidence: Evidence = judge.load(known) if known else judge.start(evaluation.plan)
    return evidence


def _guardrails(evaluation: Evaluation) -> GuardrailMemory:
    state = evaluation.state
    known = state.guardrails if state.plan == evaluation.snapshot.plan else b""
    return GuardrailMemory.unpack(known) or checks.start(evaluation.plan)


def _verdict(
    evaluation: Evaluation, evidence: Evidence, memory: GuardrailMemory, assessment: Assessment
) -> tuple[RunRecord, VerdictReached]:
    before, plan, snapshot = evaluation
    changed = (assessment.verdict, assessment.reason) != (before.verdict, before.reason)
    served = after_snapshot(Served.unpack(before.served), plan, snapshot)
    after = RunRecord(
        through=snapshot.end,
        evaluations=before.evaluations + 1,
        gaps=before.gaps,
        verdict=assessment.verdict,
        reason=assessment.reason,
        since=snapshot.end if changed else before.since,
        plan=snapshot.plan,
        evidence=evidence.pack(),
        guardrails=memory.pack(),
        served=served.pack(),
    )
    described = changed or after.evaluations % DESCRIBED_EVERY == 0
    return after, VerdictReached(
        run=snapshot.run,
        follows=snapshot.follows,
        end=snapshot.end,
        verdict=assessment.verdict,
        reason=assessment.reason,
        sentence=assessment.sentence,
        since=after.since,
        changed=changed,
        evaluation=after.evaluations,
        step=snapshot.step,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        weight=snapshot.weight,
        evaluated_requests=assessment.evaluated_requests,
        served_requests=served.total,
        request_rate=served.per_second,
        log_eprocess=assessment.log_eprocess,
        metrics=assessment.metrics,
        regressed=assessment.regressed,
        quality=DataQuality(
            missing=assessment.missing, resets=assessment.resets, gaps=after.gaps, newest=assessment.newest
        ),
        calibrated=assessment.calibrated,
        traffic=assessment.traffic,
        findings=assessment.findings if described else assessment.found(),
        described=described,
        score=assessment.score,
        plan=snapshot.plan,
        judge=plan.judge.name,
    )
