"""Folding the looks of one run, in the order of their chain: pure but for the judge's table."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from serinus_contracts import AnalysisPlan, DataQuality, MetricsCollected, VerdictReached
from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import Memory
from serinus_judging.judges import JUDGES, Evidence, Judge
from serinus_judging.served import Served
from serinus_judging.served import after as after_snapshot

from serinus_analyzer.service_layer.ports import Standing

DESCRIBED_EVERY = 10
"""Looks after which a verdict that goes on is described anew: nothing is decided by descriptions, and at each look they
would be dearer than any other part of a verdict (docs/adr/0046)."""


@dataclass(frozen=True)
class Look:
    """A snapshot, the stream entry that carried it, and the trace that it belongs to."""

    entry: bytes
    snapshot: MetricsCollected
    traceparent: str | None = None


class Step(NamedTuple):
    """A look that is next in the chain of its run, with all that judging it takes."""

    standing: Standing
    plan: AnalysisPlan
    snapshot: MetricsCollected


def next_look(standing: Standing, looks: Sequence[Look]) -> Look | None:
    """The look that continues the chain, None if it is not among them."""
    return next((look for look in looks if look.snapshot.follows == standing.through), None)


def repeats(standing: Standing, looks: Sequence[Look]) -> list[Look]:
    """Looks that were folded before."""
    return [look for look in looks if look.snapshot.end <= standing.through]


def forks(standing: Standing, looks: Sequence[Look]) -> list[Look]:
    """Looks that begin before what was judged and end after it: folded, they would count requests twice."""
    return [look for look in looks if look.snapshot.follows < standing.through < look.snapshot.end]


def fold_all(steps: Sequence[Step]) -> list[tuple[Standing, VerdictReached]]:
    """The standing after each look, and its verdict; looks of different runs, judged together where one judge can.

    Raises ValueError if evidence cannot be read by its plan's judge, for all.
    """
    results: list[tuple[Standing, VerdictReached]] = [None] * len(steps)  # type: ignore[list-item]
    by_judge: dict[str, list[int]] = {}
    for position, step in enumerate(steps):
        by_judge.setdefault(step.plan.judge.name, []).append(position)
    for name, positions in by_judge.items():
        judge = JUDGES[name]
        cases = [(steps[i].plan, _evidence(judge, steps[i]), steps[i].snapshot) for i in positions]
        for i, (evidence, assessment) in zip(positions, judge.judge(cases), strict=True):
            memory, found = checks.look(steps[i].plan, _memory(steps[i]), steps[i].snapshot)
            results[i] = _told(steps[i], evidence, memory, checks.settled(assessment, found))
    return results


def _evidence(judge: Judge[Any], step: Step) -> Evidence:
    # Evidence belongs to the plan it was collected under; a plan that changed in mid-run starts anew.
    known = step.standing.evidence if step.standing.plan == step.snapshot.plan else b""
    found: Evidence = judge.load(known) if known else judge.start(step.plan)
    return found


def _memory(step: Step) -> Memory:
    known = step.standing.beside if step.standing.plan == step.snapshot.plan else b""
    return Memory.unpack(known) or checks.open(step.plan)


def _told(step: Step, evidence: Evidence, memory: Memory, assessment: Assessment) -> tuple[Standing, VerdictReached]:
    before, snapshot = step.standing, step.snapshot
    changed = (assessment.verdict, assessment.reason) != (before.verdict, before.reason)
    served = after_snapshot(Served.unpack(before.served), step.plan, snapshot)
    after = Standing(
        through=snapshot.end,
        looks=before.looks + 1,
        gaps=before.gaps,
        verdict=assessment.verdict,
        reason=assessment.reason,
        since=snapshot.end if changed else before.since,
        plan=snapshot.plan,
        evidence=evidence.pack(),
        beside=memory.pack(),
        served=served.pack(),
    )
    said = _verdict(step.plan, snapshot, assessment, after, changed)
    return after, said.model_copy(update={"served_requests": served.total, "request_rate": served.per_second})


def bridged(standing: Standing, look: Look) -> Standing:
    """The standing from which a look behind a gap is folded: what is missing is counted, not forgotten."""
    return replace(standing, through=look.snapshot.follows, gaps=standing.gaps + 1)


def _verdict(
    plan: AnalysisPlan, snapshot: MetricsCollected, assessment: Assessment, standing: Standing, changed: bool
) -> VerdictReached:
    described = changed or standing.looks % DESCRIBED_EVERY == 0
    return VerdictReached(
        run=snapshot.run,
        follows=snapshot.follows,
        end=snapshot.end,
        verdict=assessment.verdict,
        reason=assessment.reason,
        sentence=assessment.sentence,
        since=standing.since,
        changed=changed,
        look=standing.looks,
        step=snapshot.step,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        weight=snapshot.weight,
        exposed=assessment.exposed,
        log_abort=assessment.log_abort,
        metrics=assessment.metrics,
        blame=assessment.blame,
        quality=DataQuality(
            missing=assessment.missing, resets=assessment.resets, gaps=standing.gaps, newest=assessment.newest
        ),
        calibrated=assessment.calibrated,
        traffic=assessment.traffic,
        findings=assessment.findings if described else assessment.found(),
        described=described,
        score=assessment.score,
        plan=snapshot.plan,
        judge=plan.judge.name,
    )
