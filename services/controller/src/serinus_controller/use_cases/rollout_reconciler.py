"""Reconciles Rollouts with verdicts: remember, decide, and hand over what is decided."""

from dataclasses import dataclass, field

from serinus_contracts import VerdictReached
from serinus_contracts.base import Millis
from serinus_runtime import logs
from serinus_runtime.complaints import Complaints

from serinus_controller.domain.decide import Situation, decide
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker


@dataclass
class RolloutReconciler:
    """Decides for the runs of the tracker."""

    tracker: RunTracker
    executor: DecisionExecutor
    complaints: Complaints = field(default_factory=Complaints)

    @property
    def states(self) -> RunControls:
        """What is remembered of the runs."""
        return self.executor.states

    async def resume(self, doubt: str = "") -> None:
        """Bring to an end what a controller before us had begun and nothing here carries on; aborts only, if there is a
        `doubt` about it."""
        for live in list(self.tracker.runs.values()):
            with self.complaints.about("run", live.run.id):
                await self.executor.resume(live, doubt)

    async def on_verdict(self, verdict: VerdictReached, now: Millis) -> None:
        """Remember a verdict about a live run, decide on it, and begin or tell what follows from it."""
        live = self.tracker.find(verdict.run.id)
        if live is None:
            return
        with logs.about(run=verdict.run.id, event_id=verdict.event_id()):
            state = await self.states.remember_verdict(live, verdict, now)
            if state is None:
                return
            decision = decide(state.situation(live, self.tracker.doubt(live.run)), verdict, now)
            if decision:
                await self.executor.execute(live, decision)

    async def situation(self, live: LiveRun) -> Situation:
        """What is decided on about a run whose Rollout has been seen."""
        return (await self.states.of(live.run)).situation(live, self.tracker.doubt(live.run))

    def forget_ended(self) -> None:
        """Drop what is kept of runs that are not live any more."""
        self.states.forget_all_but({live.run.id for live in self.tracker.runs.values()})
