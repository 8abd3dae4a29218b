"""What the controller remembers of the runs while it leads."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from serinus_contracts import Run, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.described import whole
from serinus_contracts.freshness import ahead
from serinus_contracts.operator_state import OperatorState

from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.decide import Situation
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.ports import Journal

logger = logging.getLogger(__name__)


@dataclass
class RunControl:
    """One run while this controller leads; under `lock` one thing after another is decided about it.

    `done`: the last action that was seen to be done, and the version of the Rollout in which it was.
    """

    control: ControllerState
    act: asyncio.Task[None] | None = None
    done: tuple[str, int] = ("", 0)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def change(self, **fields: Any) -> None:
        """Change fields of what is remembered."""
        self.control = replace(self.control, **fields)

    def situation(self, live: LiveRun, doubt: str) -> Situation:
        """What is decided on; `doubt`: why nothing is advanced, or empty. The Rollout must have been seen."""
        assert live.view is not None
        started = live.last_published.stage_started
        return Situation(live.view, live.run, live.plan, started, self.control.operator, doubt)


class RunControls:
    """Of all runs that this controller has met."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._states: dict[str, RunControl] = {}

    def __iter__(self) -> Iterator[RunControl]:
        return iter(self._states.values())

    @property
    def controls(self) -> Mapping[str, ControllerState]:
        """What is remembered of each run, by its id."""
        return {run: state.control for run, state in self._states.items()}

    def met(self, run: Run) -> RunControl | None:
        """What is remembered of a run, None where this controller has not met it yet."""
        return self._states.get(run.id)

    async def of(self, run: Run) -> RunControl:
        """What is remembered of a run, read back where this controller has not met it yet."""
        if run.id not in self._states:
            control = await self._journal.load(run)
            self._states.setdefault(run.id, RunControl(control))
        return self._states[run.id]

    async def remember_verdict(self, live: LiveRun, verdict: VerdictReached, now: Millis) -> RunControl | None:
        """Remember the newest verdict; None for one that is not to be decided on. An abort always is: it does no harm
        twice, and what it said is not overtaken."""
        state, abort = await self.of(live.run), verdict.verdict == "abort"
        if ahead(verdict.end, now):
            # Remembered, it would overtake all that come after it.
            logger.warning("verdict of %s ends %.0f s in the future", live.run.rollout, (verdict.end - now) / 1000)
            return state if abort else None
        last = state.control.verdict
        if last is None or last.end < verdict.end:
            verdict = whole(verdict, last)  # the run may end on it, and then its report is made of it alone
            await self._journal.remember(live.run, verdict=verdict)
            state.change(verdict=verdict)
            return state
        return state if abort or verdict.end == last.end else None

    async def keep(self, run: Run, change: Callable[[OperatorState], OperatorState]) -> RunControl:
        """Remember what people asked for; gives the state as it stands then."""
        state = await self.of(run)
        async with state.lock:
            operator = change(state.control.operator)
            await self._journal.keep(run, operator)
            state.change(operator=operator)
        return state

    def forget_all_but(self, live: Collection[str]) -> None:
        """Drop what is kept of runs whose ids are not `live` any more, once nothing goes on about them."""
        for run, state in list(self._states.items()):
            if run not in live and not state.act and not state.lock.locked():
                del self._states[run]
