"""Reacting to verdicts and commands: decide, tell, and hand over to the actor what is to be done."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry, Counter
from serinus_contracts import CommandIssued, DecisionTaken, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import State
from serinus_runtime import logs

from serinus_controller.domain.decide import Approval, Decision, Memory, Situation, decide, no_verdict, topic_of
from serinus_controller.domain.progress import Intent
from serinus_controller.service_layer.act import Actor
from serinus_controller.service_layer.fleet import Fleet, LiveRun
from serinus_controller.service_layer.ports import Control, Journal

logger = logging.getLogger(__name__)


class Telemetry:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter("serinus_decisions", "decisions told", ["action", "state"], registry=registry)
        self.unjudged = Counter("serinus_runs_without_verdict", "runs held for want of verdicts", registry=registry)


@dataclass
class Reactor:
    """Decides for the runs of the fleet; one act at a time per run. `now` is the clock that all services share."""

    fleet: Fleet
    journal: Journal
    actor: Actor
    telemetry: Telemetry
    clock: Callable[[], Millis]
    _controls: dict[str, Control] = field(default_factory=dict)
    _acts: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def resume(self) -> None:
        """Bring to an end what a controller before us had begun."""
        for live in list(self.fleet.runs.values()):
            control = await self._control(live.run)
            if control.intent:
                logger.info("takes up %s of %s", control.intent.action, live.run.rollout)
                self._act(live, control.intent)

    async def on_verdict(self, verdict: VerdictReached, now: Millis) -> None:
        live = self.fleet.find(verdict.run.id)
        if live is None:
            return
        with logs.about(run=verdict.run.id, event_id=verdict.event_id()):
            control = await self._control(live.run)
            if control.verdict is None or control.verdict.end < verdict.end:
                await self.journal.remember(live.run, verdict=verdict)
                self._controls[live.run.id] = control = replace(control, verdict=verdict)
            decision = decide(self._situation(live, control), verdict, now)
            if decision:
                await self._carry_out(live, control, decision)

    async def on_command(self, command: CommandIssued, now: Millis) -> None:
        live = self.fleet.find(command.run.id)
        if live is None or live.view is None:
            logger.info("command %s is about a run that is not live: %s", command.id, command.run.id)
            return
        with logs.about(run=command.run.id, event_id=command.id):
            control = await self._control(live.run)
            refusal = self._refusal(command, live, now)
            if refusal:
                await self._tell(live, control, self._answer(command, live, "refused", refusal))
                return
            if command.verb == "abort":
                await self._carry_out(live, control, self._answer(command, live, "abort", _why(command)))
                return
            memory = _changed(control.memory, command)
            await self.journal.keep(live.run, memory)
            self._controls[live.run.id] = control = replace(control, memory=memory)
            if command.verb == "hold":
                await self._tell(live, control, self._answer(command, live, "hold", f"held by {memory.held}"))
            elif control.verdict:
                decision = decide(self._situation(live, control), control.verdict, now)
                if decision:
                    await self._carry_out(live, control, decision)

    async def watch_silence(self, now: Millis) -> None:
        """Hold, and say so, for every run whose verdicts have stopped."""
        for live in list(self.fleet.runs.values()):
            if live.view is None or live.told.stage < 0:
                continue
            control = await self._control(live.run)
            last = control.verdict.end if control.verdict else 0
            decision = no_verdict(self._situation(live, control), last, now)
            if decision and await self._carry_out(live, control, decision):
                self.telemetry.unjudged.inc()

    def forget_ended(self) -> None:
        """Drop what is kept of runs that are not live any more."""
        live = {live.run.id for live in self.fleet.runs.values()}
        for run in [run for run in self._controls if run not in live and run not in self._acts]:
            del self._controls[run]

    async def stop(self) -> None:
        """Leave acts where they are: their intents are written down, and the next leader takes them up."""
        acts = list(self._acts.values())
        for act in acts:
            act.cancel()
        await asyncio.gather(*acts, return_exceptions=True)

    async def _carry_out(self, live: LiveRun, control: Control, decision: Decision) -> bool:
        """Begin the act, or tell what the mode keeps from being done; False if that was done before."""
        if live.run.id in self._acts or topic_of(decision) == control.topic:
            return False
        if not decision.acts or decision.action not in ("advance", "promote", "abort"):
            await self._tell(live, control, decision)
            return True
        assert live.view is not None
        intent = Intent(
            action=decision.action,
            step=decision.step,
            step_hash=live.view.step_hash,
            cause=decision.cause,
            actor=decision.actor,
            detail=decision.detail,
            since=self.clock(),
        )
        topic = topic_of(decision)
        await self.journal.begin(live.run, intent, topic)
        self._controls[live.run.id] = replace(control, intent=intent, topic=topic)
        self._act(live, intent)
        return True

    def _act(self, live: LiveRun, intent: Intent) -> None:
        async def act() -> None:
            done = await self.actor.carry_out(live.run, intent, live.plan.mode)
            self.telemetry.decisions.labels(intent.action, "confirmed" if done else "failed").inc()
            control = self._controls.get(live.run.id)
            if control:
                topic = control.topic if done else ""
                self._controls[live.run.id] = replace(control, intent=None, topic=topic)

        task = asyncio.create_task(act())
        self._acts[live.run.id] = task
        task.add_done_callback(lambda ended: self._ended(live.run, ended))

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        self._acts.pop(run.id, None)
        if not task.cancelled() and task.exception():
            logger.error("act of %s failed", run.rollout, exc_info=task.exception())

    async def _tell(self, live: LiveRun, control: Control, decision: Decision) -> None:
        acting = decision.action in ("advance", "promote", "abort")
        state: State = "intended" if acting else "confirmed"
        would = f"{live.plan.mode} mode, would {decision.action}: " if acting else ""
        event = DecisionTaken(
            run=live.run,
            step=decision.step,
            action=decision.action,
            cause=decision.cause,
            actor=decision.actor,
            detail=would + decision.detail,
            mode=live.plan.mode,
            state=state,
            decided=self.clock(),
        )
        await self.journal.tell(event, topic=topic_of(decision))
        self._controls[live.run.id] = replace(self._controls.get(live.run.id, control), topic=topic_of(decision))
        self.telemetry.decisions.labels(decision.action, state).inc()
        logger.info("decision: %s at step %d: %s", decision.action, decision.step, event.detail)

    async def _control(self, run: Run) -> Control:
        if run.id not in self._controls:
            self._controls[run.id] = await self.journal.load(run)
        return self._controls[run.id]

    @staticmethod
    def _situation(live: LiveRun, control: Control) -> Situation:
        assert live.view is not None
        return Situation(live.view, live.run, live.plan, live.told.stage_started, control.memory)

    @staticmethod
    def _refusal(command: CommandIssued, live: LiveRun, now: Millis) -> str:
        """Why a command is not followed, empty if it is."""
        assert live.view is not None
        if command.expires < now:
            return f"{command.verb} by {command.actor} has expired"
        if command.verb != "abort" and command.step != live.view.step:
            return f"{command.verb} by {command.actor} is for step {command.step}, the run is at {live.view.step}"
        if command.verb in ("advance", "retry", "override"):
            return f"{command.verb} is not supported yet"
        return ""

    @staticmethod
    def _answer(command: CommandIssued, live: LiveRun, action: str, detail: str) -> Decision:
        assert live.view is not None
        # A mode limits what Serinus does of itself, not what a person asks for.
        acts = action == "abort"
        return Decision(action, live.view.step, command.id, detail, acts=acts, actor=command.actor)  # type: ignore[arg-type]


def _why(command: CommandIssued) -> str:
    return f"{command.verb} by {command.actor}" + (f": {command.reason}" if command.reason else "")


def _changed(memory: Memory, command: CommandIssued) -> Memory:
    if command.verb == "approve":
        approval = Approval(actor=command.actor, command=command.id)
        return replace(memory, approvals={**memory.approvals, command.step: approval})
    held = command.actor + (f" ({command.reason})" if command.reason else "") if command.verb == "hold" else ""
    return replace(memory, held=held)
