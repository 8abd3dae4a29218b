"""What people ask for by commands: approve, hold, resume, advance, abort, retry, override.

Every command is answered by a decision that names it as its cause, so whoever sent it can wait for the answer. A mode
limits what Serinus does of itself, not what a person asks for.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import JsonValue, ValidationError
from serinus_contracts import CommandIssued, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import Action, requested
from serinus_contracts.frozen import frozen
from serinus_contracts.policy import CanaryPolicy, PolicySpec
from serinus_contracts.weight import weight_text
from serinus_rollouts.progress import Intent
from serinus_rollouts.resolve import UnfitPolicyError
from serinus_runtime import logs

from serinus_controller.domain.decide import Approval, Decision, Memory, decide, forced, move, unevaluated
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_tracker import LiveRun

logger = logging.getLogger(__name__)

Changed = dict[str, JsonValue]
FORCE = "wait for the first verdict, or force it (--force)"


@dataclass(frozen=True)
class CommandHandler:
    reconciler: RolloutReconciler

    async def on_command(self, command: CommandIssued, now: Millis) -> None:
        """Follow a command, or tell why not. One about a run that is over, or that this cluster does not know, is
        answered by nobody, but for a retry, which is about a run that was aborted."""
        with logs.about(run=command.run.id, event_id=command.id):
            tracker = self.reconciler.tracker
            live = await tracker.aborted(command.run.id) if command.verb == "retry" else tracker.find(command.run.id)
            if live is None:
                logger.info("%s by %s is about a run that is not there", command.verb, command.actor)
                return
            control = await self.reconciler.control(live.run)
            if command.id in control.memory.followed:
                # Its answer was told, or is when what it began has ended: it does not fit where the run is by now.
                logger.info("%s by %s was followed before", command.verb, command.actor)
                return
            refusal = _refusal(command, live, now)
            if refusal:
                await self._answer(command, live, "refused", refusal)
            else:
                await self._follow(command, live, now)

    async def failed(self, command: CommandIssued, problem: str) -> None:
        """Answer a command that went wrong for no foreseen reason: whoever gave it does not wait in vain."""
        live = self.reconciler.tracker.find(command.run.id)
        if live is not None:
            await self._answer(command, live, "refused", f"{_why(command)}: it could not be followed: {problem}")

    async def _follow(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        if command.verb == "abort":
            back = f"{weight_text(live.told.actual_weight)} back to stable"
            await self._begin(command, live, Decision("abort", command.step, command.id, back, acts=True))
        elif command.verb == "retry":
            await self._retry(command, live)
        elif command.verb == "advance":
            control = await self.reconciler.control(live.run)
            situation = self.reconciler.situation(live, control)
            found = forced(situation, command.id, command.actor)
            if found is None:
                await self._answer(command, live, "refused", "the Rollout does not wait at a gate")
            elif not command.force and unevaluated(situation, control.verdict, now):
                await self._answer(command, live, "refused", f"nothing was evaluated at {_weight(live)} yet: {FORCE}")
            else:
                await self._begin(command, live, found)
        elif command.verb == "override":
            await self._override(command, live)
        else:
            await self._remember(command, live, now)

    async def _begin(self, command: CommandIssued, live: LiveRun, decision: Decision) -> None:
        control = await self.reconciler.control(live.run)
        decision = replace(decision, cause=command.id, actor=command.actor, asked=command.verb, reason=command.reason)
        if await self.reconciler.carry_out(live, control, decision, command=command.id):
            return
        control = await self.reconciler.control(live.run)
        other = control.intent
        if other is None:
            await self._answer(command, live, "refused", f"{decision.action} was decided already")
        elif other.cause == command.id:
            return
        else:
            waits = self.reconciler.actor.waits.get(live.run.id, "")
            stands = f"{other.action} by {other.actor} is under way" + (f": {waits}" if waits else "")
            if other.action == decision.action:
                await self.reconciler.tell_waiting(live, control, replace(decision, detail=stands))
            else:
                await self._answer(command, live, "refused", stands)

    async def _remember(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        """Approve, hold, resume: keep it, and decide anew on the verdict that is there."""
        before = (await self.reconciler.control(live.run)).memory
        control = await self.reconciler.keep(live.run, partial(_changed, command))
        if command.verb == "hold":
            await self.reconciler.give_up_advance(live, _why(command))
            await self._answer(command, live, "hold", f"on hold at {_weight(live)} until it is resumed")
            return
        said = control.verdict
        found = decide(self.reconciler.situation(live, control), said, now) if said else None
        decision = self.reconciler.safe(live, found) if found else None
        if decision and decision.action in ("advance", "promote") and live.view:
            await self._begin(command, live, replace(decision, detail=f"{move(live.view)}; {decision.detail}"))
            return
        done = "recorded" if command.verb == "approve" else "resumed" if before.held else "it was not on hold"
        closed = (
            f"the gate stays closed: {_waits(decision, said)}" if decision and said else "the gate waits for a verdict"
        )
        await self._answer(command, live, "recorded", f"{done}; {closed}")

    async def _retry(self, command: CommandIssued, live: LiveRun) -> None:
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
            since=self.reconciler.clock(),
        )
        self.reconciler.act(live, intent)

    async def _override(self, command: CommandIssued, live: LiveRun) -> None:
        policy = self.reconciler.tracker.policy_of(live)
        try:
            changed = overridden(policy, command.change)
            fresh = await self.reconciler.tracker.override(live, changed, command.id)
        except (ValueError, UnfitPolicyError) as error:
            await self._answer(command, live, "refused", str(error))
            return
        before, after = (_shown(one, command.change) for one in (policy, changed))
        detail = f"attempt {fresh.run.attempt} begins under the changed policy"
        await self._answer(command, fresh, "override", detail, before, after)

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
        await self.reconciler.tell(live, await self.reconciler.control(live.run), decision, before or {}, after or {})


def _shown(policy: CanaryPolicy | None, change: Changed) -> Changed:
    """The parts of the policy's spec that a change is about."""
    spec = policy.spec.model_dump(mode="json", exclude_unset=True) if policy else {}
    return {name: spec.get(name) for name in change}


