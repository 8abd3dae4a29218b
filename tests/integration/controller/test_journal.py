"""The controller's operator and attempts, on a real server."""

from typing import Any

import pytest
from serinus_contracts import DecisionTaken, Keys, from_entry
from serinus_contracts.operator_state import Approval, OperatorState
from serinus_controller.adapters.journal import NOTHING, RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.use_cases.ports import DeposedError, LostError
from serinus_rollouts.progress import Intent
from serinus_rollouts.runs import run_of
from serinus_runtime.witness import Position

from tests.support import RUN, observed, plan, verdict
from tests.unit.rollouts.objects import ABORTED, at

pytestmark = pytest.mark.anyio
DAY = 86_400
APPROVAL = Approval(actor="alice", command="c1")
INTENT = Intent(action="advance", step=1, step_hash="s", cause="v", actor="serinus", detail="d", since=1)
DECISION = DecisionTaken(
    run=RUN, step=1, action="advance", cause="v", detail="d", mode="enforce", state="confirmed", decided=5
)


@pytest.fixture
def journal(client: Any, keys: Keys) -> RedisJournal:
    return RedisJournal(client, keys, clock=lambda: 5, max_entries=100)


async def test_a_run_that_nobody_decided_about_has_an_empty_memory(journal: RedisJournal) -> None:
    assert await journal.load(RUN) == ControllerState()


async def test_all_that_is_remembered_is_there_for_the_next_leader(journal: RedisJournal) -> None:
    operator = OperatorState(approvals={3: APPROVAL}, held_by="bob (lunch)")
    await journal.keep(RUN, operator)
    await journal.remember(RUN, verdict=verdict())
    operator = operator.having_handled("c2")
    await journal.begin(RUN, INTENT, "advance:1:", operator)
    assert await journal.load(RUN) == ControllerState(INTENT, operator, "advance:1:", verdict())


@pytest.mark.parametrize("field", ["intent", "operator", "verdict"])
async def test_a_run_whose_memory_cannot_be_read_is_held_and_ends_no_leader(
    journal: RedisJournal, client: Any, keys: Keys, field: str
) -> None:
    await client.hset(keys.control(RUN.id), field, '{"approvals": {"1": {"unknown": 1}}}')
    control = await journal.load(RUN)
    assert "cannot be read; resume to go on" in control.operator.held_by
    assert control.intent is None


async def test_telling_the_outcome_closes_the_intent_in_the_same_step(
    journal: RedisJournal, client: Any, keys: Keys
) -> None:
    await journal.begin(RUN, INTENT, "advance:1:", OperatorState())
    await journal.tell(DECISION, dedupe_key="advance:1:", ends_intent=True)
    assert (await journal.load(RUN)).intent is None
    ((_, fields),) = await client.xrange(keys.stream("decisions"))
    assert from_entry(DecisionTaken, fields).data == DECISION
    assert (fields[b"action"], fields[b"state"]) == (b"advance", b"confirmed")


async def test_attempts_are_counted_over_restarts_and_by_two_controllers_alike(client: Any, keys: Keys) -> None:
    one, two = (RedisRegistry(client, keys, clock=lambda: 5, max_entries=100) for _ in range(2))
    assert (await one.attempt("c", at())).number == 1
    assert (await two.attempt("c", at())).number == 1
    aborted = at(metadata={"resourceVersion": "200"}, status=ABORTED)
    retried = at(metadata={"resourceVersion": "300"})
    assert (await one.attempt("c", aborted)).number == 1
    assert [(await each.attempt("c", retried)).number for each in (one, two, one)] == [2, 2, 2]
    assert (await two.attempt("c", at())).number == 2, "an old reader must not count"
    assert (await one.attempt("another", at())).number == 1


async def test_the_count_of_attempts_outlasts_what_bears_its_numbers_and_no_more(client: Any, keys: Keys) -> None:
    registry = RedisRegistry(client, keys, clock=lambda: 5, max_entries=100, kept=14 * DAY)
    attempt = await registry.attempt("test", at())
    event = observed(run=run_of("test", at(), attempt))
    key, longest = keys.attempt("test", at().uid), 14 * DAY
    for act in (registry.observe(event, plan(), None, publish=True), registry.retire(event)):
        await client.persist(key)
        await act
        assert longest - 60 < await client.ttl(key) <= longest
        assert await client.ttl(key) >= max(
            [await client.ttl(name) async for name in client.scan_iter(f"{{{keys.tag}}}:*")]
        )


async def test_a_decision_whose_telling_is_repeated_is_told_once(
    journal: RedisJournal, client: Any, keys: Keys
) -> None:
    for _ in range(2):
        await journal.tell(DECISION, dedupe_key="advance:1:", ends_intent=True)
    assert await client.xlen(keys.stream("decisions")) == 1
    await journal.tell(DECISION.model_copy(update={"cause": "another"}), dedupe_key="advance:1:")
    assert await client.xlen(keys.stream("decisions")) == 2


