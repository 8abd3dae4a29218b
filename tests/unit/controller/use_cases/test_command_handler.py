import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, CanaryPolicy, RolloutObserved, VerdictReached
from serinus_contracts.events import Verb
from serinus_contracts.freeze import DAYS, FreezeRule
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.policy import Match
from serinus_controller.domain.override import overridden
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.command_handler import FORCE, CommandHandler
from serinus_controller.use_cases.live_run import LiveRun
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.ports import RefusedError
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt

from tests.support import RUN, command, observed, plan, stage, verdict
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, until
from tests.unit.rollouts.objects import ABORTED, INVALID, document

pytestmark = pytest.mark.anyio
NOW = 1_012_000
POLICY = CanaryPolicy.model_validate(
    {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "CanaryPolicy",
        "metadata": {"name": "shop"},
        "spec": {"match": {"namespace": "shop"}, "metrics": [{"name": "errors", "preset": "http-errors"}]},
    }
)


@dataclass
class FakeRegistry:
    """Attempts and what is told of runs, in memory."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    observed: list[RolloutObserved] = field(default_factory=list)
    plans: dict[str, AnalysisPlan] = field(default_factory=dict)
    retired: list[RolloutObserved] = field(default_factory=list)
    said_constant: list[tuple[str, int]] = field(default_factory=list)

    async def attempt(self, cluster: str, seen: RolloutView, *, another: bool = False) -> Attempt:
        known = self.attempts.get(seen.uid)
        self.attempts[seen.uid] = known.following(seen, another=another) if known else Attempt.first(seen)
        return self.attempts[seen.uid]

    async def now(self) -> int:
        return NOW

    async def constant(self, told: Sequence[RolloutObserved], until: int) -> Collection[str]:
        self.said_constant += [(event.run.uid, until) for event in told]
        return ()

    async def live(self, cluster: str) -> list[RolloutObserved]:
        over = {event.run.id for event in self.retired}
        return list({one.run.id: one for one in self.observed if one.run.id not in over}.values())

    async def observe(self, event: RolloutObserved, plan: AnalysisPlan, *_: Any, **__: Any) -> None:
        self.plans[event.plan] = plan
        self.observed.append(event)

    async def retire(self, event: RolloutObserved) -> None:
        self.retired.append(event)

    async def plan(self, digest: str) -> AnalysisPlan | None:
        return self.plans.get(digest)


class World:
    """One run, its Rollout, and a controller that people talk to."""

    def __init__(self, one: AnalysisPlan | None = None, state: dict[str, Any] | None = None) -> None:
        self.rollout, self.journal, self.registry = FakeRollout(state or document()), FakeJournal(), FakeRegistry()
        self.policies = [POLICY]
        self.tracker = RunTracker(self.registry, "test", PlanResolver(lambda: self.policies))
        self.tracker.pods.replace([], namespace="")
        self.plan, self.said = one or plan(), -1
        actor = Actor(self.rollout, self.journal, lambda: 5, time.monotonic, IMPATIENT)
        telemetry = Telemetry(CollectorRegistry())
        self.reconciler = RolloutReconciler(self.tracker, self.journal, actor, telemetry, lambda: 5)
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
        await asyncio.gather(*self.reconciler.acts)
        if RUN.uid in self.tracker.runs:
            self.look()

    def told(self) -> list[tuple[str, str, str]]:
        return [(one.action, one.state, one.detail) for one in self.journal.told]


GUARDED = (stage(5, 0, approval=True), stage(25, 2), stage(50, 4))


async def test_an_approval_opens_the_gate_with_the_verdict_that_waited_for_it() -> None:
    world = World(plan(stages=GUARDED))
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await world.say("approve")
    assert world.rollout.weights == [25]
    decision = world.journal.told[-1]
    assert (decision.action, decision.actor, decision.cause) == ("advance", "alice", command("approve").id)


async def test_an_approval_that_comes_before_the_verdict_is_kept_and_says_what_it_waits_for() -> None:
    world = World(plan(stages=GUARDED))
    waiting = world.verdict(verdict="hold", reason="before_minimum", sentence="hold: 10 s of at least 30 s at 5 %")
    await world.reconciler.on_verdict(waiting, NOW)
    await world.say("approve", reason="looks good")
    told = world.journal.told[-1]
    assert (told.action, told.asked, told.reason) == ("recorded", "approve", "looks good")
    assert told.detail == "recorded; the gate stays closed: 10 s of at least 30 s at 5 %"
    await world.reconciler.on_verdict(world.verdict(end=1_011_000), NOW)
    await world.say("resume")
    assert world.rollout.weights == [25]


async def test_a_person_holds_and_resumes_a_run() -> None:
    world = World()
    await world.say("hold", reason="lunch")
    await world.reconciler.on_verdict(world.verdict(), NOW)
    assert world.rollout.weights == []
    assert world.told()[-1] == ("hold", "confirmed", "held by alice (lunch)")
    await world.say("resume")
    assert world.rollout.weights == [25]


async def test_a_person_advances_without_waiting_for_a_verdict_even_where_the_mode_would_not() -> None:
    world = World(plan(mode="shadow"))
    await world.say("advance", reason="known issue", force=True)
    assert world.rollout.weights == [25]
    assert world.told() == [("advance", "confirmed", "5 % to 25 %")]
    assert world.journal.told[-1].sentence == "advance by alice (known issue): 5 % to 25 %"


@pytest.mark.parametrize(
    "said",
    [None, verdict(verdict="hold", reason="settling"), verdict(stage_started=900_000), verdict(stage=1)],
)
async def test_an_advance_before_anything_was_evaluated_at_the_weight_is_refused_unless_forced(said: Any) -> None:
    world = World(plan(mode="shadow"))
    if said:
        await world.journal.remember(RUN, verdict=said)
    await world.say("advance")
    assert world.told() == [("refused", "confirmed", f"nothing was evaluated at 5 % yet: {FORCE}")]
    await world.say("advance", force=True)
    assert world.rollout.weights == [25]


async def test_a_second_advance_a_moment_later_leads_no_further() -> None:
    world = World()
    await world.journal.remember(RUN, verdict=verdict(verdict="hold", reason="before_minimum"))
    await world.say("advance")
    assert world.rollout.state is not None
    step = world.rollout.state["status"]["currentStepIndex"]
    await world.say("advance", step=step)
    assert world.rollout.weights == [25]
    assert world.told()[-1][:2] == ("refused", "confirmed")


async def test_where_evaluations_have_stopped_an_advance_need_not_be_forced() -> None:
    world = World(plan(mode="shadow"))
    await CommandHandler(world.reconciler).on_command(command("advance"), NOW + 60_000)
    await asyncio.gather(*world.reconciler.acts)
    assert world.rollout.weights == [25]


@pytest.mark.parametrize(("held", "done"), [("alice (lunch)", "resumed"), ("", "it was not on hold")])
async def test_a_resume_that_opens_nothing_says_what_it_did(held: str, done: str) -> None:
    world = World()
    await world.journal.remember(RUN, verdict=verdict(verdict="hold", reason="no_data", sentence="hold: no data"))
    await world.journal.keep(RUN, OperatorState(held_by=held))
    await world.say("resume")
    (told,) = world.journal.told
    assert (told.action, told.asked, told.detail) == ("recorded", "resume", f"{done}; the gate stays closed: no data")


FROZEN = plan(freeze=(FreezeRule(days=DAYS, reason="incident 7"),))


async def test_in_a_freeze_a_person_who_advances_must_say_why() -> None:
    world = World(FROZEN)
    await world.say("advance")
    ((action, _, detail),) = world.told()
    assert action == "refused"
    assert "incident 7; to go on all the same, say why" in detail
    await world.say("advance", reason="fixes incident 7", id="01J0000000000000000000000B", force=True)
    assert world.rollout.weights == [25]


async def test_in_a_freeze_an_approval_is_kept_and_says_what_it_waits_for() -> None:
    world = World(FROZEN)
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await world.say("approve")
    assert world.rollout.weights == []
    assert "recorded; the gate stays closed: frozen until" in world.told()[-1][2]


async def test_a_hold_that_comes_while_a_verdict_is_written_down_holds() -> None:
    world = World()
    remember = world.journal.remember

    async def slowly(*args: Any, **fields: Any) -> None:
        await CommandHandler(world.reconciler).on_command(command("hold"), NOW)
        await remember(*args, **fields)

    world.journal.remember = slowly  # type: ignore[method-assign]
    await world.reconciler.on_verdict(world.verdict(), NOW)
    assert world.told()[-1] == ("hold", "confirmed", "held by alice")
    assert world.reconciler.acts == []


async def test_a_verdict_that_comes_while_a_hold_is_written_down_is_not_forgotten() -> None:
    world = World()
    keep = world.journal.keep
    reacting: list[asyncio.Task[None]] = []

    async def slowly(*args: Any) -> None:
        reacting.append(
            asyncio.create_task(world.reconciler.on_verdict(world.verdict(verdict="hold", reason="no_data"), NOW))
        )
        for _ in range(20):
            await asyncio.sleep(0)
        await keep(*args)

    world.journal.keep = slowly  # type: ignore[method-assign, assignment]
    await world.say("hold")
    await reacting[0]
    control = (await world.reconciler.state(RUN)).control
    assert control.verdict == verdict(verdict="hold", reason="no_data")
    assert control.operator.held_by == "alice"


async def test_a_freeze_never_keeps_a_person_from_aborting() -> None:
    world = World(FROZEN)
    await world.say("abort")
    assert world.rollout.weights == [0]


async def test_an_advance_of_a_rollout_that_does_not_wait_is_refused() -> None:
    world = World(state=document(status={"phase": "Progressing", "pauseConditions": None, "controllerPause": None}))
    await world.say("advance")
    assert world.told() == [("refused", "confirmed", "the Rollout does not wait at a gate")]


async def test_a_person_may_abort_in_any_mode() -> None:
    world = World(plan(mode="shadow"))
    await world.say("abort", reason="customers complain")
    assert world.rollout.weights == [0]
    assert world.told() == [("abort", "confirmed", "5 % back to stable")]
    assert world.journal.told[-1].sentence == "abort by alice (customers complain): 5 % back to stable"


@pytest.mark.parametrize(("verb", "said", "weights"), [("abort", "abort", [0]), ("advance", "proceed", [25])])
async def test_a_person_may_do_what_serinus_only_said_it_would(verb: Verb, said: str, weights: list[int]) -> None:
    world = World(plan(mode="shadow"))
    await world.reconciler.on_verdict(world.verdict(verdict=said), NOW)
    await world.say(verb)
    assert world.rollout.weights == weights
    assert [state for _, state, _ in world.told()] == ["intended", "confirmed"]


async def test_an_abort_takes_the_place_of_an_advance_that_is_under_way() -> None:
    world = World()
    world.rollout.deaf = 10**6
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await asyncio.sleep(0)
    world.rollout.deaf = 0
    await world.say("abort")
    assert world.rollout.weights == [0]
    assert [(action, state) for action, state, _ in world.told()] == [("advance", "failed"), ("abort", "confirmed")]


async def test_a_hold_ends_an_advance_that_is_not_yet_carried_out() -> None:
    world = World()
    world.rollout.failures = [ClusterError("away")] * 10**6
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await asyncio.sleep(0)
    await world.say("hold")
    world.rollout.failures = []
    assert world.rollout.patches == []
    assert world.told() == [
        ("advance", "failed", "advance given up for hold by alice"),
        ("hold", "confirmed", "on hold at 5 % until it is resumed"),
    ]


async def test_a_command_that_finds_another_act_under_way_is_answered() -> None:
    world = World()
    world.rollout.deaf = 10**6
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await CommandHandler(world.reconciler).on_command(command("advance"), NOW)
    assert world.told() == [("advance", "waiting", "advance by serinus is under way")]
    await world.reconciler.stop()


async def test_who_asks_for_the_abort_that_is_refused_is_told_the_servers_own_message() -> None:
    world = World()
    world.rollout.refusal = RefusedError("PATCH: 422", 422, said="denied: no changes on fridays")
    await world.reconciler.on_verdict(world.verdict(verdict="abort", reason="evidence"), NOW)
    await until(lambda: len(world.journal.told) == 1)
    await CommandHandler(world.reconciler).on_command(command("abort"), NOW)
    await CommandHandler(world.reconciler).on_command(command("advance", id=f"01J{1:022d}B"), NOW)
    refused = "abort refused by the API server: denied: no changes on fridays"
    assert world.told() == [
        ("abort", "waiting", refused),
        ("abort", "waiting", f"abort by serinus is under way: {refused}"),
        ("refused", "confirmed", f"abort by serinus is under way: {refused}"),
    ]
    world.rollout.refusal = None
    await asyncio.gather(*world.reconciler.acts)
    assert (world.told()[-1][:2], world.rollout.weights) == (("abort", "confirmed"), [0])


async def test_who_asks_for_an_abort_is_told_at_once_what_argo_waits_for() -> None:
    world = World(state=document(status=INVALID))
    await CommandHandler(world.reconciler).on_command(command("abort"), NOW)
    await until(lambda: bool(world.journal.told))
    text = "abort accepted; Argo has not carried it out yet: InvalidSpec: no canary Service"
    assert world.told() == [("abort", "waiting", text)]
    world.rollout.mend()
    await asyncio.gather(*world.reconciler.acts)
    assert [state for _, state, _ in world.told()] == ["waiting", "confirmed"]


@pytest.mark.parametrize("verb", ["approve", "advance", "override"])
async def test_a_run_whose_abort_stands_is_not_led_on(verb: Verb) -> None:
    world = World(state=document(status={"abort": True}))
    await world.say(verb, **({"change": {"interval": "9s"}} if verb == "override" else {}))
    assert world.told() == [("refused", "confirmed", "the run is being aborted")]


async def test_an_aborted_run_is_tried_again_once_however_often_the_command_comes() -> None:
    world = World(state=document(status=ABORTED))
    assert world.rollout.state is not None
    world.tracker.runs.clear()
    await world.tracker.see(view(world.rollout.state))
    await world.say("retry")
    assert world.rollout.state["status"]["abort"] is False
    assert world.told() == [("retry", "confirmed", "tried again, from its first step")]
    # Aborted once more: this is another attempt now, and the old command is not about it.
    world.rollout.state["status"].update(ABORTED)
    world.rollout.state["metadata"]["resourceVersion"] = "900"
    world.registry.attempts[RUN.uid] = replace_number(world.registry.attempts[RUN.uid], 2)
    await world.tracker.see(view(world.rollout.state))
    await world.say("retry")
    assert world.rollout.state["status"]["abort"] is True


def replace_number(attempt: Attempt, number: int) -> Attempt:
    return attempt.model_copy(update={"number": number})


async def test_an_override_begins_another_attempt_under_the_changed_policy() -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    await world.say(
        "override", change={"metrics": [{"name": "errors", "preset": "http-errors", "margin": {"ratio": 3}}]}
    )
    assert [one.outcome for one in world.registry.retired] == ["superseded"]
    (fresh,) = world.tracker.runs.values()
    assert world.registry.observed[-1].run.attempt == 2
    assert fresh.run.uid == RUN.uid
    decision = world.journal.told[-1]
    assert (decision.action, decision.run.attempt) == ("override", 2)
    assert decision.before == {"metrics": [{"name": "errors", "preset": "http-errors"}]}
    assert decision.after == {"metrics": [{"name": "errors", "preset": "http-errors", "margin": {"ratio": 3.0}}]}


@pytest.mark.parametrize("first", [True, False])
async def test_an_override_is_of_the_rollouts_own_policy_and_never_of_a_namesake_in_another_namespace(
    first: bool,
) -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    theirs = POLICY.model_copy(
        update={
            "metadata": POLICY.metadata.model_copy(update={"namespace": "evil"}),
            "spec": POLICY.spec.model_copy(update={"mode": "enforce", "match": Match(namespace="evil")}),
        }
    )
    world.policies = [theirs, POLICY] if first else [POLICY, theirs]
    await world.say("override", change={"interval": "10s"})
    fresh = world.registry.plans[world.registry.observed[-1].plan]
    assert (fresh.mode, fresh.interval) == (POLICY.spec.mode, 10)
    world.policies = [theirs]
    await world.say("override", change={"interval": "9s"})
    assert world.told()[-1][0] == "refused"


async def test_an_observation_that_an_override_overtakes_does_not_bring_the_old_run_back() -> None:
    world = World()
    assert world.rollout.state is not None
    await world.registry.attempt("test", view(world.rollout.state))
    changed = overridden(POLICY, {"interval": "5s"})
    observe = world.registry.observe
    overriding: list[asyncio.Task[LiveRun]] = []

    async def overtaken(*args: Any, **fields: Any) -> None:
        if not overriding:
            overriding.append(asyncio.create_task(world.tracker.override(world.tracker.runs[RUN.uid], changed, "c1")))
            for _ in range(20):
                await asyncio.sleep(0)
        await observe(*args, **fields)

    world.registry.observe = overtaken  # type: ignore[method-assign]
    await world.tracker.see(replace(view(world.rollout.state), phase="Progressing", resource_version="101"))
    await overriding[0]
    assert world.tracker.runs[RUN.uid].run.attempt == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({}, "nothing is overridden"),
        ({"metrics": []}, "spec.metrics: Tuple should have at least 1 item"),
        ({"marginn": 1}, "'marginn' is not a key of a policy's spec; known: match, mode"),
        ({"interval:2s": None}, "'interval:2s' is not a key"),
        ({"interval": "0s"}, "spec.interval: Input should be greater than or equal to 0.5"),
    ],
)
async def test_an_override_that_does_not_fit_is_refused_with_the_place(change: dict[str, Any], complaint: str) -> None:
    world = World()
    await world.say("override", change=change)
    ((action, _, detail),) = world.told()
    assert action == "refused"
    assert complaint in detail


def test_a_merge_patch_changes_what_it_names_and_removes_what_it_gives_as_null() -> None:
    changed = overridden(POLICY, {"interval": "5s", "falseAbortRate": 0.05})
    assert (changed.spec.interval, changed.spec.false_abort_rate) == (5, 0.05)
    assert overridden(changed, {"interval": None}).spec.interval == 30


@pytest.mark.parametrize(
    ("verb", "given", "why"),
    [
        ("approve", {"expires": NOW - 1}, "it has expired"),
        ("approve", {"step": 3}, "it is for step 3, the run is at 1"),
        ("advance", {"step": 3}, "it is for step 3, the run is at 1"),
    ],
)
async def test_a_command_that_does_not_fit_is_refused_in_words(verb: Verb, given: dict[str, Any], why: str) -> None:
    world = World()
    await world.say(verb, **given)
    assert world.told() == [("refused", "confirmed", why)]


async def test_a_command_for_another_attempt_is_passed_over() -> None:
    world = World()
    other = RUN.model_copy(update={"attempt": 2})
    for verb in ("abort", "approve", "retry"):
        await world.say(verb, run=other)
    assert world.told() == []
    assert replace(world.tracker.runs[RUN.uid]).run == RUN


async def test_a_copy_of_a_hold_that_comes_after_the_resume_changes_nothing() -> None:
    world = World()
    held = command("hold", run=RUN)
    for one in (held, command("resume", run=RUN, id="01J0000000000000000000000B"), held):
        await CommandHandler(world.reconciler).on_command(one, NOW)
    assert (await world.reconciler.state(RUN)).control.operator.held_by == ""


@pytest.mark.parametrize("verb", ["advance", "abort"])
async def test_a_copy_of_a_command_that_was_carried_out_is_not_answered_again(verb: Verb) -> None:
    world = World()
    asked = command(verb, id="01J0000000000000000000000C", force=True)
    await CommandHandler(world.reconciler).on_command(asked, NOW)
    await asyncio.gather(*world.reconciler.acts)
    world.look()
    following = World(state=world.rollout.state)
    following.journal = following.reconciler.journal = world.journal  # it comes again to the next leader
    await CommandHandler(following.reconciler).on_command(asked, NOW)
    assert [(action, state) for action, state, _ in world.told()] == [(verb, "confirmed")]


async def test_a_hold_that_comes_while_an_advance_is_written_down_is_kept() -> None:
    world = World()
    begin = world.journal.begin
    holding: list[asyncio.Task[None]] = []

    async def slowly(*args: Any) -> None:
        holding.append(asyncio.create_task(world.say("hold")))
        for _ in range(20):
            await asyncio.sleep(0)
        await begin(*args)

    world.journal.begin = slowly  # type: ignore[method-assign, assignment]
    await world.reconciler.on_verdict(world.verdict(), NOW)
    await holding[0]
    assert (await world.reconciler.state(RUN)).control.operator.held_by == "alice"
    assert (await world.journal.load(RUN)).operator.held_by == "alice"


async def test_a_command_that_fails_for_no_foreseen_reason_is_answered() -> None:
    world = World()
    asked = command("advance", id="01J0000000000000000000000F")
    await CommandHandler(world.reconciler).failed(asked, "RuntimeError: a bug")
    (answer,) = world.journal.told
    assert (answer.action, answer.cause) == ("refused", asked.id)
    assert answer.detail.endswith("it could not be followed: RuntimeError: a bug")
