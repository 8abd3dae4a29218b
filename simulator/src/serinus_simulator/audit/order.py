"""What must hold of the order and number of what was told of a run, each fault in a sentence. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from serinus_contracts import AnalysisPlan, DecisionTaken, MetricsCollected, RolloutObserved, VerdictReached

ACTS = ("advance", "promote", "abort")


def of_snapshots(snapshots: Sequence[MetricsCollected], verdicts: Sequence[VerdictReached]) -> Iterable[str]:
    """The snapshots are a chain, and each has its verdict."""
    before = 0
    for snapshot in snapshots:
        if snapshot.follows != before:
            yield f"the snapshot to {snapshot.end} follows {snapshot.follows}, the one before ended at {before}"
        before = snapshot.end
    told = {verdict.event_id() for verdict in verdicts}
    # The newest snapshot may be on its way to its verdict.
    for snapshot in snapshots[:-1]:
        if snapshot.event_id() not in told:
            yield f"the snapshot to {snapshot.end} has no verdict"


def of_verdicts(verdicts: Sequence[VerdictReached]) -> Iterable[str]:
    """One verdict a snapshot, in their order, and none again under another id."""
    for name, times in Counter(verdict.event_id() for verdict in verdicts).items():
        if times > 1:
            yield f"verdict {name} was told {times} times"
    for one, next_ in pairwise(verdicts):
        if next_.end < one.end:
            yield "verdicts are out of order"
        elif next_.end > one.end and next_.evaluation != one.evaluation + 1:
            yield (
                f"the verdict to {next_.end} is evaluation {next_.evaluation}, the one before was evaluation "
                f"{one.evaluation}"
            )
        elif next_.end > one.end and next_.follows != one.end and next_.quality.gaps == one.quality.gaps:
            yield f"the verdict to {next_.end} follows {next_.follows}, the one before ended at {one.end}"
    if any(verdict.quality.gaps for verdict in verdicts):
        yield f"{verdicts[-1].quality.gaps} gaps"


def of_decisions(
    decisions: Sequence[DecisionTaken],
    verdicts: Sequence[VerdictReached],
    observed: Sequence[RolloutObserved],
    plans: Mapping[str, AnalysisPlan],
) -> Iterable[str]:
    """One decision for a cause, each act once and for a verdict that says so, and no gate passed without one."""
    for name, times in Counter(decision.event_id() for decision in decisions).items():
        if times > 1:
            yield f"decision {name} was told {times} times"
    said = {verdict.event_id(): verdict for verdict in verdicts}
    done = [one for one in decisions if one.state == "confirmed" and one.action in ACTS]
    for (step, action), times in Counter((one.step, one.action) for one in done).items():
        if times > 1:
            yield f"{action} at step {step} was done {times} times"
    for one in done:
        verdict = said.get(one.cause)
        wanted = "abort" if one.action == "abort" else "proceed"
        if one.actor == "serinus" and (verdict is None or verdict.verdict != wanted):
            why = f"said {verdict.verdict}" if verdict else "was never told"
            yield f"{one.action} at step {one.step} for verdict {one.cause}, which {why}"
        if verdict and one.action != "abort" and verdict.step != one.step:
            yield f"{one.action} at step {one.step} for a verdict on step {verdict.step}"
    opened = {one.step for one in done if one.action != "abort"}
    for event in observed:
        plan = plans.get(event.plan)
        for gate in (gate for stage in (plan.stages if plan else ()) for gate in stage.gates):
            passed = event.step > gate and event.outcome in (None, "promoted")
            if passed and gate not in opened:
                yield f"step {gate} was passed without a decision"
                return
