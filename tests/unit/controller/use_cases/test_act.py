import asyncio
from typing import Any

import pytest
from serinus_controller.use_cases.act import Actor, ActTiming
from serinus_controller.use_cases.ports import RefusedError
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.progress import Intent
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView

from tests.support import RUN
from tests.unit.controller.use_cases.fakes import IMPATIENT, FakeJournal, FakeRollout, ticking, until
from tests.unit.rollouts.objects import ABORTED, INVALID, document

pytestmark = pytest.mark.anyio


def intent(action: str = "advance", step: int = 1) -> Intent:
    fields = {"step_hash": "s1", "cause": "v", "actor": "serinus", "detail": "because", "since": 0}
    return Intent.model_validate({"action": action, "step": step, **fields})


def actor(rollout: FakeRollout, journal: FakeJournal | None = None, timing: ActTiming = IMPATIENT) -> Actor:
    return Actor(rollout, journal or FakeJournal(), lambda: 5, ticking(), timing)


async def test_an_advance_is_told_when_it_has_been_read_back_with_its_patch_before_and_after() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    assert await actor(rollout, journal).carry_out(RUN, intent(), "enforce")
    (decision,) = journal.told
    assert (decision.action, decision.state, decision.detail) == ("advance", "confirmed", "because")
    assert (decision.before["step"], decision.after["step"]) == (1, 3)
    assert decision.patch == tuple(rollout.patches[0])
    assert rollout.weights == [25]


async def test_a_promotion_that_argo_overlooked_is_healed_by_a_reminder_not_by_a_second_promotion() -> None:
    rollout = FakeRollout(deaf=3)
    assert await actor(rollout).carry_out(RUN, intent(), "enforce")
    assert [isinstance(patch, list) for patch in rollout.patches] == [True, False, False, False]
    texts = [patch["status"]["message"] for patch in rollout.patches[1:]]
    assert len(set(texts)) == 3
    assert rollout.weights == [25]


async def test_an_abort_that_argo_overlooked_is_healed_too() -> None:
    rollout = FakeRollout(deaf=2)
    assert await actor(rollout).carry_out(RUN, intent("abort"), "guard")
    assert rollout.weights == [0]


async def test_a_retry_is_not_aborted_again_by_the_abort_that_it_takes_back() -> None:
    rollout, journal = FakeRollout(deaf=10**6), FakeJournal()
    original = rollout.get
    reads = 0

    async def get(namespace: str, name: str) -> object:
        nonlocal reads
        reads += 1
        if reads == 3:
            assert rollout.state is not None
            assert rollout.state["status"]["abort"] is True
            rollout.state["status"]["abort"] = False
        return await original(namespace, name)

    rollout.get = get  # type: ignore[method-assign, assignment]
    assert await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce")
    assert rollout.state is not None
    assert rollout.state["status"]["abort"] is False
    assert journal.actions() == [("abort", "confirmed")]


async def test_an_abort_that_is_taken_back_before_it_was_read_back_is_not_sent_again() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    original = rollout.patch_status

    async def patched(namespace: str, name: str, patch: Any) -> RolloutView | None:
        done = await original(namespace, name, patch)
        assert rollout.state is not None
        rollout.state = document(status={"abort": False})
        return done

    rollout.patch_status = patched  # type: ignore[method-assign]
    assert await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce")
    assert len(rollout.patches) == 1


async def test_an_abort_that_a_dead_controller_left_does_not_undo_what_a_person_has_retried_since() -> None:
    rollout, journal = FakeRollout(document(status={"abort": False})), FakeJournal()
    assert not await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce")
    assert rollout.patches == []
    assert journal.told[0].detail == "abort not done: it was aborted before, and is tried again"


async def test_a_pause_that_argo_set_again_from_a_stale_cache_is_ended_again_with_fresh_tests() -> None:
    rollout, journal = FakeRollout(deaf=1), FakeJournal()
    original = rollout.patch_status
    sent = 0

    async def patched(namespace: str, name: str, patch: object) -> RolloutView | None:
        nonlocal sent
        sent += 1
        done = await original(namespace, name, patch)  # type: ignore[arg-type]
        if sent == 1:
            assert rollout.state is not None
            pause = {"reason": "CanaryPauseStep", "startTime": "1970-01-01T00:16:41Z"}
            rollout.state["status"]["pauseConditions"] = [pause]
        return done

    rollout.patch_status = patched  # type: ignore[method-assign]
    assert await actor(rollout, journal).carry_out(RUN, intent(), "enforce")
    assert rollout.weights == [25]


