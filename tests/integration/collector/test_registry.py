"""The registry's scripts, on a real server: what the controller makes known, what collectors lease and commit."""

from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ResponseError
from serinus_collecting.ports import Lease
from serinus_collector.adapters.registry import RedisRegistry
from serinus_contracts import Keys, MetricsCollected, RolloutObserved, from_entry
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_controller.adapters.registry import RedisRegistry as ControllersRegistry
from serinus_counting.progress import Mark, Progress
from serinus_counting.windows import RunState
from serinus_runtime.errors import PermanentError, concerns_all
from serinus_runtime.streams import ensure_group

from tests.support import RUN, observed, plan, snapshot

pytestmark = pytest.mark.anyio
STARTED = 1_000_000


@pytest.fixture
def registry(client: Any, keys: Keys) -> RedisRegistry:
    return collectors(client, keys)


def collectors(client: Any, keys: Keys, **options: Any) -> RedisRegistry:
    fields: dict[str, Any] = {"clock": lambda: 5, "lease_ms": 60_000, "allowance_ms": 2_000, "max_entries": 100_000}
    return RedisRegistry(client, keys, **(fields | options))


@pytest.fixture
def controller(client: Any, keys: Keys) -> ControllersRegistry:
    return ControllersRegistry(client, keys, clock=lambda: 5, max_entries=1_000)


async def make_known(
    controller: ControllersRegistry, client: Any, keys: Keys, constant: int | None = 2_000_000, **fields: Any
) -> Lease:
    """A run that is due now."""
    await controller.observe(observed(**fields), plan(), constant, publish=True)
    await client.zadd(keys.due, {RUN.id: 1})
    return Lease(RUN.id, 1, 1)


def after(state: RunState, end: int = 1_010_000) -> RunState:
    stage = state.observed.stage_started
    progress = Progress(stage, 500, {"bWFya2Vk": Mark(end - 200, {"c2VyaWVz": end - 900}, 1, 2)})
    return replace(
        state, follows=end, ends_stage=stage, ends={"errors": end}, progress={"errors": progress}, scrape_ms=500
    )


async def loaded(registry: RedisRegistry) -> RunState:
    found = await registry.load(RUN.id)
    assert found is not None
    assert found[1] == plan()
    return found[0]


