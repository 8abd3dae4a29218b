"""Reacting to verdicts, and to their absence: decide, tell, and hand over to the actor what is to be done."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from prometheus_client import CollectorRegistry, Counter, Gauge
from pydantic import JsonValue
from serinus_contracts import DecisionTaken, Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import State
from serinus_contracts.standstill import standstill
from serinus_rollouts.progress import Intent
from serinus_rollouts.runs import version_of
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints

from serinus_controller.domain.decide import Decision, Memory, Situation, ahead, decide, may, no_verdict, topic_of
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.ports import Control, DeposedError, Journal
from serinus_controller.use_cases.run_tracker import LiveRun, RunTracker

logger = logging.getLogger(__name__)


ACTIONS = ("advance", "promote", "abort")


class Telemetry:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.decisions = Counter("serinus_decisions", "decisions told", ["action", "state"], registry=registry)
        for action in ACTIONS:
            self.decisions.labels(action, "failed")  # an alert sees the first one only if it was 0 before
        self.is_leader = Gauge("serinus_is_leader", "1 while this controller leads", registry=registry)
        self.live = Gauge("serinus_runs_live", "runs under way that are to be judged", registry=registry)
        self.silent = Gauge("serinus_runs_silent", "live runs whose verdicts have stopped", registry=registry)
        self.longest_hold = Gauge(
            "serinus_longest_hold_seconds",
            "how long the run that is held longest has been held for its present reason",
            ["namespace"],
            registry=registry,
        )
        self.plans_refused = Counter(
            "serinus_plans_refused", "plans that were read back from Redis and not gone on with", registry=registry
        )
        self.oldest_act = Gauge(
            "serinus_oldest_act_seconds", "age of the oldest act that is not confirmed yet", registry=registry
        )

    def resign(self) -> None:
        """What only a leader knows is not told by who leads no longer."""
        for gauge in (self.is_leader, self.live, self.silent, self.oldest_act):
            gauge.set(0)
        self.longest_hold.clear()


@dataclass
class RolloutReconciler:
    """Decides for the runs of the tracker; one act at a time per run. `clock` stamps what is told."""

    tracker: RunTracker
    journal: Journal
    actor: Actor
    telemetry: Telemetry
    clock: Callable[[], Millis]
    complaints: Complaints = field(default_factory=Complaints)
    _controls: dict[str, Control] = field(default_factory=dict)
    _acts: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _done: dict[str, tuple[str, int]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _aborting: set[str] = field(default_factory=set)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _stopped: bool = False

    @property
    def controls(self) -> Mapping[str, Control]:
        """What is remembered of each run, by its id."""
        return self._controls

    async def resume(self, doubt: str = "") -> None:
        """Bring to an end what a controller before us had begun and nothing here carries on; aborts only, if there is a
        `doubt` about it."""
        for live in list(self.tracker.runs.values()):
            with self.complaints.about("run", live.run.id):
                control = await self.control(live.run)
                if live.run.id in self._acts:
                    continue
                if control.intent and doubt and control.intent.action != "abort":
                    why = f"{control.intent.action} given up: {doubt}"
                    await self.journal.tell(
                        told(live, control.intent, "failed", why, self.clock()), topic="", ends_intent=True
                    )
                    self._controls[live.run.id] = replace(control, intent=None, topic="")
                elif control.intent:
                    logger.info("takes up %s of %s", control.intent.action, live.run.rollout)
                    self.act(live, control.intent)

    async def on_verdict(self, verdict: VerdictReached, now: Millis) -> None:
        live = self.tracker.find(verdict.run.id)
        if live is None:
            return
        with logs.about(run=verdict.run.id, event_id=verdict.event_id()):
            control = await self.control(live.run)
            if ahead(verdict.end, now):
                # Remembered, it would overtake all that come after it. An abort is followed: it does no harm twice.
                logger.warning("verdict of %s ends %.0f s in the future", live.run.rollout, (verdict.end - now) / 1000)
                if verdict.verdict != "abort":
                    return
                await self._follow(live, control, verdict, now)
                return
            if control.verdict and verdict.end < control.verdict.end and verdict.verdict != "abort":
                # It comes late, and what it said has been overtaken; an abort is not.
                return
            if control.verdict is None or control.verdict.end < verdict.end:
                await self.journal.remember(live.run, verdict=verdict)
                # As it stands now: meanwhile a person may have asked for something.
                self._controls[live.run.id] = control = replace(
                    self._controls.get(live.run.id, control), verdict=verdict
                )
            await self._follow(live, control, verdict, now)

    async def _follow(self, live: LiveRun, control: Control, verdict: VerdictReached, now: Millis) -> None:
        decision = decide(self.situation(live, control), verdict, now)
        if decision:
            await self.carry_out(live, control, self.safe(live, decision))

    def safe(self, live: LiveRun, decision: Decision) -> Decision:
        """Nothing is advanced of a run that is in doubt; an abort needs no more than its verdict."""
        why = self.tracker.doubt(live.run)
        return (
            replace(decision, action="hold", detail=why, acts=False) if why and decision.action != "abort" else decision
        )

    async def watch_silence(self, now: Millis) -> None:
        """Hold, and say so, for every run whose verdicts have stopped."""
        silent, judged, holds = 0, 0, dict[str, float]()
        for live in [live for live in self.tracker.runs.values() if live.view]:
            begun, known = live.told.stage >= 0, standstill(live.told)
            if not begun and not known:
                continue
            judged += begun
            with self.complaints.about("run", live.run.id):
                control = await self.control(live.run)
                said = control.verdict
                decision = no_verdict(self.situation(live, control), said.end if said else 0, now, known)
                if decision:
                    silent += begun
                    await self.carry_out(live, control, self.safe(live, decision))
                if said and said.verdict == "hold":
                    held = max(0.0, (now - said.since) / 1000)
                    holds[live.run.namespace] = max(held, holds.get(live.run.namespace, 0.0))
        self._show(judged, silent, holds)
        await self._see_aborts_through()

    async def _see_aborts_through(self) -> None:
        """An abort that nobody here carries out, such as a person's, is seen to its end: Argo up to v1.9.1 loses some.

        One that still stands at the second look is no longer on its way.
        """
        standing = [live for live in self.tracker.runs.values() if live.view and live.view.aborted]
        for live in standing:
            if live.run.id in self._aborting and live.run.id not in self._acts and may(live.plan.mode, "abort"):
                assert live.view is not None
                text = "aborted by somebody else; Argo was reminded of it"
                decision = Decision("abort", live.view.step, "abort stands", text, acts=True, actor="somebody else")
                with self.complaints.about("run", live.run.id):
                    await self.carry_out(live, await self.control(live.run), decision)
        self._aborting = {live.run.id for live in standing}

    def _show(self, live: int, silent: int, holds: Mapping[str, float]) -> None:
        self.telemetry.live.set(live)
        self.telemetry.silent.set(silent)
        self.telemetry.longest_hold.clear()
        for namespace, seconds in holds.items():
            self.telemetry.longest_hold.labels(namespace).set(seconds)
        intents = [control.intent for run, control in self._controls.items() if run in self._acts]
        begun = [intent.since for intent in intents if intent]
        self.telemetry.oldest_act.set((self.clock() - min(begun)) / 1000 if begun else 0)

    def forget_ended(self) -> None:
        """Drop what is kept of runs that are not live any more."""
        live = {live.run.id for live in self.tracker.runs.values()}
        for run in [run for run in self._controls if run not in live and run not in self._acts]:
            del self._controls[run]
            self._done.pop(run, None)

    async def stop(self) -> None:
        """Leave acts where they are: their intents are written down, and the next leader takes them up.

        Nothing is begun any more: what a verdict or command still asks for is the next leader's.
        """
        self._stopped = True
        acts = list(self._tasks)
        for act in acts:
            act.cancel()
        await asyncio.gather(*acts, return_exceptions=True)

    async def carry_out(self, live: LiveRun, control: Control, decision: Decision, *, command: str = "") -> bool:
        """Begin the act, or tell what the mode keeps from being done; False if that was done before.

        `command` is the id of the one that is followed by it. An abort does not wait for an advance that is under
        way: it takes its place. Verdicts, commands and silence come at the same moment, so each finds what the one
        before has begun.
        """
        async with self._deciding:
            self._still_leads()
            return await self._carry_out(live, self._controls.get(live.run.id, control), decision, command)

    async def _carry_out(self, live: LiveRun, control: Control, decision: Decision, command: str) -> bool:
        overtakes = decision.action == "abort" and control.intent is not None and control.intent.action != "abort"
        if topic_of(decision) == control.topic or (live.run.id in self._acts and not (overtakes and decision.acts)):
            return False
        if not decision.acts or decision.action not in ACTIONS:
            await self.tell(live, control, decision)
            return True
        if self._was_done(live, decision):
            return False
        if live.run.id in self._acts:
            await self._overtake(live, control, "an abort")
        assert live.view is not None
        intent = Intent(
            action=decision.action,
            step=decision.step,
            step_hash=live.view.step_hash,
            gate=live.view.pauses[0].started if live.view.at_gate else "",
            retried=live.view.retried,
            cause=decision.cause,
            actor=decision.actor,
            detail=decision.detail,
            asked=decision.asked,
            reason=decision.reason,
            since=self.clock(),
        )
        topic, memory = topic_of(decision), control.memory.following(command) if command else control.memory
        await self.journal.begin(live.run, intent, topic, memory)
        # A verdict may have come meanwhile.
        control = self._controls.get(live.run.id, control)
        self._controls[live.run.id] = replace(control, intent=intent, topic=topic, memory=memory)
        self.act(live, intent)
        return True

    def _was_done(self, live: LiveRun, decision: Decision) -> bool:
        """Whether it was decided on a Rollout older than the one in which the same was seen to be done: a watch may
        be slow, and silence may have been told in between."""
        assert live.view is not None
        action, version = self._done.get(live.run.id, ("", 0))
        return action == decision.action and version_of(live.view) < version

    def _still_leads(self) -> None:
        if self._stopped:
            raise DeposedError("this controller leads no longer")

    async def give_up_advance(self, live: LiveRun, cause: str) -> None:
        """What is not yet carried out of a step forward is not carried out any more."""
        async with self._deciding:
            control = await self.control(live.run)
            if live.run.id in self._acts and control.intent and control.intent.action in ("advance", "promote"):
                await self._overtake(live, control, cause)
                self._controls[live.run.id] = replace(control, intent=None, topic="")

    async def _overtake(self, live: LiveRun, control: Control, cause: str) -> None:
        """End the act under way and tell that it was given up."""
        act = self._acts.pop(live.run.id)
        act.cancel()
        await asyncio.gather(act, return_exceptions=True)
        if control.intent:
            event = told(live, control.intent, "failed", f"{control.intent.action} given up for {cause}", self.clock())
            await self.journal.tell(event, topic="", ends_intent=True)

    def act(self, live: LiveRun, intent: Intent) -> None:
        """Begin an act whose intent is written down, or need not be."""
        self._still_leads()

        async def act() -> None:
            done = await self.actor.carry_out(live.run, intent, live.plan.mode, live.view)
            if done:
                self._done[live.run.id] = (intent.action, version_of(done))
            self.telemetry.decisions.labels(intent.action, "confirmed" if done else "failed").inc()
            control = self._controls.get(live.run.id)
            if control:
                topic = control.topic if done else ""
                self._controls[live.run.id] = replace(control, intent=None, topic=topic)

        task = asyncio.create_task(act())
        self._tasks.add(task)
        self._acts[live.run.id] = task
        task.add_done_callback(lambda ended: self._ended(live.run, ended))

    def _ended(self, run: Run, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._acts.get(run.id) is task:
            del self._acts[run.id]
        if not task.cancelled() and task.exception():
            logger.error("act of %s failed", run.rollout, exc_info=task.exception())
            # What was decided is still to be done: the next verdict decides it anew.
            if run.id in self._controls:
                self._controls[run.id] = replace(self._controls[run.id], intent=None, topic="")

    async def tell(
        self,
        live: LiveRun,
        control: Control,
        decision: Decision,
        before: Mapping[str, JsonValue] = MappingProxyType({}),
        after: Mapping[str, JsonValue] = MappingProxyType({}),
    ) -> None:
        acting = decision.action in ACTIONS
        state: State = "intended" if acting else "confirmed"
        would = f"{live.plan.mode} mode, would {decision.action}: " if acting else ""
        event = told(live, decision, state, would + decision.detail, self.clock())
        event = event.model_copy(update={"before": dict(before), "after": dict(after)})
        await self.journal.tell(event, topic=topic_of(decision))
        self._controls[live.run.id] = replace(self._controls.get(live.run.id, control), topic=topic_of(decision))
        self.telemetry.decisions.labels(decision.action, state).inc()
        logger.info("decision: %s at step %d: %s", decision.action, decision.step, event.sentence)

    async def tell_waiting(self, live: LiveRun, control: Control, decision: Decision) -> None:
        """Tell who asks for what is being done already where that stands."""
        await self.journal.tell(told(live, decision, "waiting", decision.detail, self.clock()), topic=control.topic)

    async def keep(self, run: Run, change: Callable[[Memory], Memory]) -> Control:
        """Remember what people asked for."""
        async with self._deciding:
            memory = change((await self.control(run)).memory)
            await self.journal.keep(run, memory)
            self._controls[run.id] = control = replace(await self.control(run), memory=memory)
            return control

    async def control(self, run: Run) -> Control:
        if run.id not in self._controls:
            self._controls.setdefault(run.id, await self.journal.load(run))
        return self._controls[run.id]

    @staticmethod
    def situation(live: LiveRun, control: Control) -> Situation:
        assert live.view is not None
        return Situation(live.view, live.run, live.plan, live.told.stage_started, control.memory)


def told(live: LiveRun, what: Decision | Intent, state: State, detail: str, now: Millis) -> DecisionTaken:
    """The event that tells a decision which changed nothing in the cluster."""
    return DecisionTaken(
        run=live.run,
        step=what.step,
        action=what.action,
        cause=what.cause,
        actor=what.actor,
        asked=what.asked,
        reason=what.reason,
        detail=detail,
        mode=live.plan.mode,
        state=state,
        decided=now,
    )
