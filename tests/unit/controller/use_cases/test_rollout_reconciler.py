import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, Finding, Run
from serinus_contracts.policy import Mode
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.live_run import LiveRun
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.ports import DeposedError
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.silence import SilenceWatch
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.progress import Intent
from serinus_rollouts.reading import view

from tests.support import RUN, observed, plan, verdict
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, ticking, until
from tests.unit.rollouts.objects import INVALID, document

pytestmark = pytest.mark.anyio
NOW = 1_012_000


class World:
    """One live run, its Rollout, and as many controllers as a test wants."""

    def __init__(self, one: AnalysisPlan | None = None) -> None:
        self.rollout, self.journal, self.plan = FakeRollout(), FakeJournal(), one or plan()

    def reconciler(self) -> RolloutReconciler:
        self.metrics = CollectorRegistry()
        tracker = RunTracker(None, "test", PlanResolver(lambda: ()))  # type: ignore[arg-type] # the registry is not touched here
        tracker.runs[RUN.uid] = self.live()
        actor = Actor(self.rollout, self.journal, lambda: 5, ticking(), IMPATIENT)
        made = RolloutReconciler(
            tracker,
            DecisionExecutor(RunControls(self.journal), self.journal, actor, Telemetry(self.metrics), lambda: 5),
        )
        self.silence = SilenceWatch(made)
        return made

    def shown(self, name: str, **labels: str) -> float | None:
        return self.metrics.get_sample_value(name, labels)

    def live(self) -> LiveRun:
        assert self.rollout.state is not None
        seen = view(self.rollout.state)
        return LiveRun(RUN, self.plan, observed(step=seen.step, stage=seen.step // 2), seen)

    async def done(self, reconciler: RolloutReconciler) -> None:
        """Wait for the acts that have begun, then see what became of the Rollout."""
        await asyncio.gather(*reconciler.executor.acts)
        reconciler.tracker.runs[RUN.uid] = self.live()


async def test_a_verdict_leads_to_one_step_and_its_repeat_to_none() -> None:
    world = World()
    reconciler = world.reconciler()
    for _ in range(3):
        await reconciler.on_verdict(verdict(), NOW)
    await world.done(reconciler)
    await reconciler.on_verdict(verdict(), NOW)
    await world.done(reconciler)
    assert world.rollout.weights == [25]
    assert world.journal.actions() == [("advance", "confirmed")]


async def test_what_a_verdict_leaves_out_is_kept_as_it_was_told_last_for_the_report_of_a_run_that_ends_on_it() -> None:
    world = World()
    reconciler = world.reconciler()
    hold = {"verdict": "hold", "reason": "insufficient_evidence"}
    found = Finding(kind="statistics", metric="errors", text="z 1.2")
    await reconciler.on_verdict(verdict(**hold, findings=(found,)), NOW)
    await reconciler.on_verdict(verdict(**hold, end=1_011_000, described=False, changed=False), NOW)
    control = await world.journal.load(RUN)
    assert control.verdict is not None
    assert (control.verdict.end, control.verdict.findings) == (1_011_000, (found,))


async def test_the_intent_is_written_down_before_anything_is_sent() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(), NOW)
    control = await world.journal.load(RUN)
    assert control.intent is not None
    assert (control.intent.action, control.intent.step, world.rollout.patches) == ("advance", 1, [])
    await world.done(reconciler)
    assert (await world.journal.load(RUN)).intent is None


async def test_a_controller_takes_up_what_one_before_it_had_begun() -> None:
    world = World()
    first = world.reconciler()
    await first.on_verdict(verdict(), NOW)
    await first.executor.stop()
    assert world.rollout.weights == []
    second = world.reconciler()
    await second.resume()
    await world.done(second)
    assert world.rollout.weights == [25]
    assert world.journal.actions() == [("advance", "confirmed")]


async def test_two_leaders_at_once_make_one_step_of_one_verdict() -> None:
    world = World()
    one, two = world.reconciler(), world.reconciler()
    await asyncio.gather(one.on_verdict(verdict(), NOW), two.on_verdict(verdict(), NOW))
    await asyncio.gather(world.done(one), world.done(two))
    assert world.rollout.weights == [25]


async def test_a_hold_is_told_once_for_each_reason() -> None:
    world = World()
    reconciler = world.reconciler()
    for reason in ("no_data", "no_data", "settling", "no_data"):
        await reconciler.on_verdict(verdict(verdict="hold", reason=reason), NOW)
    assert [decision.detail for decision in world.journal.told] == ["no_data", "settling", "no_data"]


async def test_what_was_done_is_not_decided_again_by_who_has_not_seen_it_yet() -> None:
    world = World()
    reconciler = world.reconciler()
    for end in (1_010_000, 1_011_000):
        await reconciler.on_verdict(verdict(end=end), NOW)
        await asyncio.gather(*reconciler.executor.acts)
        await world.silence.step(NOW + 60_000)
    assert world.journal.actions() == [("advance", "confirmed"), ("hold", "confirmed")]


async def test_in_shadow_mode_it_is_said_once_what_would_be_done_and_nothing_is_done() -> None:
    world = World(plan(mode="shadow"))
    reconciler = world.reconciler()
    for end in (1_010_000, 1_011_000):
        await reconciler.on_verdict(verdict(end=end, verdict="abort", reason="evidence", sentence="abort: bad"), NOW)
    (decision,) = world.journal.told
    assert (decision.action, decision.state) == ("abort", "intended")
    assert decision.detail == "shadow mode, would abort: abort: bad"
    assert world.rollout.patches == []


async def test_a_failed_act_may_be_decided_again_by_the_next_verdict() -> None:
    world = World()
    reconciler = world.reconciler()
    assert world.rollout.state is not None
    world.rollout.state["spec"]["paused"] = True
    world.rollout.state["metadata"]["generation"] = 4
    await reconciler.on_verdict(verdict(), NOW)
    await world.done(reconciler)
    assert world.journal.actions() == [("advance", "failed")]
    world.rollout.state["spec"]["paused"] = False
    world.rollout.state["metadata"]["generation"] = 5
    world.rollout.state["status"]["observedGeneration"] = "5"
    reconciler.tracker.runs[RUN.uid] = world.live()
    await reconciler.on_verdict(verdict(end=1_011_000), NOW)
    await world.done(reconciler)
    assert world.journal.actions()[-1] == ("advance", "confirmed")


async def test_an_act_that_broke_off_is_decided_again_by_the_next_verdict() -> None:
    world = World()
    reconciler = world.reconciler()
    world.rollout.failures.append(RuntimeError("a bug"))  # type: ignore[arg-type]
    bad = {"verdict": "abort", "reason": "evidence"}
    await reconciler.on_verdict(verdict(**bad), NOW)
    await asyncio.wait(reconciler.executor.acts)
    await asyncio.sleep(0)
    await reconciler.on_verdict(verdict(end=1_011_000, **bad), NOW)
    await world.done(reconciler)
    assert world.rollout.weights == [0]


async def test_silence_is_told_once_and_again_after_verdicts_had_come_back() -> None:
    world = World()
    reconciler = world.reconciler()
    late = NOW + 60_000
    await world.silence.step(late)
    await world.silence.step(late)
    assert [decision.cause for decision in world.journal.told] == ["no-verdict since 1000000"]
    await reconciler.on_verdict(verdict(end=late, verdict="hold", reason="no_data"), late)
    await world.silence.step(late + 60_000)
    assert [decision.cause for decision in world.journal.told][-1] == f"no-verdict since {late}"


async def test_an_open_intent_is_not_begun_twice_by_the_same_controller() -> None:
    world = World()
    intent = Intent(action="advance", step=1, step_hash="s1", cause="v", actor="serinus", detail="d", since=0)
    world.journal.controls[RUN.id] = replace(ControllerState(), intent=intent, dedupe_key="advance:1:")
    reconciler = world.reconciler()
    await reconciler.resume()
    await reconciler.on_verdict(verdict(), NOW)
    await world.done(reconciler)
    assert world.rollout.weights == [25]
    assert len(world.journal.told) == 1


async def test_an_abort_that_is_handled_after_a_newer_hold_still_aborts() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(end=NOW + 2_000, verdict="hold", reason="insufficient_evidence"), NOW + 2_000)
    await reconciler.on_verdict(verdict(end=NOW, verdict="abort", reason="evidence"), NOW + 2_000)
    await world.done(reconciler)
    assert ("abort", "confirmed") in world.journal.actions()


