"""What no verdict tells: runs whose verdicts have stopped, and aborts that nobody here carries out."""

from dataclasses import dataclass, field

from serinus_contracts.base import Millis
from serinus_contracts.standstill import standstill

from serinus_controller.domain.decide import Decision, may, no_verdict
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler


@dataclass
class SilenceWatch:
    """Goes through all runs again and again."""

    reconciler: RolloutReconciler
    _aborting: set[str] = field(default_factory=set)

    async def step(self, now: Millis) -> None:
        """Hold, and say so, for every run whose verdicts have stopped; then see to aborts that still stand."""
        reconciler, executor = self.reconciler, self.reconciler.executor
        silent, judged, holds = 0, 0, dict[str, float]()
        for live in [live for live in reconciler.tracker.runs.values() if live.view]:
            begun, known = live.last_published.stage >= 0, standstill(live.last_published)
            if not begun and not known:
                continue
            judged += begun
            with reconciler.complaints.about("run", live.run.id):
                said = (await reconciler.states.of(live.run)).control.verdict
                decision = no_verdict(await reconciler.situation(live), said.end if said else 0, now, known)
                if decision:
                    silent += begun
                    await executor.execute(live, decision)
                if said and said.verdict == "hold":
                    held = max(0.0, (now - said.since) / 1000)
                    holds[live.run.namespace] = max(held, holds.get(live.run.namespace, 0.0))
        executor.telemetry.show(judged, silent, holds, executor.oldest_act())
        await self._see_aborts_through()

    async def _see_aborts_through(self) -> None:
        """An abort that nobody here carries out, such as a person's, is seen to its end: Argo up to v1.9.1 loses some.

        One that still stands at the second step is no longer on its way.
        """
        reconciler, executor = self.reconciler, self.reconciler.executor
        standing = [live for live in reconciler.tracker.runs.values() if live.view and live.view.aborted]
        for live in standing:
            if live.run.id in self._aborting and not executor.acts_on(live.run) and may(live.plan.mode, "abort"):
                assert live.view is not None
                text = "aborted by somebody else; Argo was reminded of it"
                decision = Decision("abort", live.view.step, "abort stands", text, acts=True, actor="somebody else")
                with reconciler.complaints.about("run", live.run.id):
                    await executor.execute(live, decision)
        self._aborting = {live.run.id for live in standing}