async def test_an_operator_who_was_faster_leaves_nothing_to_do_and_no_step_is_skipped() -> None:
    rollout = FakeRollout()

    def operator(fake: FakeRollout) -> None:
        fake.before_patch = None
        assert fake.state is not None
        fake.state["status"].pop("pauseConditions")
        fake.argo()

    rollout.before_patch = operator
    journal = FakeJournal()
    assert await actor(rollout, journal).carry_out(RUN, intent(), "enforce")
    assert rollout.weights == [25]
    assert rollout.patches == []


async def test_another_revision_is_never_aborted() -> None:
    rollout = FakeRollout()

    def new_image(fake: FakeRollout) -> None:
        assert fake.state is not None
        fake.state["status"].update(currentPodHash="newer", currentStepIndex=0)

    rollout.before_patch = new_image
    journal = FakeJournal()
    assert not await actor(rollout, journal).carry_out(RUN, intent("abort"), "guard")
    (decision,) = journal.told
    assert (decision.state, decision.detail) == ("failed", "abort not done: another revision has begun")
    assert rollout.state is not None
    assert "abort" not in rollout.state["status"]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (None, "the Rollout was deleted"),
        (document(status=ABORTED), "the Rollout was aborted"),
        (document(spec={"paused": True}), "the Rollout is paused by hand (spec.paused)"),
    ],
)
async def test_what_cannot_be_done_any_more_is_told_with_its_reason(state: dict[str, object] | None, why: str) -> None:
    journal = FakeJournal()
    assert not await actor(FakeRollout(state), journal).carry_out(RUN, intent(), "enforce")
    assert journal.told[0].detail == f"advance not done: {why}"


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
async def test_an_api_server_in_trouble_is_waited_for(status: int) -> None:
    rollout = FakeRollout(failures=[ClusterError("away", status)] * 5)
    assert await actor(rollout).carry_out(RUN, intent(), "enforce")
    assert rollout.weights == [25]


async def test_an_advance_is_given_up_when_its_verdict_has_become_old_and_an_abort_never() -> None:
    ticks = iter(range(10**6))
    away = [ClusterError("away")] * 100
    journal = FakeJournal()
    impatient = ActTiming(first=0.0, longest=0.0, nudge=0.0, rarest_nudge=0.0, give_up=10)
    rollout = FakeRollout(failures=list(away))
    one = Actor(rollout, journal, lambda: 5, lambda: float(next(ticks)), impatient)
    assert not await one.carry_out(RUN, intent(), "enforce")
    assert "no effect within 10 s: ClusterError: away" in journal.told[-1].detail
    rollout.failures = list(away)
    assert await one.carry_out(RUN, intent("abort"), "enforce")


async def test_a_promotion_that_is_taken_up_long_after_its_decision_is_not_sent_and_an_abort_is() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    late = Actor(rollout, journal, lambda: 61_000, ticking(), ActTiming(first=0.0, longest=0.0, nudge=0.0))
    assert not await late.carry_out(RUN, intent(), "enforce")
    assert (journal.told[0].detail, rollout.patches) == (
        "advance not done: it was decided more than 60 s ago",
        [],
    )
    assert await late.carry_out(RUN, intent("abort"), "enforce")


async def test_an_act_that_is_taken_up_by_another_controller_is_done_once() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    first, second = actor(rollout, journal), actor(rollout, journal)
    await rollout.patch_status("shop", "checkout", [{"op": "remove", "path": "/status/pauseConditions"}])
    assert await first.carry_out(RUN, intent(), "enforce")
    assert await second.carry_out(RUN, intent(), "enforce")
    assert rollout.weights == [25]


async def test_what_the_watch_shows_of_a_promotion_is_read_by_nobody_again() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    one = actor(rollout, journal, ActTiming(first=60.0))
    assert rollout.state is not None
    seen = view(rollout.state)
    acting = asyncio.create_task(one.carry_out(RUN, intent(), "enforce", seen))
    await until(lambda: bool(rollout.patches))
    rollout.get = never  # type: ignore[method-assign]
    one.updates.publish(seen)  # it comes late, and shows the gate as it was
    one.updates.publish(view(rollout.state))
    assert await acting
    assert (rollout.weights, journal.told[0].after["step"]) == ([25], 3)


async def test_an_abort_is_not_sent_on_what_the_watch_has_shown_before_a_person_retried() -> None:
    rollout, journal = FakeRollout(document(status={"abort": False})), FakeJournal()
    assert not await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce", view(document()))
    assert rollout.patches == []


async def never(namespace: str, name: str) -> RolloutView | None:
    raise AssertionError("nothing is read")


