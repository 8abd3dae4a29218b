"""The commit of verdicts, on a real server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ReadOnlyError, ResponseError
from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.use_cases.ports import Commit
from serinus_contracts import Keys, VerdictReached, from_entry
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_judging.run_record import RunRecord
from serinus_runtime.redis import connected
from serinus_runtime.streams import ensure_group

from tests.servers import RedisServer, redis_binary
from tests.support import RUN, verdict, written_verdict
from tests.topologies import started

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
    told = [written_verdict(end=1_009_000), written_verdict()]
    assert await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, told, entries)]) == [True]
    assert await evidence.load([RUN.id]) == {RUN.id: AFTER}
    found = [from_entry(VerdictReached, fields).data for _, fields in await client.xrange(keys.stream("verdicts"))]
    assert found == [verdict(end=1_009_000), verdict()]
    assert await pending(client, keys) == 0
    assert await client.ttl(keys.evidence(RUN.id)) > 0


async def test_gaps_are_kept_from_the_first_on(evidence: RedisEvidence, client: Any, keys: Keys) -> None:
    first, second = await delivered(client, keys, 2)
    await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [first])])
    assert not await client.hexists(keys.evidence(RUN.id), "gaps")
    after = replace(AFTER, through=1_040_000, gaps=2)
    await evidence.commit([Commit(RUN.id, AFTER, after, [written_verdict(end=1_040_000)], [second])])
    assert await evidence.load([RUN.id]) == {RUN.id: after}


async def test_who_comes_second_changes_nothing_at_all(evidence: RedisEvidence, client: Any, keys: Keys) -> None:
    first, second = await delivered(client, keys, 2)
    await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [first])])
    other = replace(AFTER, evidence=b"other")
    assert await evidence.commit([Commit(RUN.id, RunRecord(), other, [written_verdict()], [second])]) == [False]
    assert await evidence.load([RUN.id]) == {RUN.id: AFTER}
    assert await client.xlen(keys.stream("verdicts")) == 1
    assert await pending(client, keys) == 1


async def test_runs_of_one_batch_are_committed_each_for_itself(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    one, two = await delivered(client, keys, 2)
    await evidence.commit([Commit("run-a", RunRecord(), AFTER, [written_verdict()], [one])])
    folds = [
        Commit("run-a", RunRecord(), AFTER, [written_verdict()], [one]),
        Commit("run-b", RunRecord(), AFTER, [written_verdict()], [two]),
    ]
    assert await evidence.commit(folds) == [False, True]


async def test_a_run_not_seen_before_has_an_empty_state(evidence: RedisEvidence) -> None:
    assert await evidence.load(["nobody"]) == {"nobody": RunRecord()}


@pytest.mark.parametrize("group", ["with an empty stream", "not even"])
async def test_a_snapshot_that_a_failover_lost_with_its_delivery_changes_nothing(
    evidence: RedisEvidence, client: Any, keys: Keys, group: str
) -> None:
    (entry,) = await delivered(client, keys, 1)
    await client.delete(keys.stream("snapshots"))
    if group == "with an empty stream":
        await ensure_group(client, keys.stream("snapshots"), ANALYZER_GROUP)
    assert await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [entry])]) == [False]
    assert await evidence.load([RUN.id]) == {RUN.id: RunRecord()}


async def test_a_snapshot_whose_delivery_a_failover_lost_is_judged_when_it_is_delivered_again(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    stream = keys.stream("snapshots")
    (entry,) = await delivered(client, keys, 1)
    await client.xgroup_destroy(stream, ANALYZER_GROUP)
    await ensure_group(client, stream, ANALYZER_GROUP)
    commit = Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [entry])
    assert await evidence.commit([commit]) == [False]
    assert await client.xlen(keys.stream("verdicts")) == 0
    await client.xreadgroup(ANALYZER_GROUP, "b", {stream: ">"})
    assert await evidence.commit([commit]) == [True]
    assert await pending(client, keys) == 0


async def test_of_several_snapshots_none_is_acknowledged_where_one_is_lost(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    first, second = await delivered(client, keys, 2)
    await client.xack(keys.stream("snapshots"), ANALYZER_GROUP, second)
    told = [written_verdict(end=1_009_000), written_verdict()]
    assert await evidence.commit([Commit(RUN.id, RunRecord(), AFTER, told, [first, second])]) == [False]
    assert await pending(client, keys) == 1


async def test_more_runs_than_one_call_takes_are_committed_each_with_its_own(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    entries = await delivered(client, keys, 45)
    runs = [f"run-{number}" for number in range(45)]
    afters = [replace(AFTER, evidence=run.encode(), gaps=number % 2) for number, run in enumerate(runs)]
    commits = [
        Commit(run, RunRecord(), after, [written_verdict(evaluation=number)], [entry])
        for number, (run, after, entry) in enumerate(zip(runs, afters, entries, strict=True))
    ]
    assert await evidence.commit(commits) == [True] * 45
    assert await evidence.load(runs) == dict(zip(runs, afters, strict=True))
    told = [from_entry(VerdictReached, fields).data for _, fields in await client.xrange(keys.stream("verdicts"))]
    assert [one.evaluation for one in told] == list(range(45))
    assert await pending(client, keys) == 0


async def test_what_redis_refuses_of_one_run_is_raised_and_keeps_no_other_from_being_committed(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    entries = await delivered(client, keys, 3)
    await client.set(keys.evidence("run-1"), "no hash")
    commits = [Commit(f"run-{i}", RunRecord(), AFTER, [written_verdict()], [entry]) for i, entry in enumerate(entries)]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await evidence.commit(commits)
    assert await evidence.load(["run-0", "run-2"]) == {"run-0": AFTER, "run-2": AFTER}
    assert await pending(client, keys) == 1


async def test_evidence_stays_where_its_verdicts_cannot_be_published(
    evidence: RedisEvidence, client: Any, keys: Keys
) -> None:
    (entry,) = await delivered(client, keys, 1)
    commits = [Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [entry])]
    await client.set(keys.stream("verdicts"), "no stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await evidence.commit(commits)
    assert await evidence.load([RUN.id]) == {RUN.id: RunRecord()}
    await client.delete(keys.stream("verdicts"))
    assert await evidence.commit(commits) == [True]


async def test_a_server_that_has_become_a_replica_refuses_the_whole_call_so_that_its_client_connects_anew(
    tmp_path: Path, keys: Keys
) -> None:
    with started(RedisServer(redis_binary(), tmp_path)) as server:
        async with connected(server.url) as own:
            evidence = RedisEvidence(own, keys, clock=lambda: 5, max_entries=100)
            (entry,) = await delivered(own, keys, 1)
            commits = [Commit(RUN.id, RunRecord(), AFTER, [written_verdict()], [entry])]
            await own.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
            with pytest.raises(ReadOnlyError):
                await evidence.commit(commits)
            await own.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]
            assert await evidence.commit(commits) == [True]