async def test_who_led_before_and_slept_writes_nothing_any_more(journal: RedisJournal, client: Any, keys: Keys) -> None:
    await journal.take_over()
    await journal.begin(RUN, INTENT, "advance:1:", OperatorState())
    following = RedisJournal(client, keys, clock=lambda: 5, max_entries=100)
    await following.take_over()
    for write in (
        journal.tell(DECISION, dedupe_key="advance:1:", ends_intent=True),
        journal.begin(RUN, INTENT.model_copy(update={"cause": "another"}), "advance:1:", OperatorState()),
        journal.keep(RUN, OperatorState(held_by="x")),
        journal.remember(RUN, verdict=verdict()),
    ):
        with pytest.raises(DeposedError):
            await write
    assert await following.load(RUN) == ControllerState(INTENT, OperatorState(), "advance:1:", None)
    await following.tell(DECISION, dedupe_key="advance:1:", ends_intent=True)
    assert await client.xlen(keys.stream("decisions")) == 1


async def leading(client: Any, keys: Keys, noted: Position = NOTHING, cluster: str = "test") -> RedisJournal:
    made = RedisJournal(client, keys, clock=lambda: 5, max_entries=100, cluster=cluster)
    assert await made.take_over(noted)
    return made


async def rewind(client: Any, keys: Keys, back: int) -> None:
    """As a backup or a replica that lagged would: fewer writes than there were."""
    await client.hincrby(keys.memory, "written", -back)


async def test_a_redis_without_a_past_has_lost_nothing_and_its_leaders_count_on(client: Any, keys: Keys) -> None:
    first = await leading(client, keys)
    await first.keep(RUN, OperatorState(held_by="bob"))
    await first.tell(DECISION, dedupe_key="t")
    assert first.position.written == 2
    following = await leading(client, keys, first.position)
    assert following.position == first.position
    await following.keep(RUN, OperatorState())
    assert following.position.written == 3


@pytest.mark.parametrize("way", ["emptied", "rewound", "another"])
async def test_nothing_is_written_where_what_was_written_before_is_gone(client: Any, keys: Keys, way: str) -> None:
    journal = await leading(client, keys)
    await journal.keep(RUN, OperatorState(held_by="bob"))
    if way == "emptied":
        await client.delete(keys.memory, keys.control(RUN.id), keys.term("test"))
    elif way == "rewound":
        await rewind(client, keys, 1)
    else:
        await client.hset(keys.memory, "generation", "of another")
    before = await journal.load(RUN)
    for write in (journal.begin(RUN, INTENT, "advance:1:", OperatorState()), journal.tell(DECISION, dedupe_key="t")):
        with pytest.raises(LostError):
            await write
    assert await journal.load(RUN) == before
    assert not await client.exists(keys.stream("decisions"))
    assert journal.lost.is_set()
    assert not await journal.take_over()
    assert not journal.lost.is_set()
    await journal.keep(RUN, OperatorState(held_by="bob"))


async def test_a_leader_that_has_nothing_to_write_notices_too(client: Any, keys: Keys) -> None:
    journal = await leading(client, keys)
    await journal.look()
    assert not journal.lost.is_set()
    await client.delete(keys.memory)
    await journal.look()
    assert journal.lost.is_set()


@pytest.mark.parametrize("back", [1, None])
async def test_the_next_leader_finds_what_is_missing_by_what_was_noted_outside(
    client: Any, keys: Keys, back: int | None
) -> None:
    journal = await leading(client, keys)
    await journal.keep(RUN, OperatorState(held_by="bob"))
    noted = journal.position
    if back:
        await rewind(client, keys, back)
    else:
        await client.delete(keys.memory)
    following = RedisJournal(client, keys, clock=lambda: 5, max_entries=100, cluster="test")
    assert not await following.take_over(noted)
    assert following.position.generation != noted.generation, "all others are to notice"
    assert not await (RedisJournal(client, keys, clock=lambda: 5, max_entries=100)).take_over(noted), "until noted"
    assert await (RedisJournal(client, keys, clock=lambda: 5, max_entries=100)).take_over(following.position)


async def test_the_leaders_of_two_clusters_notice_one_loss_and_give_it_one_name(client: Any, keys: Keys) -> None:
    one, two = await leading(client, keys, cluster="one"), await leading(client, keys, cluster="two")
    await one.keep(RUN, OperatorState())
    await rewind(client, keys, 1)
    assert not await one.take_over()
    assert not await two.take_over()
    assert one.position.generation == two.position.generation
    await one.keep(RUN, OperatorState())
    await two.keep(RUN, OperatorState())


async def test_what_a_controller_remembers_is_written_down_whole(client: Any, keys: Keys) -> None:
    journal = await leading(client, keys)
    control = ControllerState(
        INTENT, OperatorState(approvals={3: APPROVAL}, held_by="bob", handled=("c2",)), "advance:1:", verdict()
    )
    await journal.restore(RUN, control)
    assert await journal.load(RUN) == control