async def test_a_due_run_is_leased_once_and_comes_back_when_the_lease_has_ended(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    await make_known(controller, client, keys)
    (lease,), _ = await registry.lease(10)
    assert (lease.run, lease.due) == (RUN.id, 1)
    nobody, wait = await registry.lease(10)
    assert list(nobody) == []
    assert 50 < wait <= 60
    await registry.postpone(lease, 7)
    assert [again.due for again in (await registry.lease(10))[0]] == [7]


async def test_what_a_controller_makes_known_a_collector_loads(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    await make_known(controller, client, keys, constant=1_234_567)
    state = await loaded(registry)
    assert (state.observed, state.weight_constant_until, state.follows) == (observed(), 1_234_567, 0)


async def test_a_snapshot_is_committed_whole_and_the_next_follows_it(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    lease = await make_known(controller, client, keys)
    state = await loaded(registry)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "done"
    assert await loaded(registry) == after(state)
    assert await client.zscore(keys.due, RUN.id) == 99_000
    ((_, fields),) = await client.xrange(keys.stream("snapshots"))
    assert from_entry(MetricsCollected, fields).data == snapshot()
    assert (fields[b"run"], fields[b"end"], fields[b"follows"]) == (RUN.id.encode(), b"1010000", b"0")


async def test_of_two_workers_with_the_same_snapshot_one_commits_it(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    lease = await make_known(controller, client, keys)
    state = await loaded(registry)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "done"
    assert await registry.commit(lease, state, after(state, 1_010_500), snapshot(end=1_010_500), 99_500) == "moved"
    assert await client.xlen(keys.stream("snapshots")) == 1


async def test_a_window_over_a_weight_that_changed_meanwhile_is_not_committed(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    lease = await make_known(controller, client, keys)
    state = await loaded(registry)
    moved = observed(resource_version="11", step=3, stage=1, set_weight=25, stage_started=1_009_500)
    await controller.observe(moved, plan(), 2_000_000, publish=True)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "weight"
    assert await client.xlen(keys.stream("snapshots")) == 0


async def test_no_snapshot_beyond_what_is_known_of_the_weight_is_committed(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    lease = await make_known(controller, client, keys, constant=1_011_999)
    state = await loaded(registry)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "weight"


async def test_a_run_that_has_ended_is_neither_loaded_nor_committed_nor_due(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    lease = await make_known(controller, client, keys)
    state = await loaded(registry)
    await controller.retire(observed(outcome="aborted"))
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "gone"
    assert await registry.load(RUN.id) is None
    assert await client.zcard(keys.due) == 0
    assert 0 < await client.ttl(keys.run(RUN.id)) <= 7 * 86_400


async def test_a_registry_entry_that_cannot_be_read_is_told_and_not_taken_for_no_run(
    registry: RedisRegistry, controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    await make_known(controller, client, keys)
    await client.hset(keys.run(RUN.id), "observed", "garbage")
    with pytest.raises(PermanentError, match="cannot be read"):
        await registry.load(RUN.id)


async def test_trimming_never_eats_what_no_analyzer_has_finished(
    controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    registry = collectors(client, keys, max_entries=1_000)
    stream = keys.stream("snapshots")
    await ensure_group(client, stream, ANALYZER_GROUP)
    async with client.pipeline(transaction=False) as pipe:
        for _ in range(2_000):
            pipe.xadd(stream, {"n": 1})
        await pipe.execute()
    lease = await make_known(controller, client, keys)
    state = await loaded(registry)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "full"
    read: Any = await client.xreadgroup(ANALYZER_GROUP, "a", {stream: ">"}, count=2_000)
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "full"
    await client.xack(stream, ANALYZER_GROUP, *(entry for entry, _ in read[0][1]))
    assert await registry.commit(lease, state, after(state), snapshot(), 99_000) == "done"
    assert await client.xlen(stream) < 1_200


async def test_a_reader_of_an_older_state_of_the_cluster_changes_nothing(
    controller: ControllersRegistry, client: Any, keys: Keys, registry: RedisRegistry
) -> None:
    await make_known(controller, client, keys, resource_version="20")
    await controller.observe(observed(resource_version="19", step=5), plan(), None, publish=True)
    assert (await loaded(registry)).observed.step == 1
    assert await client.xlen(keys.stream("rollouts")) == 1


async def test_what_is_known_of_a_weight_only_grows_within_a_stage_and_begins_anew_with_the_next(
    controller: ControllersRegistry, client: Any, keys: Keys, registry: RedisRegistry
) -> None:
    await make_known(controller, client, keys, constant=1_500_000)
    await controller.observe(observed(), plan(), 1_400_000, publish=False)
    assert (await loaded(registry)).weight_constant_until == 1_500_000
    await controller.observe(observed(stage_started=1_600_000), plan(), None, publish=False)
    assert (await loaded(registry)).weight_constant_until == 1_600_000


async def test_what_a_forgetful_redis_was_given_untold_is_told_once_when_it_is_published(
    controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    await controller.observe(observed(), plan(), 1_400_000, publish=False)
    assert await client.xlen(keys.stream("rollouts")) == await client.llen(keys.story(RUN.id)) == 0
    for _ in range(2):
        await controller.observe(observed(), plan(), None, publish=True)
        assert await client.xlen(keys.stream("rollouts")) == 1
        assert b'"planned"' in await client.lindex(keys.story(RUN.id), 0)


async def test_a_run_that_begins_is_published_and_due_within_its_first_interval(
    controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    now = await controller.now()
    await controller.observe(observed(), plan(), None, publish=True)
    assert now <= await client.zscore(keys.due, RUN.id) <= now + 2_000
    ((_, fields),) = await client.xrange(keys.stream("rollouts"))
    assert from_entry(RolloutObserved, fields).data == observed()
    assert [told.run for told in await controller.live("test")] == [RUN]
    assert list(await controller.live("another-cluster")) == []


async def test_an_observation_and_an_end_whose_telling_is_repeated_are_told_once(
    controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    for _ in range(2):
        await controller.observe(observed(), plan(), 2_000_000, publish=True)
    assert await client.xlen(keys.stream("rollouts")) == 1
    for outcome in ("aborted", "aborted", "superseded"):
        await controller.retire(observed(outcome=outcome))
    assert await client.xlen(keys.stream("rollouts")) == 2
    assert await client.hget(keys.run(RUN.id), "outcome") == b"aborted"


async def test_what_has_not_changed_is_known_to_have_been_constant_a_while_longer_but_no_shorter(
    controller: ControllersRegistry, client: Any, keys: Keys, registry: RedisRegistry
) -> None:
    await make_known(controller, client, keys, constant=1_500_000)
    for until in (1_700_000, 1_600_000):
        assert not await controller.constant([observed()], until)
    assert (await loaded(registry)).weight_constant_until == 1_700_000
    assert await client.xlen(keys.stream("rollouts")) == 1


@pytest.mark.parametrize("lost", ["run", "due", "plan", "version", "stage"])
async def test_a_run_that_the_registry_has_lost_or_knows_otherwise_has_to_be_observed(
    controller: ControllersRegistry, client: Any, keys: Keys, lost: str
) -> None:
    await make_known(controller, client, keys, constant=1_500_000, resource_version="20")
    told = observed(
        resource_version="19" if lost == "version" else "20", stage_started=STARTED + (7 if lost == "stage" else 0)
    )
    gone = {"run": keys.run(RUN.id), "due": keys.due, "plan": keys.plan(plan().digest)}.get(lost)
    if gone:
        await client.delete(gone)
    assert await controller.constant([told], 1_700_000) == {RUN.uid}
    assert await client.hget(keys.run(RUN.id), "weight_constant_until") in (b"1500000", None)


async def test_a_key_of_the_wrong_type_costs_one_run_and_no_other(
    controller: ControllersRegistry, client: Any, keys: Keys, registry: RedisRegistry
) -> None:
    await make_known(controller, client, keys)
    other = f"{RUN.id}2"
    await client.set(keys.run(other), "no hash")
    await client.hset(keys.run(f"{RUN.id}3"), "observed", "no document")
    await client.zadd(keys.due, {other: 2, f"{RUN.id}3": 3})
    assert [told.run for told in await controller.live("test")] == [RUN]
    with pytest.raises(ResponseError) as wrong:
        await registry.load(other)
    assert not concerns_all(wrong.value)
    with pytest.raises(ResponseError) as wrong:
        await controller.retire(observed(run=RUN.model_copy(update={"attempt": int(f"{RUN.attempt}2")})))
    assert not concerns_all(wrong.value)


async def test_a_member_of_the_due_queue_that_is_no_text_is_dropped_and_the_others_are_leased(
    controller: ControllersRegistry, client: Any, keys: Keys, registry: RedisRegistry
) -> None:
    await make_known(controller, client, keys)
    await client.zadd(keys.due, {b"\xff\xfe": 1})
    assert [told.run for told in await controller.live("test")] == [RUN]
    leases, _ = await registry.lease(10)
    assert [lease.run for lease in leases] == [RUN.id]
    assert await client.zscore(keys.due, b"\xff\xfe") is None


async def test_snapshots_of_a_namespace_are_as_far_apart_as_its_share_allows_while_others_have_runs(
    controller: ControllersRegistry, client: Any, keys: Keys
) -> None:
    registry = collectors(client, keys, share=0.5)
    lease = await make_known(controller, client, keys)
    assert [one.namespace for one in (await registry.lease(10))[0]] == ["shop"]
    now, state = await controller.now(), await loaded(registry)

    async def due_after(follows: int, cost_ms: float) -> float:
        nonlocal state
        end = follows + 10
        before, state = state, after(state, end)
        told = snapshot(follows=before.follows, end=end)
        assert await registry.commit(lease, before, state, told, now + 1_000, cost_ms) == "done"
        return float(await client.zscore(keys.due, RUN.id)) - now

    assert await due_after(1_010_000, 9_000) == 1_000, "nobody else has runs"
    await client.zadd(keys.pace, {"other": now})
    assert await due_after(1_011_000, 10) == 1_000
    assert 18_000 < await due_after(1_012_000, 9_000) < 30_000
    assert 36_000 < await due_after(1_013_000, 9_000) < 50_000
    paced = await controller.paced()
    assert set(paced) == {"shop"}
    assert 20 < paced["shop"] < 50
