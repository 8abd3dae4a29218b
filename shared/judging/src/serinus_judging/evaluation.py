"""One snapshot of a run to its verdict: the judge, then the guardrails, then what is known of the run so far."""

from collections.abc import Sequence
from typing import NamedTuple

from serinus_contracts import AnalysisPlan, MetricsCollected

from serinus_judging.assessment import Assessment, Fields
from serinus_judging.guardrails import checks
from serinus_judging.judges import JUDGES
from serinus_judging.run_record import RunMemory, RunRecord
from serinus_judging.served import after as served_after

DESCRIBED_EVERY = 10
"""Evaluations after which a verdict that goes on is described again: nothing is decided by what is left out, and at
each it would cost more than all else of a verdict (docs/adr/0046 and 0109)."""


class Evaluation(NamedTuple):
    """A snapshot that is next in the chain of its run, with all that judging it takes."""

    state: RunRecord
    plan: AnalysisPlan
    snapshot: MetricsCollected


def evaluate(evaluations: Sequence[Evaluation]) -> list[tuple[RunRecord, Fields]]:
    """The state after each, and its verdict as `written` takes it, in the order given; different runs, judged together
    where one judge can.

    Raises ValueError, for all, if evidence cannot be read by its plan's judge.
    """
    results: list[tuple[RunRecord, Fields]] = [None] * len(evaluations)  # type: ignore[list-item]
    by_judge: dict[str, list[int]] = {}
    for position, each in enumerate(evaluations):
        by_judge.setdefault(each.plan.judge.name, []).append(position)
    for name, positions in by_judge.items():
        own = [evaluations[i] for i in positions]
        memories = [each.state.opened(each.plan, each.snapshot) for each in own]
        cases = [(each.plan, memory.evidence, each.snapshot) for each, memory in zip(own, memories, strict=True)]
        judged = JUDGES[name].judge(cases)
        for i, each, memory, (evidence, assessment) in zip(positions, own, memories, judged, strict=True):
            results[i] = _concluded(each, memory._replace(evidence=evidence), assessment)
    return results


def _concluded(evaluation: Evaluation, memory: RunMemory, judged: Assessment) -> tuple[RunRecord, Fields]:
    """The state after the judge's assessment, and the verdict. memory: with the evidence of this snapshot."""
    before, plan, snapshot = evaluation
    guardrails, result = checks.evaluate(plan, memory.guardrails, snapshot)
    assessment = checks.apply_guardrails(judged, result)
    served = served_after(memory.served, plan, snapshot)
    after = before.closed(snapshot, assessment, memory._replace(guardrails=guardrails, served=served))
    changed = before.changed_by(assessment)
    enters_stage = snapshot.follows <= snapshot.stage_started
    described = changed or enters_stage or after.evaluations % DESCRIBED_EVERY == 0
    return after, {
        "run": snapshot.run,
        "follows": snapshot.follows,
        "end": snapshot.end,
        "verdict": assessment.verdict,
        "reason": assessment.reason,
        "sentence": assessment.sentence,
        "since": after.since,
        "changed": changed,
        "evaluation": after.evaluations,
        "step": snapshot.step,
        "stage": snapshot.stage,
        "stage_started": snapshot.stage_started,
        "weight": snapshot.weight,
        "evaluated_requests": assessment.evaluated_requests,
        "served_requests": served.total,
        "request_rate": served.per_second,
        "log_eprocess": assessment.log_eprocess,
        "metrics": assessment.metrics if described else assessment.brief(),
        "regressed": assessment.regressed,
        "quality": {
            "missing": assessment.missing,
            "resets": assessment.resets,
            "gaps": after.gaps,
            "newest": assessment.newest,
        },
        "calibrated": assessment.calibrated,
        "traffic": assessment.traffic,
        "findings": assessment.findings if described else assessment.found(),
        "described": described,
        "score": assessment.score,
        "plan": snapshot.plan,
        "judge": plan.judge.name,
    }