async def test_a_copy_of_an_older_verdict_that_comes_late_decides_nothing() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(verdict="hold", reason="liveness", end=1_011_000), NOW)
    await reconciler.on_verdict(verdict(), NOW)
    await world.done(reconciler)
    assert world.journal.actions() == [("hold", "confirmed")]


async def test_a_verdict_from_the_future_neither_advances_nor_hides_those_that_come_after_it() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(end=NOW + 3_600_000), NOW)
    await reconciler.on_verdict(verdict(end=NOW + 3_600_000, verdict="hold", reason="liveness"), NOW)
    assert world.journal.actions() == []
    await reconciler.on_verdict(verdict(end=NOW), NOW)
    await world.done(reconciler)
    assert world.journal.actions() == [("advance", "confirmed")]


async def test_an_abort_from_the_future_is_followed() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(end=NOW + 3_600_000, verdict="abort", reason="evidence"), NOW)
    await world.done(reconciler)
    assert world.rollout.weights == [0]


async def test_runs_that_are_silent_or_held_show_until_somebody_else_leads() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(verdict="hold", reason="no_data", since=1_002_000), NOW)
    await world.silence.step(NOW)
    assert (world.shown("serinus_runs_live"), world.shown("serinus_runs_silent")) == (1, 0)
    assert world.shown("serinus_longest_hold_seconds", namespace="shop") == 10
    await world.silence.step(NOW + 60_000)
    assert world.shown("serinus_runs_silent") == 1
    reconciler.executor.telemetry.resign()
    assert (world.shown("serinus_runs_live"), world.shown("serinus_runs_silent")) == (0, 0)
    assert world.shown("serinus_longest_hold_seconds", namespace="shop") is None


