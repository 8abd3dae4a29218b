import asyncio
from dataclasses import replace
from typing import Any

import pytest
from serinus_contracts.events import Verb
from serinus_contracts.freeze import DAYS, FreezeRule
from serinus_contracts.operator_state import OperatorState
from serinus_controller.use_cases.command_handler import FORCE, CommandHandler
from serinus_controller.use_cases.ports import RefusedError
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.reading import view
from serinus_rollouts.runs import Attempt

from tests.support import RUN, command, plan, stage, verdict
from tests.unit.controller.use_cases.commanded import World
from tests.unit.controller.use_cases.fakes import until
from tests.unit.controller.use_cases.registry import NOW
from tests.unit.rollouts.objects import ABORTED, INVALID, document

pytestmark = pytest.mark.anyio


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
    await asyncio.gather(*world.reconciler.executor.acts)
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
    assert world.reconciler.executor.acts == []


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
    control = (await world.reconciler.states.of(RUN)).control
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
    await world.reconciler.executor.stop()


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
    await asyncio.gather(*world.reconciler.executor.acts)
    assert (world.told()[-1][:2], world.rollout.weights) == (("abort", "confirmed"), [0])


async def test_who_asks_for_an_abort_is_told_at_once_what_argo_waits_for() -> None:
    world = World(state=document(status=INVALID))
    await CommandHandler(world.reconciler).on_command(command("abort"), NOW)
    await until(lambda: bool(world.journal.told))
    text = "abort accepted; Argo has not carried it out yet: InvalidSpec: no canary Service"
    assert world.told() == [("abort", "waiting", text)]
    world.rollout.mend()
    await asyncio.gather(*world.reconciler.executor.acts)
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
    assert (await world.reconciler.states.of(RUN)).control.operator.held_by == ""


@pytest.mark.parametrize("verb", ["advance", "abort"])
async def test_a_copy_of_a_command_that_was_carried_out_is_not_answered_again(verb: Verb) -> None:
    world = World()
    asked = command(verb, id="01J0000000000000000000000C", force=True)
    await CommandHandler(world.reconciler).on_command(asked, NOW)
    await asyncio.gather(*world.reconciler.executor.acts)
    world.look()
    following = World(state=world.rollout.state, journal=world.journal)  # it comes again to the next leader
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
    assert (await world.reconciler.states.of(RUN)).control.operator.held_by == "alice"
    assert (await world.journal.load(RUN)).operator.held_by == "alice"


async def test_a_command_that_fails_for_no_foreseen_reason_is_answered() -> None:
    world = World()
    asked = command("advance", id="01J0000000000000000000000F")
    await CommandHandler(world.reconciler).failed(asked, "RuntimeError: a bug")
    (answer,) = world.journal.told
    assert (answer.action, answer.cause) == ("refused", asked.id)
    assert answer.detail.endswith("it could not be followed: RuntimeError: a bug")
