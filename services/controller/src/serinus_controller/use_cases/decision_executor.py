"""What becomes of a decision: it is told, or its intent written down and handed over to the actor."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydantic import JsonValue
from serinus_contracts import DecisionTaken, Run
from serinus_contracts.base import Millis
from serinus_rollouts.progress import Intent
from serinus_rollouts.runs import version_of

from serinus_controller.domain.decide import Decision
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.domain.record import dedupe_key_of, event_of, event_without_act, intent_of, is_new
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.ports import DeposedError, Journal
from serinus_controller.use_cases.run_control import RunControl, RunControls
from serinus_controller.use_cases.telemetry import Telemetry

logger = logging.getLogger(__name__)


@dataclass
class DecisionExecutor:
    """Carries decisions out, one act at a time per run. `clock` stamps what is told."""

    states: RunControls
    journal: Journal
    actor: Actor
    telemetry: Telemetry
    clock: Callable[[], Millis]
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _stopped: bool = False

    @property
    def acts(self) -> list[asyncio.Task[None]]:
        """The acts under way."""
        return [state.act for state in self.states if state.act]

    def acts_on(self, run: Run) -> bool:
        """Whether an act of the run is under way."""
        state = self.states.met(run)
        return state is not None and state.act is not None

    def oldest_act(self) -> float:
        """Age of the oldest act under way in seconds, 0 if there is none."""
        begun = [state.control.intent.since for state in self.states if state.act and state.control.intent]
        return (self.clock() - min(begun)) / 1000 if begun else 0.0

    async def execute(self, live: LiveRun, decision: Decision, *, command: str = "") -> bool:
        """Begin the act, or tell what the mode keeps from being done; False if that was done before.

        `command` is the id of the one that is followed by it. An abort does not wait for an advance that is under
        way: it takes its place. Verdicts, commands and silence come at the same moment, so each finds what the one
        before has begun.
        """
        assert live.view is not None
        state = await self.states.of(live.run)
        async with state.lock:
            self._still_leads()
            if not is_new(decision, state.control, live.view, acting=state.act is not None, done=state.done):
                return False
            if decision.changes_rollout:
                await self._begin(state, live, decision, command)
            else:
                event = event_without_act(decision, live.run, live.plan.mode, self.clock())
                await self._tell(state, event, dedupe_key_of(decision))
            return True

    async def _begin(self, state: RunControl, live: LiveRun, decision: Decision, command: str) -> None:
        assert live.view is not None
        if state.act:
            await self._overtake(state, live, "an abort")
        intent, dedupe_key = intent_of(decision, live.view, self.clock()), dedupe_key_of(decision)
        operator = state.control.operator.having_handled(command) if command else state.control.operator
        await self.journal.begin(live.run, intent, dedupe_key, operator)
        state.change(intent=intent, dedupe_key=dedupe_key, operator=operator)
        self._start(state, live, intent)

    def _still_leads(self) -> None:
        if self._stopped:
            raise DeposedError("this controller leads no longer")

    async def _overtake(self, state: RunControl, live: LiveRun, cause: str) -> None:
        """End the act under way and tell that it was given up."""
        act, state.act = state.act, None
        if act:
            act.cancel()
            await asyncio.gather(act, return_exceptions=True)
        intent = state.control.intent
        if intent:
            await self._give_up(live, intent, f"{intent.action} given up for {cause}")

    async def _give_up(self, live: LiveRun, intent: Intent, why: str) -> None:
        event = event_of(intent, live.run, live.plan.mode, "failed", why, self.clock())
        await self.journal.tell(event, dedupe_key="", ends_intent=True)

    def _start(self, state: RunControl, live: LiveRun, intent: Intent) -> None:
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

    def _ended(self, state: RunControl, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if state.act is task:
            state.act = None
        if not task.cancelled() and task.exception():
            logger.error("act of %s failed", run.rollout, exc_info=task.exception())
            # What was decided is still to be done: the next verdict decides it again.
            state.change(intent=None, dedupe_key="")

    async def act(self, live: LiveRun, intent: Intent) -> None:
        """Begin an act whose intent need not be written down."""
        self._start(await self.states.of(live.run), live, intent)

    async def resume(self, live: LiveRun, doubt: str) -> None:
        """Bring to an end what a controller before us had begun of a run and nothing here carries on; an abort only, if
        there is a `doubt` about it."""
        state = await self.states.of(live.run)
        intent = state.control.intent
        if state.act or not intent:
            return
        if doubt and intent.action != "abort":
            await self._give_up(live, intent, f"{intent.action} given up: {doubt}")
            state.change(intent=None, dedupe_key="")
        else:
            logger.info("resuming pending %s of %s", intent.action, live.run.rollout)
            self._start(state, live, intent)

    async def give_up_advance(self, live: LiveRun, cause: str) -> None:
        """What is not yet carried out of a step forward is not carried out any more."""
        state = await self.states.of(live.run)
        async with state.lock:
            if state.act and state.control.intent and state.control.intent.action in ("advance", "promote"):
                await self._overtake(state, live, cause)
                state.change(intent=None, dedupe_key="")

    async def stop(self) -> None:
        """Leave acts where they are: their intents are written down, and the next leader takes them up.

        Nothing is begun any more: what a verdict or command still asks for is the next leader's.
        """
        self._stopped = True
        acts = list(self._tasks)
        for act in acts:
            act.cancel()
        await asyncio.gather(*acts, return_exceptions=True)

    async def tell(
        self,
        live: LiveRun,
        decision: Decision,
        before: Mapping[str, JsonValue] = MappingProxyType({}),
        after: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> None:
        """Tell a decision that changes nothing in the cluster; `before` and `after` of what it changed elsewhere."""
        state = await self.states.of(live.run)
        event = event_without_act(decision, live.run, live.plan.mode, self.clock())
        event = event.model_copy(update={"before": dict(before), "after": dict(after)})
        await self._tell(state, event, dedupe_key_of(decision))

    async def _tell(self, state: RunControl, event: DecisionTaken, dedupe_key: str) -> None:
        await self.journal.tell(event, dedupe_key=dedupe_key)
        state.change(dedupe_key=dedupe_key)
        self.telemetry.decisions.labels(event.action, event.state).inc()
        logger.info("decision: %s at step %d: %s", event.action, event.step, event.sentence)

    async def tell_waiting(self, live: LiveRun, decision: Decision) -> None:
        """Tell who asks for what is being done already where that stands."""
        state = await self.states.of(live.run)
        event = event_of(decision, live.run, live.plan.mode, "waiting", decision.detail, self.clock())
        await self.journal.tell(event, dedupe_key=state.control.dedupe_key)
