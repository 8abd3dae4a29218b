"""The commit of verdicts, on a real server."""

from dataclasses import replace
from typing import Any

import pytest
from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.use_cases.ports import Commit
from serinus_contracts import Keys, VerdictReached, from_entry
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_judging.run_record import RunRecord
from serinus_runtime.streams import ensure_group

from tests.support import RUN, verdict

pytestmark = pytest.mark.anyio
AFTER = RunRecord(
    through=1_010_000,
    evaluations=1,
    gaps=0,
    verdict="hold",
    reason="settling",
    since=1_010_000,
    plan="p",
    evidence=b"\x00\xff",
)


@pytest.fixture
def evidence(client: Any, keys: Keys) -> RedisEvidence:
    return RedisEvidence(client, keys, clock=lambda: 5, max_entries=100)


async def delivered(client: Any, keys: Keys, count: int) -> list[bytes]:
    """Entries that an analyzer has read and not yet finished."""
    stream = keys.stream("snapshots")
    await ensure_group(client, stream, ANALYZER_GROUP)
    for _ in range(count):
        await client.xadd(stream, {"n": 1})
    read: Any = await client.xreadgroup(ANALYZER_GROUP, "a", {stream: ">"})
    return [entry for entry, _ in read[0][1]]


async def pending(client: Any, keys: Keys) -> int:
    count: int = (await client.xpending(keys.stream("snapshots"), ANALYZER_GROUP))["pending"]
    return count


async def test_a_commit_writes_evidence_verdicts_and_acknowledges_in_one(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    entries = await delivered(client, keys, 2)
    told = [verdict(end=1_009_000), verdict()]
    assert await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, told, entries)]) == [True]
    assert await evidence.load([RUN.id]) == {RUN.id: AFTER}
    found = [from_entry(VerdictReached, fields).data for _, fields in await client.xrange(keys.stream("verdicts"))]
    assert found == told
    assert await pending(client, keys) == 0
    assert await client.ttl(keys.evidence(RUN.id)) > 0


async def test_gaps_are_kept_from_the_first_on(evidence: RedisEvidence, client: Any, keys: Keys) -> None:
    first, second = await delivered(client, keys, 2)
    await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [verdict()], [first])])
    assert not await client.hexists(keys.evidence(RUN.id), "gaps")
    after = replace(AFTER, through=1_040_000, gaps=2)
    await evidence.commit([Commit(RUN.id, AFTER, after, [verdict(end=1_040_000)], [second])])
    assert await evidence.load([RUN.id]) == {RUN.id: after}


async def test_who_comes_second_changes_nothing_at_all(evidence: RedisEvidence, client: Any, keys: Keys) -> None:
    first, second = await delivered(client, keys, 2)
    await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [verdict()], [first])])
    other = replace(AFTER, evidence=b"other")
    assert await evidence.commit([Commit(RUN.id, RunRecord(), other, [verdict()], [second])]) == [False]
    assert await evidence.load([RUN.id]) == {RUN.id: AFTER}
    assert await client.xlen(keys.stream("verdicts")) == 1
    assert await pending(client, keys) == 1


async def test_runs_of_one_batch_are_committed_each_for_itself(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    one, two = await delivered(client, keys, 2)
    await evidence.commit([Commit("run-a", RunRecord(), AFTER, [verdict()], [one])])
    folds = [
        Commit("run-a", RunRecord(), AFTER, [verdict()], [one]),
        Commit("run-b", RunRecord(), AFTER, [verdict()], [two]),
    ]
    assert await evidence.commit(folds) == [False, True]


async def test_a_run_not_seen_before_has_an_empty_state(evidence: RedisEvidence) -> None:
    assert await evidence.load(["nobody"]) == {"nobody": RunRecord()}


async def test_a_snapshot_that_is_not_in_the_stream_any_more_changes_nothing(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    (entry,) = await delivered(client, keys, 1)
    await client.xdel(keys.stream("snapshots"), entry)
    assert await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [verdict()], [entry])]) == [False]
    assert await evidence.load([RUN.id]) == {RUN.id: RunRecord()}