def overridden(policy: CanaryPolicy | None, change: dict[str, JsonValue]) -> CanaryPolicy:
    """The policy with a JSON merge patch (RFC 7386) of its spec. Raises ValueError saying what does not fit."""
    if policy is None:
        raise ValueError("the run's policy is not there any more, or is not for this Rollout")
    if not change:
        raise ValueError("nothing is overridden: give a change of the policy's spec")
    unknown = [name for name in change if name not in PolicySpec.model_fields]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no key of a policy's spec; known: {', '.join(PolicySpec.model_fields)}")
    document = policy.model_dump(mode="json", exclude_unset=True)
    document["spec"] = _merged(document["spec"], change)
    try:
        return CanaryPolicy.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg'].removeprefix('Value error, ')}") from None


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged


def _refusal(command: CommandIssued, live: LiveRun, now: Millis) -> str:
    """Why a command is not followed, empty if it is."""
    assert live.view is not None
    if command.expires < now:
        return "it has expired"
    if command.verb in ("approve", "advance") and command.step != live.view.step:
        return f"it is for step {command.step}, the run is at {live.view.step}"
    if live.view.aborted and command.verb in ("approve", "advance", "override"):
        return "the run is being aborted"
    ice = frozen(live.plan.freeze, now)
    if ice and command.verb in ("advance", "retry") and not command.reason:
        return f"{ice}; to go on all the same, say why"
    return ""


def _why(command: CommandIssued) -> str:
    return requested(command.verb, command.actor, command.reason)


def _weight(live: LiveRun) -> str:
    return weight_text(live.told.set_weight)


def _waits(decision: Decision, verdict: VerdictReached) -> str:
    """What stands between a command and what it allows, for the person who gave it."""
    if decision.action == "await_approval":
        return "a person has to approve"
    return verdict.sentence.removeprefix("hold: ") if verdict.verdict == "hold" else decision.detail


def _changed(command: CommandIssued, memory: Memory) -> Memory:
    memory = memory.following(command.id)
    if command.verb == "approve":
        approval = Approval(actor=command.actor, command=command.id)
        return replace(memory, approvals={**memory.approvals, command.step: approval})
    return replace(memory, held=_why(command).removeprefix("hold by ") if command.verb == "hold" else "")
