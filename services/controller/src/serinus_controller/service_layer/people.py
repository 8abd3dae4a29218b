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
from serinus_contracts.events import Action
from serinus_contracts.frozen import frozen
from serinus_contracts.policy import CanaryPolicy, PolicySpec
from serinus_runtime import logs

from serinus_controller.domain.decide import Approval, Decision, Memory, decide, forced
from serinus_controller.domain.progress import Intent
from serinus_controller.domain.resolve import UnfitPolicyError
from serinus_controller.service_layer.fleet import LiveRun
from serinus_controller.service_layer.react import Reactor

logger = logging.getLogger(__name__)

Changed = dict[str, JsonValue]


@dataclass(frozen=True)
class People:
    reactor: Reactor

    async def on_command(self, command: CommandIssued, now: Millis) -> None:
        """Follow a command, or tell why not. One about a run that is over, or that this cluster does not know, is
        answered by nobody, but for a retry, which is about a run that was aborted."""
        with logs.about(run=command.run.id, event_id=command.id):
            fleet = self.reactor.fleet
            live = await fleet.aborted(command.run.id) if command.verb == "retry" else fleet.find(command.run.id)
            if live is None:
                logger.info("%s by %s is about a run that is not there", command.verb, command.actor)
                return
            control = await self.reactor.control(live.run)
            if command.id in control.memory.followed:
                # Its answer was told, or is when what it began has ended: it does not fit where the run is by now.
                logger.info("%s by %s was followed before", command.verb, command.actor)
                return
            refusal = _refusal(command, live, now)
            if refusal:
                await self._answer(command, live, "refused", refusal)
            else:
                await self._follow(command, live, now)

    async def _follow(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        if command.verb == "abort":
            decision = Decision("abort", command.step, command.id, _why(command), True, command.actor)
            await self._begin(command, live, decision)
        elif command.verb == "retry":
            await self._retry(command, live)
        elif command.verb == "advance":
            control = await self.reactor.control(live.run)
            found = forced(self.reactor.situation(live, control), command.id, command.actor, _why(command))
            if found is None:
                await self._answer(command, live, "refused", f"{_why(command)}: the Rollout does not wait at a gate")
            else:
                await self._begin(command, live, found)
        elif command.verb == "override":
            await self._override(command, live)
        else:
            await self._remember(command, live, now)

    async def _begin(self, command: CommandIssued, live: LiveRun, decision: Decision) -> None:
        control = await self.reactor.control(live.run)
        if await self.reactor.carry_out(live, control, decision, command=command.id):
            return
        other = (await self.reactor.control(live.run)).intent
        if other is None:
            await self._answer(command, live, "refused", f"{_why(command)}: {decision.action} was decided already")
        elif other.cause != command.id:
            under_way = f"{other.action} by {other.actor} is under way"
            await self._answer(command, live, "refused", f"{_why(command)}: {under_way}")

    async def _remember(self, command: CommandIssued, live: LiveRun, now: Millis) -> None:
        """Approve, hold, resume: keep it, and decide anew on the verdict that is there."""
        control = await self.reactor.keep(live.run, partial(_changed, command))
        if command.verb == "hold":
            await self.reactor.give_up_advance(live, _why(command))
        decision = None
        if control.verdict and command.verb != "hold":
            decision = decide(self.reactor.situation(live, control), control.verdict, now)
        if decision and decision.action in ("advance", "promote"):
            await self._begin(command, live, replace(decision, cause=command.id, actor=command.actor))
            return
        not_yet = f": not yet, {_waits(decision, control.verdict)}" if decision and control.verdict else ""
        await self._answer(command, live, "hold", _why(command) + not_yet)

    async def _retry(self, command: CommandIssued, live: LiveRun) -> None:
        assert live.view is not None
        intent = Intent(
            action="retry",
            step=live.view.step,
            step_hash=live.view.step_hash,
            cause=command.id,
            actor=command.actor,
            detail=_why(command),
            since=self.reactor.clock(),
        )
        self.reactor.act(live, intent)

    async def _override(self, command: CommandIssued, live: LiveRun) -> None:
        policy = self.reactor.fleet.policy_of(live)
        try:
            changed = overridden(policy, command.change)
            fresh = await self.reactor.fleet.override(live, changed)
        except (ValueError, UnfitPolicyError) as error:
            await self._answer(command, live, "refused", f"{_why(command)}: {error}")
            return
        before, after = (_shown(one, command.change) for one in (policy, changed))
        detail = f"{_why(command)}: attempt {fresh.run.attempt} begins under the changed policy"
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
        decision = Decision(action, command.step, command.id, detail, actor=command.actor)
        await self.reactor.tell(live, await self.reactor.control(live.run), decision, before or {}, after or {})


def _shown(policy: CanaryPolicy | None, change: Changed) -> Changed:
    """The parts of the policy's spec that a change is about."""
    spec = policy.spec.model_dump(mode="json", exclude_unset=True) if policy else {}
    return {name: spec.get(name) for name in change}


def overridden(policy: CanaryPolicy | None, change: dict[str, JsonValue]) -> CanaryPolicy:
    """The policy with a JSON merge patch (RFC 7386) of its spec. Raises ValueError saying what does not fit."""
    if policy is None:
        raise ValueError("the run's policy is not there any more")
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
        return f"{command.verb} by {command.actor} has expired"
    if command.verb in ("approve", "advance") and command.step != live.view.step:
        return f"{command.verb} by {command.actor} is for step {command.step}, the run is at {live.view.step}"
    ice = frozen(live.plan.freeze, now)
    if ice and command.verb in ("advance", "retry") and not command.reason:
        return f"{command.verb} by {command.actor}: {ice}; to go on all the same, say why"
    return ""


def _why(command: CommandIssued) -> str:
    return f"{command.verb} by {command.actor}" + (f" ({command.reason})" if command.reason else "")


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
