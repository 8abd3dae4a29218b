"""What to do about a run, given its latest verdict, people's commands and the Rollout as it stands. Pure.

Serinus never advances on an old, foreign or missing verdict, nor in a freeze; it may always abort the run that a
verdict is about.
"""

from dataclasses import dataclass, field, replace

from serinus_contracts import AnalysisPlan, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import Action, Verb
from serinus_contracts.freshness import MAX_INTERVALS, stale
from serinus_contracts.frozen import frozen
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.policy import Mode
from serinus_contracts.standstill import Standstill
from serinus_contracts.weight import weight_text
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.stages import stage_at, stages

ACTIONS = ("advance", "promote", "abort")
"""Decisions that change the Rollout where the mode lets them."""


@dataclass(frozen=True)
class Situation:
    """A run as the controller sees it. `stage_started` is the registry's; `doubt`: why nothing is advanced of it, empty
    if nothing speaks against it."""

    view: RolloutView
    run: Run
    plan: AnalysisPlan
    stage_started: Millis
    operator: OperatorState = field(default_factory=OperatorState)
    doubt: str = ""


@dataclass(frozen=True)
class Decision:
    """`acts` is false where the mode only lets Serinus say what it would do. `asked` and `reason`: of the command that
    it answers."""

    action: Action
    step: int
    cause: str
    detail: str
    acts: bool = False
    actor: str = "serinus"
    asked: Verb | None = None
    reason: str = ""

    @property
    def changes_rollout(self) -> bool:
        """Whether an act follows from it."""
        return self.acts and self.action in ACTIONS


def decide(situation: Situation, verdict: VerdictReached, now: Millis) -> Decision | None:
    """The decision that a verdict leads to; None if it is about something else or says nothing new to do.

    Nothing is advanced of a run that is in doubt; an abort needs no more than its verdict.
    """
    decision = _decided(situation, verdict, now)
    if decision and decision.action != "abort" and situation.doubt:
        return replace(decision, action="hold", detail=situation.doubt, acts=False)
    return decision


def _decided(situation: Situation, verdict: VerdictReached, now: Millis) -> Decision | None:
    view, run, plan = situation.view, situation.run, situation.plan
    cause = verdict.event_id()
    if verdict.run.id != run.id or view.aborted or not view.releasing or view.current_hash != run.canary_hash:
        return None
    if verdict.verdict == "abort":
        # The evidence is about the release, not about a step: an abort that comes after a step is still due.
        return Decision("abort", view.step, cause, verdict.sentence, acts=may(plan.mode, "abort"))
    if (verdict.step, verdict.stage_started, verdict.plan) != (view.step, situation.stage_started, plan.digest):
        return None
    if stale(verdict.end, plan, now):
        return None
    if verdict.verdict == "hold":
        return Decision("hold", view.step, cause, verdict.reason)
    if situation.operator.held_by:
        return Decision("hold", view.step, cause, f"held by {situation.operator.held_by}")
    freeze = frozen(plan.freeze, now)
    if freeze:
        return Decision("hold", view.step, cause, freeze)
    if not view.at_gate:
        return None
    if _needs_approval(situation) and view.step not in situation.operator.approvals:
        return Decision("await_approval", view.step, cause, verdict.sentence)
    last = view.step == len(view.steps) - 1
    action: Action = "promote" if last else "advance"
    approval = situation.operator.approvals.get(view.step)
    actor = approval.actor if approval else "serinus"
    return Decision(action, view.step, cause, verdict.sentence, acts=may(plan.mode, action), actor=actor)


def forced(situation: Situation, cause: str, actor: str) -> Decision | None:
    """What a person asked for without waiting for a verdict; None if the Rollout does not wait at a gate."""
    view = situation.view
    if not view.at_gate:
        return None
    action: Action = "promote" if view.step == len(view.steps) - 1 else "advance"
    return Decision(action, view.step, cause, move(view), acts=True, actor=actor)


def move(view: RolloutView) -> str:
    """What an advance from the present step does to the weight, such as: 5 % to 25 %."""
    found = stages(view.steps)
    index = stage_at(found, view.step)
    if index < 0:
        return "on to the next step"
    if any(gate > view.step for gate in found[index].gates):
        return f"on to the next gate at {weight_text(found[index].weight)}"
    following = found[index + 1].weight if index + 1 < len(found) else 100
    return f"{weight_text(found[index].weight)} to {weight_text(following)}"


def unevaluated(situation: Situation, verdict: VerdictReached | None, now: Millis) -> bool:
    """Whether the first evaluation at the present weight is still to come: who advances now has seen nothing of it.

    Not where evaluations have stopped, nor before the first weight: then there is nothing to wait for.
    """
    started, stage = situation.stage_started, stage_at(stages(situation.view.steps), situation.view.step)
    if stage < 0:
        return False
    if verdict is None:
        return not stale(started, situation.plan, now)
    seen = (verdict.stage, verdict.stage_started) == (stage, started) and verdict.reason != "settling"
    return not seen and not stale(max(started, verdict.end), situation.plan, now)


def no_verdict(situation: Situation, last_end: Millis, now: Millis, known: Standstill | None) -> Decision | None:
    """Hold, and say why, when the analysis has stopped or cannot begin: nothing is advanced by silence.

    `last_end`: of the last verdict, 0 without one; `known`: what the Rollout shows of the cause."""
    if situation.view.aborted:
        return None
    since = max(last_end, situation.stage_started)
    if known and known.kind == "pause":
        cause, text = f"no-verdict: {known.kind}", known.text
    elif not stale(since, situation.plan, now):
        return None
    elif known:
        cause, text = f"no-verdict since {since}: {known.kind}", known.text
    else:
        cause = f"no-verdict since {since}"
        text = f"no verdict for {MAX_INTERVALS} intervals: is a collector or analyzer missing, or metrics?"
    return Decision("hold", situation.view.step, cause, situation.doubt or text)


def may(mode: Mode, action: Action) -> bool:
    """Whether a mode lets Serinus act: shadow never, guard aborts only, enforce always."""
    return mode == "enforce" or (mode == "guard" and action == "abort")


def _needs_approval(situation: Situation) -> bool:
    """A person is asked at the last gate of a stage that wants approval; verdicts open the gates before it."""
    found = stages(situation.view.steps)
    stage = stage_at(found, situation.view.step)
    if stage < 0 or not found[stage].gates or situation.view.step != found[stage].gates[-1]:
        return False
    return any(rule.approval and rule.first_step == found[stage].first_step for rule in situation.plan.stages)
