"""What people ask for by commands: approve, hold, resume, advance, abort, retry, override.

Every command is answered by a decision that names it as its cause, so whoever sent it can wait for the answer. A mode
limits what Serinus does of itself, not what a person asks for.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from serinus_contracts import CommandIssued, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import Action, Verb, requested
from serinus_contracts.frozen import frozen
from serinus_contracts.operator_state import Approval, OperatorState
from serinus_contracts.weight import weight_text
from serinus_rollouts.progress import Intent
from serinus_rollouts.resolve import UnfitPolicyError
from serinus_runtime import logs

from serinus_controller.domain.decide import Decision, decide, forced, move, unevaluated
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.override import Changed, changed_parts, overridden
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler

logger = logging.getLogger(__name__)

FORCE = "wait for the first verdict, or force it (--force)"
Follow = Callable[[CommandIssued, LiveRun, Millis], Awaitable[None]]


@dataclass
class CommandHandler:
    """Follows commands, each by the handler of its verb."""

    reconciler: RolloutReconciler
    executor: DecisionExecutor = field(init=False)
    verbs: Mapping[Verb, Follow] = field(init=False)

    def __post_init__(self) -> None:
        self.executor = self.reconciler.executor
        self.verbs = {
            "abort": self._abort,
            "advance": self._advance,
            "approve": self._go_on,
            "hold": self._hold,
            "override": self._override,
            "resume": self._go_on,
            "retry": self._retry,
        }

    async def on_command(self, command: CommandIssued, now: Millis) -> None:
        """Follow a command, or tell why not. One about a run that is over, or that this cluster does not know, is
        answered by nobody, but for a retry, which is about a run that was aborted."""
        with logs.about(run=command.run.id, event_id=command.id):
            tracker = self.reconciler.tracker
            live = await tracker.aborted(command.run.id) if command.verb == "retry" else tracker.find(command.run.id)
            if live is None:
                logger.info("%s by %s is about a run that is not there", command.verb, command.actor)
                return
            state = await self.reconciler.states.of(live.run)
            if command.id in state.control.operator.handled:
                # Its answer was told, or is when what it began has ended: it does not fit where the run is by now.
                logger.info("ignoring duplicate command: %s by %s", command.verb, command.actor)
                return
            refusal = _refusal(command, live, now)
            if refusal:
                await self._answer(command, live, "refused", refusal)
            else:
                await self.verbs[command.verb](command, live, now)

    async def failed(self, command: CommandIssued, problem: str) -> None:
        """Answer a command that went wrong for no foreseen reason: whoever gave it does not wait in vain."""
        live = self.reconciler.tracker.find(command.run.id)
        if live is not None:
            await self._answer(command, live, "refused", f"{_why(command)}: it could not be followed: {problem}")

    async def _abort(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        back = f"{weight_text(live.last_published.actual_weight)} back to stable"
        await self._begin(command, live, Decision("abort", command.step, command.id, back, acts=True))

    async def _advance(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        state, situation = await self.reconciler.states.of(live.run), await self.reconciler.situation(live)
        decision = forced(situation, command.id, command.actor)
        if decision is None:
            await self._answer(command, live, "refused", "the Rollout does not wait at a gate")
        elif not command.force and unevaluated(situation, state.control.verdict, now):
            await self._answer(command, live, "refused", f"nothing was evaluated at {_weight(live)} yet: {FORCE}")
        else:
            await self._begin(command, live, decision)

    async def _hold(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        await self.reconciler.states.keep(live.run, partial(_changed, command))
        await self.executor.give_up_advance(live, _why(command))
        await self._answer(command, live, "hold", f"on hold at {_weight(live)} until it is resumed")

    async def _go_on(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        """Approve or resume: keep it, and decide again on the verdict that is there."""
        was_held = (await self.reconciler.states.of(live.run)).control.operator.held_by
        state = await self.reconciler.states.keep(live.run, partial(_changed, command))
        verdict = state.control.verdict
        decision = decide(await self.reconciler.situation(live), verdict, now) if verdict else None
        if decision and decision.action in ("advance", "promote") and live.view:
            await self._begin(command, live, replace(decision, detail=f"{move(live.view)}; {decision.detail}"))
            return
        done = "recorded" if command.verb == "approve" else "resumed" if was_held else "it was not on hold"
        closed = f"the gate stays closed: {_waits(decision, verdict)}" if decision and verdict else ""
        await self._answer(command, live, "recorded", f"{done}; {closed or 'the gate waits for a verdict'}")

    async def _retry(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        assert live.view is not None
        intent = Intent(
            action="retry",
            step=live.view.step,
            step_hash=live.view.step_hash,
            cause=command.id,
            actor=command.actor,
            detail="tried again, from its first step",
            asked=command.verb,
            reason=command.reason,
            since=self.executor.clock(),
        )
        await self.executor.act(live, intent)

    async def _override(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        tracker = self.reconciler.tracker
        policy = tracker.resolver.policy_of(live)
        try:
            changed = overridden(policy, command.change)
            fresh = await tracker.override(live, changed, command.id)
        except (ValueError, UnfitPolicyError) as error:
            await self._answer(command, live, "refused", str(error))
            return
        before, after = (changed_parts(one, command.change) for one in (policy, changed))
        detail = f"attempt {fresh.run.attempt} begins under the changed policy"
        await self._answer(command, fresh, "override", detail, before, after)

    async def _begin(self, command: CommandIssued, live: LiveRun, decision: Decision) -> None:
        decision = replace(decision, cause=command.id, actor=command.actor, asked=command.verb, reason=command.reason)
        if await self.executor.execute(live, decision, command=command.id):
            return
        other = (await self.reconciler.states.of(live.run)).control.intent
        if other is None:
            await self._answer(command, live, "refused", f"{decision.action} was decided already")
        elif other.cause != command.id:
            waits = self.executor.actor.waits.get(live.run.id, "")
            stands = f"{other.action} by {other.actor} is under way" + (f": {waits}" if waits else "")
            if other.action == decision.action:
                await self.executor.tell_waiting(live, replace(decision, detail=stands))
            else:
                await self._answer(command, live, "refused", stands)

    async def _answer(
        self,
        command: CommandIssued,
        live: LiveRun,
        action: Action,
        detail: str,
        before: Changed | None = None,
        after: Changed | None = None,
    ) -> None:
        decision = Decision(
            action, command.step, command.id, detail, actor=command.actor, asked=command.verb, reason=command.reason
        )
        await self.executor.tell(live, decision, before or {}, after or {})


def _refusal(command: CommandIssued, live: LiveRun, now: Millis) -> str:
    """Why a command is not followed, empty if it is."""
    assert live.view is not None
    if command.expires < now:
        return "it has expired"
    if command.verb in ("approve", "advance") and command.step != live.view.step:
        return f"it is for step {command.step}, the run is at {live.view.step}"
    if live.view.aborted and command.verb in ("approve", "advance", "override"):
        return "the run is being aborted"
    freeze = frozen(live.plan.freeze, now)
    if freeze and command.verb in ("advance", "retry") and not command.reason:
        return f"{freeze}; to go on all the same, say why"
    return ""


def _why(command: CommandIssued) -> str:
    return requested(command.verb, command.actor, command.reason)


def _weight(live: LiveRun) -> str:
    return weight_text(live.last_published.set_weight)


def _waits(decision: Decision, verdict: VerdictReached) -> str:
    """What stands between a command and what it allows, for the person who gave it."""
    if decision.action == "await_approval":
        return "a person has to approve"
    return verdict.sentence.removeprefix("hold: ") if verdict.verdict == "hold" else decision.detail


def _changed(command: CommandIssued, operator: OperatorState) -> OperatorState:
    operator = operator.having_handled(command.id)
    if command.verb == "approve":
        approval = Approval(actor=command.actor, command=command.id)
        return operator.model_copy(update={"approvals": {**operator.approvals, command.step: approval}})
    held_by = _why(command).removeprefix("hold by ") if command.verb == "hold" else ""
    return operator.model_copy(update={"held_by": held_by})
