"""A controller that people talk to."""

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.events import Verb
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.command_handler import CommandHandler
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.reading import view

from tests.support import RUN, command, observed, plan, verdict
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, ticking
from tests.unit.controller.use_cases.registry import NOW, POLICY, FakeRegistry
from tests.unit.rollouts.objects import document


class World:
    """One run, its Rollout, and a controller that people talk to."""

    def __init__(
        self,
        one: AnalysisPlan | None = None,
        state: dict[str, Any] | None = None,
        journal: FakeJournal | None = None,
    ) -> None:
        self.rollout, self.registry = FakeRollout(state or document()), FakeRegistry()
        self.journal = journal or FakeJournal()
        self.policies = [POLICY]
        self.tracker = RunTracker(self.registry, "test", PlanResolver(lambda: self.policies))
        self.tracker.pods.replace([], namespace="")
        self.plan, self.said = one or plan(), -1
        actor = Actor(self.rollout, self.journal, lambda: 5, ticking(), IMPATIENT)
        telemetry = Telemetry(CollectorRegistry())
        self.reconciler = RolloutReconciler(
            self.tracker, DecisionExecutor(RunControls(self.journal), self.journal, actor, telemetry, lambda: 5)
        )
        self.look()

    def look(self) -> None:
        assert self.rollout.state is not None
        seen = view(self.rollout.state)
        self.tracker.runs[RUN.uid] = LiveRun(RUN, self.plan, observed(step=seen.step, stage=seen.step // 2), seen)

    def verdict(self, **said: Any) -> VerdictReached:
        """One by the plan of the run."""
        return verdict(**({"plan": self.plan.digest} | said))

    async def say(self, verb: Verb, **other: Any) -> None:
        self.said += 1
        await CommandHandler(self.reconciler).on_command(command(verb, **{"id": f"01J{self.said:022d}A", **other}), NOW)
        await asyncio.gather(*self.reconciler.executor.acts)
        if RUN.uid in self.tracker.runs:
            self.look()

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.state, one.detail) for one in self.journal.told]