async def test_an_act_that_is_not_confirmed_shows_its_age() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.on_verdict(verdict(), NOW)
    reconciler.executor.clock = lambda: 60_005
    await world.silence.step(NOW)
    assert world.shown("serinus_oldest_act_seconds") == 60
    await world.done(reconciler)
    await world.silence.step(NOW)
    assert world.shown("serinus_oldest_act_seconds") == 0


async def test_a_controller_that_leads_no_longer_begins_nothing_and_leaves_the_verdict_to_the_next() -> None:
    world = World()
    reconciler = world.reconciler()
    await reconciler.executor.stop()
    with pytest.raises(DeposedError):
        await reconciler.on_verdict(verdict(), NOW)
    await asyncio.sleep(0)
    assert (world.rollout.patches, world.journal.told) == ([], [])


async def test_an_abort_that_already_stands_and_was_not_carried_out_is_taken_up_by_the_next_controller() -> None:
    world = World()
    world.rollout.state = document(status=INVALID)
    first = world.reconciler()
    await first.on_verdict(verdict(verdict="abort", reason="evidence"), NOW)
    await until(lambda: bool(world.rollout.patches))
    await first.executor.stop()
    second = world.reconciler()
    assert second.tracker.runs[RUN.uid].view
    await second.resume()
    await until(lambda: len(world.rollout.patches) > 3)
    world.rollout.mend()
    await world.done(second)
    assert world.rollout.weights == [0]
    assert world.journal.actions()[-1] == ("abort", "confirmed")


@pytest.mark.parametrize(("mode", "reminded"), [("enforce", True), ("guard", True), ("shadow", False)])
async def test_an_abort_that_somebody_else_sent_and_argo_lost_is_seen_through(mode: Mode, reminded: bool) -> None:
    world = World(plan(mode=mode))
    world.rollout.state = document(status={"abort": True})
    reconciler = world.reconciler()
    await world.silence.step(NOW)
    assert reconciler.executor.acts == [], "it may just have been sent"
    await world.silence.step(NOW)
    await world.done(reconciler)
    assert world.rollout.weights == ([0] if reminded else [])
    actors = [(one.action, one.state, one.actor) for one in world.journal.told]
    assert actors == ([("abort", "confirmed", "somebody else")] if reminded else [])


OTHER = RUN.model_copy(update={"uid": "u-0", "name": "cart"})


class Unreadable(FakeJournal):
    """What is kept of one run cannot be read."""

    async def load(self, run: Run) -> ControllerState:
        if run.uid == OTHER.uid:
            raise ValueError("no memory of a run")
        return await super().load(run)


def beside_an_unreadable(world: World) -> RolloutReconciler:
    """A controller to which the unreadable run comes first."""
    world.journal = Unreadable(world.journal.controls)
    reconciler = world.reconciler()
    reconciler.tracker.runs = {OTHER.uid: replace(world.live(), run=OTHER), **reconciler.tracker.runs}
    return reconciler


async def test_what_was_begun_is_taken_up_beside_a_run_whose_memory_cannot_be_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    first = world.reconciler()
    await first.on_verdict(verdict(), NOW)
    await first.executor.stop()
    second = beside_an_unreadable(world)
    await second.resume()
    await world.done(second)
    assert world.rollout.weights == [25]
    assert [line for line in caplog.messages if line.startswith("skipping ")] == [
        f"skipping run {OTHER.id}, all others go on: ValueError: no memory of a run"
    ]


async def test_silence_and_a_standing_abort_are_seen_to_beside_a_run_whose_memory_cannot_be_read() -> None:
    world = World()
    reconciler = beside_an_unreadable(world)
    await world.silence.step(NOW + 600_000)
    assert [decision.run for decision in world.journal.told] == [RUN]
    assert (world.shown("serinus_runs_live"), world.shown("serinus_runs_silent")) == (2, 1)
    assert world.rollout.state is not None
    world.rollout.state["status"]["abort"] = True
    seen = world.live()
    for _ in range(2):
        reconciler.tracker.runs = {OTHER.uid: replace(seen, run=OTHER), RUN.uid: seen}
        await world.silence.step(NOW)
    await world.done(reconciler)
    assert ("abort", "confirmed") in world.journal.actions()


@pytest.mark.parametrize(("said", "done"), [("proceed", ("hold", "confirmed")), ("abort", ("abort", "confirmed"))])
async def test_a_run_that_cannot_be_observed_is_held_and_only_an_abort_is_carried_out(
    said: str, done: tuple[str, str]
) -> None:
    world = World()
    reconciler = world.reconciler()
    reconciler.tracker._unobserved[RUN.uid] = why = "its Rollout cannot be observed: RuntimeError: a bug"
    await reconciler.on_verdict(verdict(verdict=said, reason="evidence", sentence="so"), NOW)
    await world.done(reconciler)
    assert world.journal.actions() == [done]
    assert (world.journal.told[0].detail == why) is (said == "proceed")
