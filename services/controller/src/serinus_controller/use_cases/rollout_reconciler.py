"""Reconciles Rollouts with verdicts: decide, tell, and hand over to the actor what is to be done."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from pydantic import JsonValue
from serinus_contracts import Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import State
from serinus_contracts.freshness import ahead
from serinus_contracts.operator_state import OperatorState
from serinus_rollouts.progress import Intent
from serinus_rollouts.runs import version_of
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints

from serinus_controller.domain.decide import (
    ACTIONS,
    Decision,
    decide,
    dedupe_key_of,
    event_of,
    intent_of,
)
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.live_run import LiveRun
from serinus_controller.use_cases.ports import ControllerState, DeposedError, Journal
from serinus_controller.use_cases.run_state import RunState
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass
class RolloutReconciler:
    """Decides for the runs of the tracker; one act at a time per run. `clock` stamps what is told."""

    tracker: RunTracker
    journal: Journal
    actor: Actor
    telemetry: Telemetry
    clock: Callable[[], Millis]
    complaints: Complaints = field(default_factory=Complaints)
    _states: dict[str, RunState] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _stopped: bool = False

    @property
    def controls(self) -> Mapping[str, ControllerState]:
        """What is remembered of each run, by its id."""
        return {run: state.control for run, state in self._states.items()}

    @property
    def acts(self) -> list[asyncio.Task[None]]:
        """The acts under way."""
        return [state.act for state in self._states.values() if state.act]

    def acts_on(self, run: Run) -> bool:
        """Whether an act of the run is under way."""
        state = self._states.get(run.id)
        return state is not None and state.act is not None

    def oldest_act(self) -> float:
        """Age of the oldest act under way in seconds, 0 if there is none."""
        begun = [state.control.intent.since for state in self._states.values() if state.act and state.control.intent]
        return (self.clock() - min(begun)) / 1000 if begun else 0.0

    async def state(self, run: Run) -> RunState:
        """What is remembered of a run, read back where this controller has not met it yet."""
        if run.id not in self._states:
            control = await self.journal.load(run)
            self._states.setdefault(run.id, RunState(control))
        return self._states[run.id]

    async def resume(self, doubt: str = "") -> None:
        """Bring to an end what a controller before us had begun and nothing here carries on; aborts only, if there is a
        `doubt` about it."""
        for live in list(self.tracker.runs.values()):
            with self.complaints.about("run", live.run.id):
                state = await self.state(live.run)
                intent = state.control.intent
                if state.act or not intent:
                    continue
                if doubt and intent.action != "abort":
                    await self._give_up(state, live, intent, f"{intent.action} given up: {doubt}")
                    state.change(intent=None, dedupe_key="")
                else:
                    logger.info("resuming pending %s of %s", intent.action, live.run.rollout)
                    self._start(state, live, intent)

    async def on_verdict(self, verdict: VerdictReached, now: Millis) -> None:
        """Remember a verdict about a live run, decide on it, and begin or tell what follows from it."""
        live = self.tracker.find(verdict.run.id)
        if live is None:
            return
        with logs.about(run=verdict.run.id, event_id=verdict.event_id()):
            state = await self.state(live.run)
            if not await self._remember(state, live, verdict, now):
                return
            decision = decide(state.situation(live), verdict, now)
            if decision:
                await self.carry_out(live, self.safe(live, decision))

    async def _remember(self, state: RunState, live: LiveRun, verdict: VerdictReached, now: Millis) -> bool:
        """Remember the newest verdict; False for one that is not to be decided on. An abort always is: it does no harm
        twice, and what it said is not overtaken."""
        abort = verdict.verdict == "abort"
        if ahead(verdict.end, now):
            # Remembered, it would overtake all that come after it.
            logger.warning("verdict of %s ends %.0f s in the future", live.run.rollout, (verdict.end - now) / 1000)
            return abort
        last = state.control.verdict
        if last is None or last.end < verdict.end:
            await self.journal.remember(live.run, verdict=verdict)
            state.change(verdict=verdict)
            return True
        return abort or verdict.end == last.end

    def safe(self, live: LiveRun, decision: Decision) -> Decision:
        """Nothing is advanced of a run that is in doubt; an abort needs no more than its verdict."""
        why = self.tracker.doubt(live.run)
        return (
            replace(decision, action="hold", detail=why, acts=False) if why and decision.action != "abort" else decision
        )

    def forget_ended(self) -> None:
        """Drop what is kept of runs that are not live any more."""
        live = {live.run.id for live in self.tracker.runs.values()}
        for run, state in list(self._states.items()):
            if run not in live and not state.act and not state.lock.locked():
                del self._states[run]

    async def stop(self) -> None:
        """Leave acts where they are: their intents are written down, and the next leader takes them up.

        Nothing is begun any more: what a verdict or command still asks for is the next leader's.
        """
        self._stopped = True
        acts = list(self._tasks)
        for act in acts:
            act.cancel()
        await asyncio.gather(*acts, return_exceptions=True)

    async def carry_out(self, live: LiveRun, decision: Decision, *, command: str = "") -> bool:
        """Begin the act, or tell what the mode keeps from being done; False if that was done before.

        `command` is the id of the one that is followed by it. An abort does not wait for an advance that is under
        way: it takes its place. Verdicts, commands and silence come at the same moment, so each finds what the one
        before has begun.
        """
        state = await self.state(live.run)
        async with state.lock:
            self._still_leads()
            return await self._carry_out(state, live, decision, command)

    async def _carry_out(self, state: RunState, live: LiveRun, decision: Decision, command: str) -> bool:
        control, dedupe_key = state.control, dedupe_key_of(decision)
        overtakes = decision.action == "abort" and control.intent is not None and control.intent.action != "abort"
        if dedupe_key == control.dedupe_key or (state.act and not (overtakes and decision.acts)):
            return False
        if not decision.acts or decision.action not in ACTIONS:
            await self._tell(state, live, decision)
            return True
        if state.was_done(live, decision):
            return False
        if state.act:
            await self._overtake(state, live, "an abort")
        assert live.view is not None
        intent = intent_of(decision, live.view, self.clock())
        operator = state.control.operator.having_handled(command) if command else state.control.operator
        await self.journal.begin(live.run, intent, dedupe_key, operator)
        state.change(intent=intent, dedupe_key=dedupe_key, operator=operator)
        self._start(state, live, intent)
        return True

    def _still_leads(self) -> None:
        if self._stopped:
            raise DeposedError("this controller leads no longer")

    async def give_up_advance(self, live: LiveRun, cause: str) -> None:
        """What is not yet carried out of a step forward is not carried out any more."""
        state = await self.state(live.run)
        async with state.lock:
            if state.act and state.control.intent and state.control.intent.action in ("advance", "promote"):
                await self._overtake(state, live, cause)
                state.change(intent=None, dedupe_key="")

    async def _overtake(self, state: RunState, live: LiveRun, cause: str) -> None:
        """End the act under way and tell that it was given up."""
        act, state.act = state.act, None
        if act:
            act.cancel()
            await asyncio.gather(act, return_exceptions=True)
        intent = state.control.intent
        if intent:
            await self._give_up(state, live, intent, f"{intent.action} given up for {cause}")

    async def _give_up(self, state: RunState, live: LiveRun, intent: Intent, why: str) -> None:
        event = event_of(intent, live.run, live.plan.mode, "failed", why, self.clock())
        await self.journal.tell(event, dedupe_key="", ends_intent=True)

    async def act(self, live: LiveRun, intent: Intent) -> None:
        """Begin an act whose intent need not be written down."""
        self._start(await self.state(live.run), live, intent)

    def _start(self, state: RunState, live: LiveRun, intent: Intent) -> None:
        self._still_leads()

        async def act() -> None:
            done = await self.actor.carry_out(live.run, intent, live.plan.mode, live.view)
            if done:
                state.done = intent.action, version_of(done)
            self.telemetry.decisions.labels(intent.action, "confirmed" if done else "failed").inc()
            state.change(intent=None, dedupe_key=state.control.dedupe_key if done else "")

        task = asyncio.create_task(act())
        self._tasks.add(task)
        state.act = task
        task.add_done_callback(lambda ended: self._ended(state, live.run, ended))

    def _ended(self, state: RunState, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if state.act is task:
            state.act = None
        if not task.cancelled() and task.exception():
            logger.error("act of %s failed", run.rollout, exc_info=task.exception())
            # What was decided is still to be done: the next verdict decides it anew.
            state.change(intent=None, dedupe_key="")

    async def tell(
        self,
        live: LiveRun,
        decision: Decision,
        before: Mapping[str, JsonValue] = MappingProxyType({}),
        after: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> None:
        """Tell a decision that changes nothing in the cluster; `before` and `after` of what it changed elsewhere."""
        await self._tell(await self.state(live.run), live, decision, before, after)

    async def _tell(
        self,
        state: RunState,
        live: LiveRun,
        decision: Decision,
        before: Mapping[str, JsonValue] = MappingProxyType({}),
        after: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> None:
        acting = decision.action in ACTIONS
        stands: State = "intended" if acting else "confirmed"
        would = f"{live.plan.mode} mode, would {decision.action}: " if acting else ""
        event = event_of(decision, live.run, live.plan.mode, stands, would + decision.detail, self.clock())
        event = event.model_copy(update={"before": dict(before), "after": dict(after)})
        await self.journal.tell(event, dedupe_key=dedupe_key_of(decision))
        state.change(dedupe_key=dedupe_key_of(decision))
        self.telemetry.decisions.labels(decision.action, stands).inc()
        logger.info("decision: %s at step %d: %s", decision.action, decision.step, event.sentence)

    async def tell_waiting(self, live: LiveRun, decision: Decision) -> None:
        """Tell who asks for what is being done already where that stands."""
        state = await self.state(live.run)
        event = event_of(decision, live.run, live.plan.mode, "waiting", decision.detail, self.clock())
        await self.journal.tell(event, dedupe_key=state.control.dedupe_key)

    async def keep(self, run: Run, change: Callable[[OperatorState], OperatorState]) -> RunState:
        """Remember what people asked for; gives the state as it stands then."""
        state = await self.state(run)
        async with state.lock:
            operator = change(state.control.operator)
            await self.journal.keep(run, operator)
            state.change(operator=operator)
        return state
