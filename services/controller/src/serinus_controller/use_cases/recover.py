"""After Redis came back with less than it had: what this controller remembers is written down again; where it does not
know what people had decided, they are asked again. Nothing is advanced on doubt (docs/adr/0064)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.decide import Decision
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.ports import Journal
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_tracker import RunTracker

logger = logging.getLogger(__name__)

DOUBT = "serinus (Redis has lost data, what people had decided may be part of it; resume to go on)"


@dataclass(frozen=True)
class Remembered:
    """What a leader had in memory as it noticed the loss: the runs under way, and its memory of them by run."""

    runs: Mapping[str, LiveRun]
    controls: Mapping[str, ControllerState]

    async def write_down(self, tracker: RunTracker, journal: Journal) -> None:
        """Make all of it known again, where Redis has lost it."""
        for live in self.runs.values():
            await tracker.know_again(live)
            control = self.controls.get(live.run.id)
            if control:
                await journal.restore(live.run, control)
        logger.warning("wrote down again what is remembered of %d runs under way", len(self.runs))


async def ask_again(reconciler: RolloutReconciler, cause: str) -> None:
    """Hold every run that is under way until a person resumes it, also one that cannot be observed now."""
    for live in list(reconciler.tracker.runs.values()):
        with reconciler.complaints.about("run", live.run.id):
            state = await reconciler.states.keep(
                live.run, lambda operator: operator.model_copy(update={"held_by": operator.held_by or DOUBT})
            )
            detail = f"held by {state.control.operator.held_by}"
            logger.warning("%s is %s", live.run.rollout, detail)
            await reconciler.executor.tell(live, Decision("hold", live.last_published.step, cause, detail))
