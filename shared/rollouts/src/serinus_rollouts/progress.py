"""How far an act has come: what is left to do, judged from nothing but the Rollout as it stands now.

So it makes no difference who began, how often it was tried, or where a controller died.
"""

from dataclasses import dataclass
from typing import Literal

from serinus_contracts.base import Contract, Millis
from serinus_contracts.events import Verb

from serinus_rollouts.rollout import RolloutView


class Intent(Contract):
    """An act that was decided and is written down before anything is sent.

    `gate` is the start time of the pause that a promotion ends. Step and hash come back after an abort and a retry; a
    pause that began later does not open on what was decided about an earlier one. `retried`: an abort had been taken
    back before already. `asked` and `reason`: of the command that it follows.
    """

    action: Literal["advance", "promote", "abort", "retry"]
    step: int
    step_hash: str
    gate: str = ""
    retried: bool = False
    cause: str
    actor: str
    detail: str
    asked: Verb | None = None
    reason: str = ""
    since: Millis


Next = Literal["done", "send", "wait", "lost"]


@dataclass(frozen=True)
class Progress:
    """What is to be done next, and why it is not done yet, or never will be."""

    next: Next
    why: str = ""


def progress(intent: Intent, canary_hash: str, uid: str, view: RolloutView | None, *, taken: bool = False) -> Progress:
    """What to do next for the intent: send its patch, wait for Argo, or stop because it is done or lost.

    `taken`: the API server is known to have taken the patch, or another to the same end.
    """
    if view is None or view.uid != uid:
        return Progress("lost", "the Rollout was deleted")
    if view.current_hash != canary_hash:
        return Progress("lost", "another revision has begun")
    if intent.action == "abort":
        return _abort(intent, view, taken)
    return _retry(view) if intent.action == "retry" else _promote(intent, view)


def _abort(intent: Intent, view: RolloutView, taken: bool) -> Progress:
    if view.aborted:
        if view.back_on_stable:
            return Progress("done")
        return Progress("wait", view.trouble if view.invalid else "traffic is not yet back on stable")
    if not view.releasing:
        return Progress("lost", "fully promoted already: Argo drops an abort then")
    # A retry is a person's decision about what the abort was for: it is not undone.
    if taken:
        if view.invalid:
            return Progress("lost", "it was taken back before Argo had carried it out")
        return Progress("done")
    if _tried_again(intent, view):
        return Progress("lost", "it was aborted before, and is tried again")
    if not view.observed:
        # It may hold another template, which the verdict is not about.
        return Progress("wait", "Argo has not yet taken up the newest spec")
    return Progress("send")


def _tried_again(intent: Intent, view: RolloutView) -> bool:
    """Whether somebody aborted and retried since, seen by no controller: it leaves `abort: false` behind, and the
    steps begin again."""
    gone_back = view.step_hash == intent.step_hash and view.step < intent.step
    return gone_back or (view.retried and not intent.retried)


def _retry(view: RolloutView) -> Progress:
    if view.aborted:
        return Progress("send")
    if view.phase == "Degraded":
        return Progress("wait", "the abort is taken back, Argo has not begun again yet")
    return Progress("done")


def _promote(intent: Intent, view: RolloutView) -> Progress:
    if view.aborted:
        return Progress("lost", "the Rollout was aborted")
    if view.step_hash != intent.step_hash:
        return Progress("lost", "the steps were edited")
    if view.step > intent.step or not view.releasing:
        return Progress("done")
    if view.step < intent.step:
        return Progress("lost", "the Rollout has gone back to an earlier step")
    if view.retried and not intent.retried:
        # The pause may have the same start, which Argo gives in whole seconds.
        return Progress("lost", "it was aborted, and is tried again")
    if view.spec_paused:
        return Progress("lost", "the Rollout is paused by hand (spec.paused)")
    if view.at_gate:
        same = intent.gate in ("", view.pauses[0].started)
        return Progress("send") if same else Progress("lost", "the Rollout has come to this step again")
    return Progress("wait", view.trouble or ("unpausing" if view.unpausing else view.phase))
