"""From a Rollout and its pods to what the others are told: where the run stands, and since when its weight holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from serinus_contracts import AnalysisPlan, Pod, RolloutObserved, Run
from serinus_contracts.base import Arm, Millis
from serinus_contracts.events import Outcome, Route
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import fits, planned_steps, stage_at, stages, weight_in_force


@dataclass(frozen=True)
class Observation:
    """`constant_until`: up to when the weight is known to have been the one of `event`; None: not learnt now."""

    event: RolloutObserved
    constant_until: Millis | None


def observe(
    view: RolloutView,
    run: Run,
    plan: AnalysisPlan,
    pods: Sequence[Pod],
    version: str,
    before: RolloutObserved | None,
    *,
    images: Mapping[Arm, tuple[str, ...]] = MappingProxyType({}),
    seen: Millis,
    consistent: Millis | None,
) -> Observation:
    """What to tell of a live run, of which the view is as `in_force` gives it.

    `seen`: when the view had been received. `consistent`: when the read that gave it was started, if it was one
    that shows the newest state. `before`: what was told last of this run, whose images count for arms without pods.
    """
    found = stages(view.steps)
    ready = {arm: sum(pod.ready for pod in pods if pod.arm == arm) for arm in ("canary", "stable")}
    wanted, actual, steady = weight_in_force(view, found, ready["canary"], sum(ready.values()))
    gate = view.pauses[0].started_ms if view.at_gate else None
    last_gate = _last_gate(before, view.step)
    started = _stage_started(view, before, stage_at(found, view.step), wanted, steady, gate, seen)
    split = view.split if view.routed and view.split is not None and steady else actual
    split_since = _split_since(before, started, split, view.routes, seen)
    event = RolloutObserved(
        run=run,
        resource_version=version,
        phase=view.phase,
        step=view.step,
        steps=len(view.steps),
        stage=stage_at(found, view.step),
        set_weight=wanted,
        actual_weight=actual,
        split=None if split == actual else split,
        split_since=split_since,
        routes=view.routes,
        steady=steady,
        stage_started=started,
        gate_started=gate,
        last_gate=last_gate if gate is None else gate,
        pods=tuple(pods),
        images={**(before.images if before else {}), **images},
        revision=view.revision,
        trouble=view.trouble,
        aborting=view.aborted,
        plan=plan.digest,
    )
    return Observation(event, consistent if steady else None)


def in_force(view: RolloutView, plan: AnalysisPlan, before: RolloutObserved | None) -> RolloutView:
    """The view with the steps, and at the step, whose weight the canary has.

    Edited steps are not, until Argo has taken them up, which it never does if they are invalid. And an abort sets the
    index to 0 before the weight is back.
    """
    if before is None:
        return view
    if not fits(plan, stages(view.steps)):
        view = replace(view, steps=planned_steps(plan, before.steps))
    return replace(view, step=before.step) if view.aborted else view


def _stage_started(
    view: RolloutView,
    before: RolloutObserved | None,
    stage: int,
    weight: float,
    steady: bool,
    gate: Millis | None,
    seen: Millis,
) -> Millis:
    """Since when the weight holds: as before while nothing says otherwise, else no earlier than it surely did."""
    if before is not None and not steady:
        return before.stage_started
    same = before is not None and before.steady and (before.stage, before.set_weight) == (stage, weight)
    if same and before is not None and not _paused_anew(before, view, gate):
        return before.stage_started
    # The pause begins after the weight is in force, so a controller that was away learns from it when that was.
    return min(seen, gate) if gate is not None else seen


def _split_since(
    before: RolloutObserved | None, started: Millis, split: float, routes: tuple[Route, ...], seen: Millis
) -> Millis | None:
    """Since when both arms share their requests so; None: since the stage began."""
    if before is None or not before.steady or before.stage_started != started:
        return None
    was = before.actual_weight if before.split is None else before.split
    return before.split_since if (was, before.routes) == (split, routes) else seen


def _last_gate(before: RolloutObserved | None, step: int) -> Millis | None:
    return before.last_gate if before is not None and before.step == step else None


def _paused_anew(before: RolloutObserved, view: RolloutView, gate: Millis | None) -> bool:
    """The same step with another pause: in between the run was elsewhere, and so may the weight have been.

    Also when the pause before had been opened: an abort and a retry that nobody saw lead to the same step. Argo may
    set an opened pause again from its cache, which looks the same; then the stage is judged once more.
    """
    return gate is not None and _last_gate(before, view.step) not in (None, gate)


def ended(before: RolloutObserved, outcome: Outcome, version: str, view: RolloutView | None) -> RolloutObserved:
    """The last that is told of a run."""
    update: dict[str, object] = {"outcome": outcome, "resource_version": version, "steady": False, "gate_started": None}
    if view is not None:
        weight = 100 if outcome == "promoted" else view.canary_weight or 0
        update |= {"phase": view.phase, "trouble": view.trouble, "actual_weight": weight}
    return before.model_copy(update=update)


def outcome_of(run: Run, view: RolloutView) -> Outcome | None:
    """How a run has ended, None while it goes on: an abort has not ended it before the traffic is back."""
    if view.current_hash != run.canary_hash:
        return "superseded"
    if view.aborted and view.back_on_stable:
        return "aborted"
    return "promoted" if view.stable_hash == run.canary_hash else None
