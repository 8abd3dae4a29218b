"""What a decision comes to beside what was decided before, its intent and its event. Pure."""

from serinus_contracts import DecisionTaken, Run
from serinus_contracts.base import Millis
from serinus_contracts.events import State
from serinus_contracts.policy import Mode
from serinus_rollouts.progress import Intent
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import version_of

from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.decide import ACTIONS, Decision


def is_new(
    decision: Decision, control: ControllerState, view: RolloutView, *, acting: bool, done: tuple[str, int]
) -> bool:
    """Whether a decision on `view` is still to be carried out or told.

    acting: an act of the run is under way, which only an abort overtakes; done: the last action that was seen to be
    done, and the version of the Rollout in which it was. A decision on an older one was made before that was seen: a
    watch may be slow, and silence may have been told in between.
    """
    overtakes = decision.action == "abort" and control.intent is not None and control.intent.action != "abort"
    if dedupe_key_of(decision) == control.dedupe_key or (acting and not (overtakes and decision.acts)):
        return False
    action, version = done
    return not (decision.changes_rollout and action == decision.action and version_of(view) < version)


def dedupe_key_of(decision: Decision | Intent) -> str:
    """What makes it another decision than the one before; a hold that goes on for its reason is told once.

    To say what would be done is not to do it: a person may still ask for the same.
    """
    if decision.action in ("hold", "refused"):
        about = decision.detail
    else:
        about = "" if isinstance(decision, Intent) or decision.acts else "said"
    return f"{decision.action}:{decision.step}:{about}"


def intent_of(decision: Decision, view: RolloutView, now: Millis) -> Intent:
    """The intent that is written down before a decision to advance, promote or abort is carried out."""
    return Intent(
        action=decision.action,
        step=decision.step,
        step_hash=view.step_hash,
        gate=view.pauses[0].started if view.at_gate else "",
        retried=view.retried,
        cause=decision.cause,
        actor=decision.actor,
        detail=decision.detail,
        asked=decision.asked,
        reason=decision.reason,
        since=now,
    )


def event_without_act(decision: Decision, run: Run, mode: Mode, now: Millis) -> DecisionTaken:
    """The event of a decision that changes nothing in the cluster: the mode does not allow the act, or it is none."""
    if decision.action not in ACTIONS:
        return event_of(decision, run, mode, "confirmed", decision.detail, now)
    return event_of(decision, run, mode, "intended", f"{mode} mode, would {decision.action}: {decision.detail}", now)


def event_of(what: Decision | Intent, run: Run, mode: Mode, state: State, detail: str, now: Millis) -> DecisionTaken:
    """The event that tells how a decision stands, or the act that was begun on it."""
    return DecisionTaken(
        run=run,
        step=what.step,
        action=what.action,
        cause=what.cause,
        actor=what.actor,
        asked=what.asked,
        reason=what.reason,
        detail=detail,
        mode=mode,
        state=state,
        decided=now,
    )
