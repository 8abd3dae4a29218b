"""`serinus conformance` against a Redis that the collector's own registry wrote, and one that something else did."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from anyio.to_thread import run_sync
from serinus_collecting.ports import Lease
from serinus_collector.adapters.registry import RedisRegistry
from serinus_contracts import Keys, MetricsCollected, Proportion, Window, seal, to_entry
from serinus_contracts.plan import query_digest
from serinus_controller.adapters.registry import RedisRegistry as ControllersRegistry
from serinus_counting.windows import RunState
from serinus_runtime.redis import connected

from tests.guarded import guarded
from tests.integration.cli.command import serinus
from tests.servers import RedisServer
from tests.support import ERRORS, RUN, observed, plan, snapshot

__all__ = ["guarded"]
pytestmark = pytest.mark.anyio
FIRST, LAST = 1_010_000, 1_014_000


def collected(follows: int, end: int, **other: Any) -> MetricsCollected:
    fields = {"canary": {"a": (1, 9)}, "stable": {"b": (2, 90)}, "query_digest": query_digest(str(ERRORS.source.query))}
    window = Window(begin=follows or end - 5_000, end=end)
    return snapshot(follows, end, metrics={"errors": Proportion(status="ok", window=window, **(fields | other))})


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Any]:
    async with connected(redis_url) as made:
        yield made


@pytest.fixture
async def written(client: Any, keys: Keys) -> None:
    """A run and five snapshots, of which one was tried again by a second worker."""
    await ControllersRegistry(client, keys, clock=lambda: 5, max_entries=1_000).observe(
        observed(), plan(), 2_000_000, publish=True
    )
    await client.zadd(keys.due, {RUN.id: 1})
    registry = RedisRegistry(
        client, keys, clock=lambda: 5, lease_ms=60_000, allowance_ms=0, max_entries=100_000, share=1.0
    )
    lease, follows = Lease(RUN.id, 1, 1), 0
    for end in range(FIRST, LAST + 1, 1_000):
        loaded = await registry.load(RUN.id)
        assert loaded is not None
        state = loaded[0]
        after: RunState = replace(state, follows=end, ends_stage=state.observed.stage_started, ends={"errors": end})
        assert await registry.commit(lease, state, after, collected(follows, end), 99_000) == "done"
        assert await registry.commit(lease, state, after, collected(follows, end), 99_000) == "moved"
        follows = end


async def conformance(url: str, keys: Keys, *more: str) -> tuple[int, str]:
    shown = await run_sync(lambda: serinus("conformance", url, "--tag", keys.tag, *more))
    return shown.returncode, shown.stdout + shown.stderr


@pytest.mark.usefixtures("written")
async def test_what_the_collector_writes_breaks_no_rule_though_each_snapshot_was_tried_twice(
    redis_url: str, keys: Keys
) -> None:
    code, told = await conformance(redis_url, keys, "-o", "json")
    found = json.loads(told)
    assert [(one["rule"], one["violations"]) for one in found["rules"] if one["violations"]] == []
    assert (code, found["runs"], found["notes"]) == (0, 1, [])
    assert {one["rule"] for one in found["rules"] if not one["checked"]} == set()


@pytest.mark.usefixtures("written")
async def test_what_something_else_writes_is_told_by_its_entry_with_the_rule_that_it_breaks(
    redis_url: str, keys: Keys, client: Any
) -> None:
    bad = collected(LAST - 1_000, LAST + 1_000, canary={"a": (9, 1)})
    entry = await client.xadd(keys.stream("snapshots"), to_entry(seal(bad, source="/other", now=5)))
    code, told = await conformance(redis_url, keys)
    assert code == 3
    assert f"{entry.decode()} of {RUN.id}: follows {LAST - 1_000}, the one before ended at {LAST}" in told
    assert "errors has 9 events of 1 trials of a" in told
    assert f"follows says {LAST}, the last snapshot ended at {LAST + 1_000}" in told
    assert "✔ once: a snapshot is in the stream once, however often it was tried (6 checked)" in told
    assert "✖ chain:" in told


async def test_the_user_who_only_reads_may_run_it_and_is_told_what_it_may_not_see(
    guarded: tuple[RedisServer, Mapping[str, str]],
) -> None:
    _, by_user = guarded
    keys = Keys()
    async with connected(by_user["admin"]) as client:
        entry: Any = to_entry(seal(collected(0, FIRST), source="/x", now=5))
        await client.xadd(keys.stream("snapshots"), entry)
        await client.set(keys.plan(plan().digest), plan().canonical)
        await client.hset(keys.run(RUN.id), "observed", "{}")
    code, told = await conformance(by_user["reader"], keys)
    assert (code, "✖" in told) == (0, False), told
    assert "note: this user may not read the registry" in told


async def test_without_a_snapshot_there_is_nothing_to_hold_and_that_is_no_success(redis_url: str, keys: Keys) -> None:
    code, told = await conformance(redis_url, keys, "--for", "100ms")
    assert code == 4
    assert "There is no snapshot in the stream: let a release run" in told
    assert (await conformance(redis_url, keys, "--for", "soon"))[0] == 2
    assert (await conformance("redis://127.0.0.1:1", keys))[0] == 1
