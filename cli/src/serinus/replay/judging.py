"""Judging snapshots again, by several judges side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from serinus_contracts import AnalysisPlan, CanaryPolicy, MetricsCollected, VerdictReached
from serinus_contracts.judge import JudgeRule
from serinus_contracts.policy import PolicySpec
from serinus_judging.judged_run import JudgedRun
from serinus_judging.judges import JUDGES
from serinus_rollouts.stages import Stage

from serinus.options import fail


def with_judge(policy: CanaryPolicy, name: str) -> CanaryPolicy | str:
    """The policy under another judge with its default rules, or why it cannot be."""
    if policy.spec.judge.name == name:
        return policy if name in JUDGES else f"judge {name} is not built in"
    if name not in JUDGES:
        return f"there is no judge {name}; known: {', '.join(JUDGES)}"
    try:
        rule = TypeAdapter[Any](JudgeRule).validate_python({"name": name})
        spec = PolicySpec.model_validate({**policy.spec.model_dump(), "judge": rule.model_dump()})
    except ValidationError as error:
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return policy.model_copy(update={"spec": spec})


def judges(policy: CanaryPolicy, asked: Sequence[str]) -> list[CanaryPolicy]:
    """The policy once for each judge: those asked for, else its own and every other that can judge its metrics."""
    own = policy.spec.judge.name
    found = []
    for name in asked or [own, *(name for name in JUDGES if name != own)]:
        changed = with_judge(policy, name)
        if isinstance(changed, CanaryPolicy):
            found.append(changed)
        elif asked or name == own:
            fail(changed, 2)
    return found


def stages_seen(snapshots: Sequence[MetricsCollected]) -> tuple[Stage, ...]:
    """The stages that snapshots were taken in, each with the gate that was waited at last."""
    last: dict[int, MetricsCollected] = {snapshot.stage: snapshot for snapshot in snapshots if snapshot.stage >= 0}
    if sorted(last) != list(range(len(last))):
        fail(f"the snapshots are of stages {sorted(last)} only: give the Rollout's manifest by --rollout")
    steps = [last[stage].step for stage in sorted(last)]
    first = [0, *(step + 1 for step in steps)]
    return tuple(Stage(last[i].weight, min(first[i], step), (step,), False) for i, step in enumerate(steps))


def check(plan: AnalysisPlan, snapshots: Sequence[MetricsCollected]) -> None:
    """Ends if the snapshots have not what the plan judges."""
    counted = {name: measured.kind for snapshot in snapshots for name, measured in snapshot.metrics.items()}
    for metric in plan.metrics:
        if counted.get(metric.name) != metric.source.kind:
            has = f"it is a {counted[metric.name]}" if metric.name in counted else "not there"
            known = ", ".join(f"{name} ({kind})" for name, kind in sorted(counted.items())) or "nothing"
            fail(
                f"policy {plan.policy} judges {metric.name}, a {metric.source.kind}; in the snapshots it is {has}, "
                f"they have {known}. Other metrics need counts taken again: --prometheus"
            )
    stages = {snapshot.stage for snapshot in snapshots}
    if max(stages) >= len(plan.stages):
        fail(f"the snapshots are of {max(stages) + 1} stages, the policy on this Rollout has {len(plan.stages)}")


def rejudged(
    plan: AnalysisPlan, snapshots: Sequence[MetricsCollected], tell: Callable[[], None] = lambda: None
) -> list[VerdictReached]:
    """The verdicts of a plan on snapshots, in order; one that is missing between them is a recorded gap."""
    judged, verdicts = JudgedRun(plan), []
    for snapshot in snapshots:
        verdicts.append(judged.judge(snapshot))
        tell()
    return verdicts


@dataclass(frozen=True)
class Passed:
    """What a judge said in one stage: the snapshot that first opened its gate or aborted, or how it was left."""

    stage: int
    weight: float
    verdict: VerdictReached


def passed(verdicts: Sequence[VerdictReached]) -> list[Passed]:
    """Per stage, up to and with an abort. What came after an earlier proceed is what the run really went through."""
    found: dict[int, Passed] = {}
    for one in verdicts:
        known = found.get(one.stage)
        if known is None or known.verdict.verdict == "hold" or one.verdict == "abort":
            found[one.stage] = Passed(one.stage, one.weight, one)
        if one.verdict == "abort":
            break
    return list(found.values())
