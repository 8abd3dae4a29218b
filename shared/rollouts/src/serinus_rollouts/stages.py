"""A Rollout's canary steps as stages: the span from one change of weight to the next, and the gates inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from serinus_contracts import AnalysisPlan
from serinus_contracts.standstill import paused_before_the_first_weight
from serinus_contracts.weight import percent_of

from serinus_rollouts.rollout import RolloutView, Step

NOTHING_TO_JUDGE = "has nothing to judge: no step of its canary strategy sets a weight"
ADD_STEPS = "add steps such as `setWeight: 10` and `pause: {}`"


@dataclass(frozen=True)
class Stage:
    """`first_step` is the index of the setWeight; `gates` are the indexes of the pauses without end after it."""

    weight: float
    first_step: int
    gates: tuple[int, ...]
    timed: bool


def stages(steps: Sequence[Step]) -> tuple[Stage, ...]:
    """The stages, in order; none without a setWeight. Steps before the first change of weight belong to none."""
    starts = [index for index, step in enumerate(steps) if step.weight is not None]
    found = []
    for start, following in pairwise([*starts, len(steps)]):
        inside = range(start + 1, following)
        found.append(
            Stage(
                weight=steps[start].weight or 0,
                first_step=start,
                gates=tuple(index for index in inside if steps[index].gate),
                timed=any(steps[index].timed for index in inside),
            )
        )
    return tuple(found)


def pause_before_the_first_weight(rollout: RolloutView) -> str:
    """What is to be said of one that only a person opens; empty if there is none."""
    first = next((index for index, step in enumerate(rollout.steps) if step.weight is not None), 0)
    gates = [str(index) for index, step in enumerate(rollout.steps[:first]) if step.gate]
    if not gates:
        return ""
    where = f"{rollout.key}: step{'s' * (len(gates) > 1)} {', '.join(gates)} (from 0)"
    return f"{where}: a new version {paused_before_the_first_weight(rollout.key)}"


def fits(plan: AnalysisPlan, found: Sequence[Stage]) -> bool:
    """Whether the plan was made for these stages."""
    planned = [(stage.weight, stage.first_step, stage.gates) for stage in plan.stages]
    return planned == [(stage.weight, stage.first_step, stage.gates) for stage in found]


def planned_steps(plan: AnalysisPlan, count: int) -> tuple[Step, ...]:
    """The steps that a plan was made for, as far as it tells: changes of weight, and pauses without end."""
    steps = [Step("unknown")] * count
    for stage in plan.stages:
        steps[stage.first_step] = Step("setWeight", weight=stage.weight)
        for gate in stage.gates:
            steps[gate] = Step("pause")
    return tuple(steps)


def stage_at(found: Sequence[Stage], step: int) -> int:
    """Index of the stage that a step belongs to, -1 before the first."""
    return sum(stage.first_step <= step for stage in found) - 1


def weight_in_force(
    view: RolloutView, found: Sequence[Stage], canary_pods: int, pods: int
) -> tuple[float, float, bool]:
    """Set weight, actual weight (percent), and whether the set one is in force, so that counts may be compared.

    With traffic routing Argo reports the weight, and for which hash it was set. Without, the share of the pods is
    the weight, as near as whole pods allow.
    """
    stage = stage_at(found, view.step)
    wanted = found[stage].weight if stage >= 0 else 0
    between = view.current_step is not None and view.current_step.weight is not None
    running = view.releasing and stage >= 0 and not between and view.step < len(view.steps)
    if view.routed:
        actual = (view.canary_weight or 0) if view.weight_hash == view.current_hash else 0
        return wanted, actual, running and actual == wanted
    actual = round(percent_of(canary_pods, pods), 2) if pods else 0
    return wanted, actual, running and canary_pods > 0
