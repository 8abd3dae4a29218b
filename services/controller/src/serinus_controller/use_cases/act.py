"""Acting: write the intent down, patch with tests, confirm by reading back, nudge what Argo lost, tell the outcome.

A 200 is no act: up to v1.9.1 Argo often takes a promotion or an abort that comes just after its own write and does
nothing. Any change of the object wakes it, so after a second without progress the status message is changed.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from serinus_contracts import DecisionTaken, Run
from serinus_contracts.events import State
from serinus_contracts.policy import Mode
from serinus_rollouts import patches
from serinus_rollouts.progress import Intent, progress
from serinus_rollouts.rollout import RolloutView
from serinus_runtime import logs, traces
from serinus_runtime.clock import Clock
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.loops import heed_cancellation

from serinus_controller.domain.record import dedupe_key_of, event_of
from serinus_controller.use_cases.ports import DeposedError, Journal, RefusedError, Rollouts
from serinus_controller.use_cases.rollout_updates import RolloutUpdates

logger = logging.getLogger(__name__)


_PATCHES: dict[str, Callable[[RolloutView], patches.Patch]] = {
    "abort": patches.abort,
    "retry": patches.retry,
    "advance": patches.promote,
    "promote": patches.promote,
}


@dataclass(frozen=True)
class ActTiming:
    """Seconds: first and longest pause between reads; when to nudge, and to try again what was refused (both doubling,
    up to a rarest); when to give up; how long an API server may be away before it is told."""

    first: float = 0.01
    longest: float = 0.5
    nudge: float = 1.0
    rarest_nudge: float = 30.0
    give_up: float = 60.0
    after_refusal: float = 1.0
    rarest_try: float = 30.0
    silence: float = 5.0


@dataclass
class Actor:
    """Carries out intents. `monotonic` gives seconds; `clock` stamps the outcome."""

    rollouts: Rollouts
    journal: Journal
    clock: Clock
    monotonic: Callable[[], float]
    timing: ActTiming = field(default_factory=ActTiming)
    updates: RolloutUpdates = field(default_factory=RolloutUpdates)
    waits: dict[str, str] = field(default_factory=dict)
    """By run id, what keeps the act that is under way."""

    async def carry_out(
        self, run: Run, intent: Intent, mode: Mode, seen: RolloutView | None = None
    ) -> RolloutView | None:
        """Bring the intent to its end and tell it; gives the Rollout in which it was seen to be done, None if it
        was not. Survives an API server that is away.

        `seen` is what the intent was decided on; without, it is begun by reading.
        """
        with logs.about(run=run.id, cause=intent.cause), traces.span("act", run=run.id, action=intent.action):
            attempt = _Attempt(self, run, intent, mode)
            try:
                done = await attempt.finish(seen)
            finally:
                self.waits.pop(run.id, None)
            state: State = "confirmed" if done else "failed"
            detail = intent.detail if done else f"{intent.action} not done: {attempt.why}"
            logger.info("%s at step %d %s%s", intent.action, intent.step, state, "" if done else f": {attempt.why}")
            # What failed may be decided again by the next verdict; what is done is not told twice.
            await self._persist(attempt.told(state, detail), dedupe_key_of(intent) if done else "")
            return attempt.after if done else None

    async def _persist(self, decision: DecisionTaken, dedupe_key: str) -> None:
        while True:
            try:
                await self.journal.tell(decision, dedupe_key=dedupe_key, ends_intent=True)
            except DeposedError:
                logger.info("another controller leads by now, and tells what became of it")
                return
            except RETRYABLE as error:
                logger.warning("outcome not yet told: %s: %s", type(error).__name__, error)
                heed_cancellation()
                await asyncio.sleep(self.timing.longest)
            else:
                return


class _Attempt:
    """One intent on its way."""

    def __init__(self, actor: Actor, run: Run, intent: Intent, mode: Mode) -> None:
        self._actor, self._run, self._intent, self._mode = actor, run, intent, mode
        self._began = actor.monotonic()
        self._touched: float | None = None
        self._nudges = 0
        self._refusals = 0
        self._failing_since: float | None = None
        self._logged = self._said = ""
        self.before: RolloutView | None = None
        self.after: RolloutView | None = None
        self.sent: Sequence[dict[str, Any]] = ()
        self.why = ""

    async def finish(self, seen: RolloutView | None) -> bool:
        # A promotion's patch tests all that it was decided on; that of an abort knows of no retry.
        known = seen if self._intent.action in ("advance", "promote") else None
        pause = self._actor.timing.first
        while True:
            try:
                ended = await self._step(known)
            except RETRYABLE as error:
                known, ended, latest = None, None, None
                pause = await self._put_off(error)
            else:
                self._failing_since = None
                latest = self.after
            heed_cancellation()
            if ended is not None:
                return ended
            if self._intent.action != "abort" and self._elapsed() > self._actor.timing.give_up:
                self.why = f"no effect within {self._actor.timing.give_up:g} s: {self.why}"
                return False
            known = await self._next(latest, pause)
            if known is None:
                rarely = 10 if self._nudges > 3 else 1
                pause = min(pause * 1.5, self._actor.timing.longest * rarely)

    async def _put_off(self, error: Exception) -> float:
        """After what failed: say so, and give the seconds until it is tried again."""
        timing, asked = self._actor.timing, float(getattr(error, "retry_after", 0.0))
        if isinstance(error, RefusedError):
            self._refusals += 1
            self._failing_since = None
            what = "reminder refused" if self._accepted else "refused"
            self.why = f"{what} by the API server: {error.said or error}"
            await self._say(self.why)
            pause = min(timing.after_refusal * 2.0 ** min(self._refusals - 1, 10), timing.rarest_try)
        else:
            now = self._actor.monotonic()
            self._failing_since = now if self._failing_since is None else self._failing_since
            self.why = f"{type(error).__name__}: {error}"
            if now - self._failing_since >= timing.silence:
                await self._say(f"waits for the API server: {self.why}")
            pause = timing.longest
        if self.why != self._logged:
            self._logged = self.why
            logger.warning("%s waits: %s", self._intent.action, self.why)
        return max(pause, asked)

    @property
    def _accepted(self) -> bool:
        return bool(self.sent) or (self.after is not None and (self.after.aborted or self.after.unpausing))

    async def _say(self, what: str) -> None:
        """Tell what keeps the act, once for each thing that does. That it is told does not matter to the act."""
        text = f"{self._intent.action} {what}"
        self._actor.waits[self._run.id] = text
        if text == self._said:
            return
        try:
            await self._actor.journal.tell(self.told("waiting", text), dedupe_key=dedupe_key_of(self._intent))
        except RETRYABLE as error:
            logger.info("what keeps the %s is not told: %s", self._intent.action, error)
        else:
            self._said = text

    def told(self, state: State, detail: str) -> DecisionTaken:
        """The event that tells where the act stands."""
        event = event_of(self._intent, self._run, self._mode, state, detail, self._actor.clock())
        seen = {"patch": tuple(self.sent), "before": _shown(self.before), "after": _shown(self.after)}
        return event.model_copy(update=seen)

    async def _next(self, latest: RolloutView | None, pause: float) -> RolloutView | None:
        """What the watch shows after the latest view; None when the pause is over, and it is time to read."""
        if latest is not None:
            return await self._actor.updates.after(latest, pause)
        await asyncio.sleep(pause)
        return None

    def _old(self) -> bool:
        """An abort is never given up, however long the API server is away; a promotion would rest on an old verdict,
        above all one that is taken up from a controller that died."""
        age = self._actor.clock() - self._intent.since
        return self._intent.action != "abort" and age > self._actor.timing.give_up * 1000

    def _elapsed(self) -> float:
        return self._actor.monotonic() - self._began

    async def _step(self, known: RolloutView | None) -> bool | None:
        """Read, unless it is known where the Rollout stands, then do what is next; True or False when it has ended."""
        run, intent = self._run, self._intent
        view = known or await self._actor.rollouts.get(run.namespace, run.name)
        taken = bool(self.sent) or (self.after is not None and self.after.aborted)
        self.before = self.before or view
        self.after = view
        state = progress(intent, run.canary_hash, run.uid, view, taken=taken)
        self.why = state.why or self.why
        if state.next == "done":
            return True
        if state.next == "lost" or view is None:
            return False
        if state.next == "send":
            if self._old():
                refused = f"; {self.why}" if self._refusals else ""
                self.why = f"it was decided more than {self._actor.timing.give_up:g} s ago{refused}"
                return False
            patch = _PATCHES[intent.action](view)
            patched = await self._actor.rollouts.patch_status(run.namespace, run.name, patch)
            if patched:
                # What the watch shows next may be older than this, and would look as if it had been undone.
                self.before, self.sent, self.after = view, patch, patched
                self._refusals = 0
            else:
                self.why = "the Rollout changed while it was patched"
            self._touched = self._actor.monotonic()
            return None
        await self._nudge()
        self._refusals = 0
        # Up to v1.9.1 Argo overlooks every other act, and is healed by the first reminder: that is no news.
        if view.invalid or self._nudges > 2:
            stands = "accepted; Argo has not carried it out yet" if self._accepted else "not sent yet"
            await self._say(f"{stands}: {state.why}")
        return None

    async def _nudge(self) -> None:
        if self._touched is None:
            self._touched = self._actor.monotonic()
        wait = min(self._actor.timing.nudge * 2 ** min(self._nudges, 10), self._actor.timing.rarest_nudge)
        if self._actor.monotonic() - self._touched < wait:
            return
        number = self._nudges + 1
        text = f"{self._intent.action} by Serinus, reminder {number}"
        if await self._actor.rollouts.patch_status(self._run.namespace, self._run.name, patches.nudge(text)):
            self._nudges, self._touched = number, self._actor.monotonic()
            logger.info("Argo has not reacted: reminder %d", number)


def _shown(view: RolloutView | None) -> dict[str, Any]:
    """What an audit wants to see of a Rollout before and after."""
    if view is None:
        return {}
    return {
        "resource_version": view.resource_version,
        "phase": view.phase,
        "step": view.step,
        "weight": view.canary_weight,
        "aborted": view.aborted,
    }