async def test_a_refusal_is_told_in_the_servers_words_and_logged_once_for_each_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    rollout.refusal = RefusedError("PATCH: 403", 403, said="no changes on fridays")
    acting = asyncio.create_task(actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce"))
    await until(lambda: rollout.asked > 5)
    rollout.refusal = RefusedError("PATCH: 422", 422, said="nor on holidays")
    await until(lambda: rollout.asked > 10)
    rollout.refusal = None
    assert await acting
    assert [(one.action, one.state, one.detail) for one in journal.told] == [
        ("abort", "waiting", "abort refused by the API server: no changes on fridays"),
        ("abort", "waiting", "abort refused by the API server: nor on holidays"),
        ("abort", "confirmed", "because"),
    ]
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert warnings == [
        "abort waits: refused by the API server: no changes on fridays",
        "abort waits: refused by the API server: nor on holidays",
    ]


async def test_what_is_refused_is_tried_ever_more_rarely_and_not_before_the_server_wants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    naps: list[float] = []
    rollout = FakeRollout(refusal=RefusedError("PATCH: 403", 403, said="no"))

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 7:
            rollout.refusal = RefusedError("PATCH: 403", 403, 45.0, "no")
        if len(naps) == 8:
            rollout.refusal = None

    monkeypatch.setattr("serinus_controller.use_cases.act.asyncio.sleep", sleep)
    timing = ActTiming(nudge=0.0, rarest_nudge=0.0)
    assert await actor(rollout, timing=timing).carry_out(RUN, intent("abort"), "enforce")
    assert naps == [1, 2, 4, 8, 16, 30, 30, 45]


async def test_an_advance_that_stays_refused_is_given_up_with_the_servers_words_and_an_abort_never_is() -> None:
    rollout, journal = FakeRollout(), FakeJournal()
    rollout.refusal = RefusedError("PATCH: 403", 403, said="no changes on fridays")
    assert not await actor(rollout, journal).carry_out(RUN, intent(), "enforce")
    assert journal.actions() == [("advance", "waiting"), ("advance", "failed")]
    said = "refused by the API server: no changes on fridays"
    assert journal.told[-1].detail == f"advance not done: no effect within 0.5 s: {said}"


async def test_a_reminder_counts_when_it_was_sent() -> None:
    rollout, journal = FakeRollout(deaf=1), FakeJournal()
    original = rollout.patch_status
    tried = 0

    async def patched(namespace: str, name: str, patch: Any) -> RolloutView | None:
        nonlocal tried
        tried += isinstance(patch, dict)
        if isinstance(patch, dict) and tried <= 3:
            raise RefusedError("PATCH: 403", 403, said="no reminders")
        return await original(namespace, name, patch)

    rollout.patch_status = patched  # type: ignore[method-assign]
    assert await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce")
    texts = [patch["status"]["message"] for patch in rollout.patches if isinstance(patch, dict)]
    assert texts == ["abort by Serinus, reminder 1"]
    assert journal.told[0].detail == "abort reminder refused by the API server: no reminders"


async def test_an_abort_of_an_invalid_spec_says_what_argo_waits_for_and_ends_when_the_traffic_is_back() -> None:
    rollout, journal = FakeRollout(document(status=INVALID)), FakeJournal()
    acting = asyncio.create_task(actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce"))
    await until(lambda: rollout.asked > 20)
    assert not acting.done()
    rollout.mend()
    assert await acting
    assert [(one.state, one.detail) for one in journal.told] == [
        ("waiting", "abort accepted; Argo has not carried it out yet: InvalidSpec: no canary Service"),
        ("confirmed", "because"),
    ]
    assert rollout.weights == [0]


async def test_an_abort_that_is_taken_back_while_the_spec_is_invalid_was_not_done() -> None:
    rollout, journal = FakeRollout(document(status=INVALID)), FakeJournal()
    acting = asyncio.create_task(actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce"))
    await until(lambda: rollout.asked > 3)
    assert rollout.state is not None
    rollout.state["status"]["abort"] = False
    assert not await acting
    assert journal.told[-1].detail == "abort not done: it was taken back before Argo had carried it out"


async def test_an_api_server_that_is_away_for_long_is_told_and_one_that_is_so_for_a_moment_is_not() -> None:
    rollout, journal = FakeRollout(failures=[ClusterError("away", 503)] * 3), FakeJournal()
    assert await actor(rollout, journal).carry_out(RUN, intent("abort"), "enforce")
    assert journal.actions() == [("abort", "confirmed")]
    ticks = iter(range(10**6))
    rollout, journal = FakeRollout(failures=[ClusterError("away", 503)] * 100), FakeJournal()
    one = Actor(rollout, journal, lambda: 5, lambda: float(next(ticks)), IMPATIENT)
    assert await one.carry_out(RUN, intent("abort"), "enforce")
    assert journal.told[0].detail == "abort waits for the API server: ClusterError: away"
