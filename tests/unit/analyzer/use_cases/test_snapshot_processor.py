"""Processing snapshots, against a stream and evidence in memory that behave as the scripts do."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from redis.exceptions import ConnectionError as RedisAwayError
from redis.exceptions import ResponseError
from serinus_analyzer.entrypoints.streams import SnapshotStream
from serinus_analyzer.use_cases.ports import Commit
from serinus_analyzer.use_cases.snapshot_processor import LOST_CHECK_TRIES, MAX_TRIES, SnapshotProcessor, Telemetry
from serinus_contracts import AnalysisPlan, MetricsCollected, Proportion, Scalar, VerdictReached, seal, to_entry
from serinus_judging.assessment import Fields
from serinus_judging.evaluation import Evaluation, evaluate
from serinus_judging.run_record import RunRecord
from serinus_runtime.streams import Entry

from tests.support import RUN, plan, snapshot

pytestmark = pytest.mark.anyio


@dataclass
class World:
    """One stream with its group, and the evidence that all analyzers share."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    pending: set[bytes] = field(default_factory=set)
    buried: list[tuple[bytes, str]] = field(default_factory=list)
    states: dict[str, RunRecord] = field(default_factory=dict)
    verdicts: list[VerdictReached] = field(default_factory=list)
    plans: dict[str, AnalysisPlan] = field(default_factory=lambda: {plan().digest: plan()})

    def publish(self, look: MetricsCollected) -> Entry:
        entry = {name.encode(): value.encode() for name, value in to_entry(seal(look, source="/s", now=0)).items()}
        return self.publish_raw(entry)

    def publish_raw(self, fields: dict[bytes, bytes]) -> Entry:
        entry = Entry(f"{len(self.entries) + 1}-0".encode(), fields)
        self.entries[entry.id] = entry
        self.pending.add(entry.id)
        return entry

    async def ack(self, *ids: bytes) -> None:
        self.pending -= set(ids)

    async def dead_letter(self, entry: Entry, error: str) -> None:
        self.buried.append((entry.id, error))
        self.pending.discard(entry.id)

    async def oldest_pending(self) -> bytes | None:
        return min(self.pending, key=lambda entry: int(entry.split(b"-")[0]), default=None)

    async def lost(self, ids: Sequence[bytes]) -> list[bytes]:
        return [id_ for id_ in ids if id_ not in self.entries]

    async def load(self, runs: Sequence[str]) -> Mapping[str, RunRecord]:
        return {run: self.states.get(run, RunRecord()) for run in runs}

    async def plan(self, digest: str) -> AnalysisPlan | None:
        return self.plans.get(digest)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[bool]:
        done = []
        for one in commits:
            free = self.states.get(one.run, RunRecord()).through == one.before.through
            free = free and all(entry in self.entries for entry in one.entries)
            done.append(free)
            if free:
                self.states[one.run] = one.after
                self.verdicts += [VerdictReached.model_validate_json(verdict.data) for verdict in one.verdicts]
                self.pending -= set(one.entries)
        return done

    def analyzer(self) -> SnapshotStream:
        return SnapshotStream(SnapshotProcessor(self, self, Telemetry(CollectorRegistry())), asyncio.Event())


def snapshots(count: int) -> list[MetricsCollected]:
    ends = [0, *(1_010_000 + 1000 * i for i in range(count))]
    return [snapshot(follows, end) for follows, end in itertools.pairwise(ends)]


def told(world: World) -> list[int]:
    return [verdict.end for verdict in world.verdicts]


async def test_snapshots_become_verdicts_one_each_in_order_and_are_acknowledged() -> None:
    world = World()
    await world.analyzer().on_entries([world.publish(look) for look in snapshots(3)])
    assert told(world) == [1_010_000, 1_011_000, 1_012_000]
    assert [verdict.evaluation for verdict in world.verdicts] == [1, 2, 3]
    assert world.pending == set()


async def test_a_snapshot_waits_for_the_one_before_it() -> None:
    world = World()
    first, second = [world.publish(look) for look in snapshots(2)]
    mine, other = world.analyzer(), world.analyzer()
    await mine.on_entries([second])
    await mine.retry()
    assert told(world) == []
    await other.on_entries([first])
    await mine.retry()
    assert told(world) == [1_010_000, 1_011_000]
    assert world.verdicts[-1].quality.gaps == 0


async def test_a_repeat_is_acknowledged_and_told_only_once() -> None:
    world = World()
    analyzer = world.analyzer()
    (look,) = snapshots(1)
    await analyzer.on_entries([world.publish(look)])
    await analyzer.on_entries([world.publish(look)])
    assert told(world) == [1_010_000]
    assert world.pending == set()


async def test_a_slower_analyzer_changes_nothing_and_lets_go() -> None:
    world = World()
    entries = [world.publish(look) for look in snapshots(2)]

    class Slow(World):
        async def commit(self, commits: Sequence[Commit]) -> Sequence[bool]:
            await world.analyzer().on_entries(entries)
            return await world.commit(commits)

    slow = Slow(world.entries, world.pending, world.buried, world.states, world.verdicts)
    processor = SnapshotProcessor(world, slow, Telemetry(CollectorRegistry()))
    analyzer = SnapshotStream(processor, asyncio.Event())
    await analyzer.on_entries(entries)
    assert told(world) == [1_010_000, 1_011_000]
    await analyzer.retry()
    assert told(world) == [1_010_000, 1_011_000]
    assert list(processor.queue) == []


async def test_a_snapshot_behind_one_that_is_gone_for_good_is_judged_with_a_recorded_gap() -> None:
    world = World()
    analyzer = world.analyzer()
    first, _, third = snapshots(3)
    await analyzer.on_entries([world.publish(first), world.publish(third)])
    assert told(world) == [1_010_000]
    await analyzer.retry()
    assert told(world) == [1_010_000, 1_012_000]
    assert world.verdicts[-1].quality.gaps == 1


async def test_no_gap_is_taken_while_an_older_entry_is_still_pending_somewhere() -> None:
    world = World()
    analyzer = world.analyzer()
    first, second, third = [world.publish(look) for look in snapshots(3)]
    await analyzer.on_entries([first, third])
    for _ in range(50):
        await analyzer.retry()
    assert told(world) == [1_010_000]
    await analyzer.on_entries([second])
    assert told(world) == [1_010_000, 1_011_000, 1_012_000]


async def test_a_garbled_entry_becomes_a_dead_letter_and_the_rest_goes_on() -> None:
    world = World()
    good = [world.publish(look) for look in snapshots(2)]
    bad = [world.publish_raw({b"ce": b"{"}), world.publish_raw({b"x": b"y"})]
    await world.analyzer().on_entries([bad[0], good[0], bad[1], good[1]])
    assert told(world) == [1_010_000, 1_011_000]
    assert [entry for entry, _ in world.buried] == [entry.id for entry in bad]


async def test_a_snapshot_that_the_judge_cannot_bear_becomes_a_dead_letter_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    analyzer = world.analyzer()
    judge = evaluate

    def brittle(steps: Sequence[Evaluation]) -> list[tuple[RunRecord, Fields]]:
        if any(step.snapshot.end == 1_011_000 for step in steps):
            raise ZeroDivisionError("by nothing")
        return judge(steps)

    monkeypatch.setattr("serinus_analyzer.use_cases.snapshot_processor.evaluate", brittle)
    await analyzer.on_entries([world.publish(look) for look in snapshots(3)])
    await analyzer.retry()
    await analyzer.retry()
    assert told(world) == [1_010_000, 1_012_000]
    ((_, error),) = world.buried
    assert "ZeroDivisionError: by nothing" in error


async def test_runs_of_one_batch_are_judged_together_and_a_bad_snapshot_spares_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    other = RUN.model_copy(update={"uid": "u-2"})
    judge = evaluate

    def brittle(steps: Sequence[Evaluation]) -> list[tuple[RunRecord, Fields]]:
        if any(step.snapshot.run == other for step in steps):
            raise ZeroDivisionError("by nothing")
        return judge(steps)

    monkeypatch.setattr("serinus_analyzer.use_cases.snapshot_processor.evaluate", brittle)
    mine = snapshots(2)
    await world.analyzer().on_entries([world.publish(look) for look in (mine[0], snapshot(run=other), mine[1])])
    assert told(world) == [1_010_000, 1_011_000]
    assert len(world.buried) == 1


async def test_a_missing_plan_is_waited_for_and_in_the_end_given_up() -> None:
    world = World()
    plans = dict(world.plans)
    world.plans.clear()
    analyzer = world.analyzer()
    first, second = snapshots(2)
    await analyzer.on_entries([world.publish(first)])
    await analyzer.retry()
    assert (told(world), world.buried) == ([], [])
    world.plans.update(plans)
    await analyzer.retry()
    assert told(world) == [1_010_000]
    world.plans.clear()
    await analyzer.on_entries([world.publish(second)])
    for _ in range(MAX_TRIES):
        await analyzer.retry()
    ((_, error),) = world.buried
    assert error == f"plan {plan().digest} is not in Redis"


async def test_a_changed_verdict_says_since_when_it_stands() -> None:
    world = World()
    await world.analyzer().on_entries([world.publish(look) for look in snapshots(6)])
    for before, after in itertools.pairwise(world.verdicts):
        same = (before.verdict, before.reason) == (after.verdict, after.reason)
        assert after.changed is not same
        assert after.since == (before.since if same else after.end)


@given(st.permutations(range(6)), st.lists(st.integers(0, 1), min_size=6, max_size=6), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
async def test_whoever_reads_what_in_whatever_order_each_snapshot_is_judged_once_and_in_order(
    order: list[int], reader_of: list[int], repeated: int
) -> None:
    world = World()
    chain_of = snapshots(6)
    entries = [world.publish(look) for look in chain_of]
    entries.append(world.publish(chain_of[repeated]))
    folders = [world.analyzer(), world.analyzer()]
    for position in order:
        await folders[reader_of[position]].on_entries([entries[position]])
    await folders[0].on_entries([entries[6]])
    for _ in range(8):
        for analyzer in folders:
            await analyzer.retry()
    assert told(world) == [look.end for look in chain_of]
    assert world.pending == set()
    assert world.verdicts[-1].quality.gaps == 0
    assert world.states[RUN.id].evaluations == 6


async def test_a_snapshot_that_a_failover_lost_is_not_judged_and_the_one_taken_in_its_place_is() -> None:
    world = World()
    analyzer = world.analyzer()
    first, lost = snapshots(2)
    await analyzer.on_entries([world.publish(first)])
    phantom, again = world.publish(lost), world.publish(snapshot(lost.follows, lost.end + 700))
    del world.entries[phantom.id]
    await analyzer.on_entries([phantom])
    await analyzer.on_entries([again])
    assert told(world) == [first.end]
    for _ in range(LOST_CHECK_TRIES):
        await analyzer.retry()
    assert told(world) == [first.end, lost.end + 700]


async def test_a_snapshot_that_overlaps_what_was_judged_becomes_a_dead_letter_and_does_not_count_twice() -> None:
    world = World()
    analyzer = world.analyzer()
    first, second = snapshots(2)
    await analyzer.on_entries([world.publish(first), world.publish(second)])
    await analyzer.on_entries([world.publish(snapshot(first.end, second.end + 700))])
    assert told(world) == [first.end, second.end]
    assert "snapshots to 1011000 are judged already" in world.buried[0][1]
    assert world.pending == set()


SPOILT = RUN.model_copy(update={"uid": "u-0"})
FAULTS = [
    ("load", ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")),
    ("load", ValueError("no number")),
    ("plan", ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")),
    ("plan", RuntimeError("a bug")),
]


@dataclass
class Faulty(World):
    """What is kept of one run cannot be read."""

    part: str = ""
    fault: Exception = field(default_factory=Exception)

    async def load(self, runs: Sequence[str]) -> Mapping[str, RunRecord]:
        if self.part == "load" and SPOILT.id in runs:
            raise self.fault
        return await super().load(runs)

    async def plan(self, digest: str) -> AnalysisPlan | None:
        if self.part == "plan" and digest == "spoilt":
            raise self.fault
        return await super().plan(digest)


@pytest.mark.parametrize(("part", "fault"), FAULTS)
async def test_a_run_of_which_something_cannot_be_read_is_not_judged_and_given_up_while_others_go_on(
    part: str, fault: Exception
) -> None:
    world = Faulty(part=part, fault=fault)
    analyzer = world.analyzer()
    (look,) = snapshots(1)
    spoilt = world.publish(look.model_copy(update={"run": SPOILT, "plan": "spoilt" if part == "plan" else look.plan}))
    await analyzer.on_entries([spoilt, world.publish(look)])
    assert [one.run for one in world.verdicts] == [RUN]
    assert world.pending == {spoilt.id}
    for _ in range(MAX_TRIES):
        await analyzer.retry()
    assert [(id_, str(fault) in why) for id_, why in world.buried] == [(spoilt.id, True)]


async def test_a_redis_that_is_away_is_raised_for_all() -> None:
    world = Faulty(part="load", fault=RedisAwayError("away"))
    (look,) = snapshots(1)
    with pytest.raises(RedisAwayError):
        await world.analyzer().on_entries([world.publish(look.model_copy(update={"run": SPOILT}))])


async def test_a_small_snapshots_verdict_is_out_before_a_large_one_that_came_first_is_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, judge, out_before = World(), evaluate, list[tuple[int, int]]()

    def watched(steps: Sequence[Evaluation]) -> list[tuple[RunRecord, Fields]]:
        out_before.append((len(steps), len(world.verdicts)))
        return judge(steps)

    monkeypatch.setattr("serinus_analyzer.use_cases.snapshot_processor.evaluate", watched)
    (first,) = snapshots(1)
    many = {f"m{number}": first.metrics["errors"] for number in range(50)}
    values = {"asked": Scalar(status="ok", values=(1.0,) * 2_000)}
    looks = [
        first.model_copy(update={"run": RUN.model_copy(update={"uid": f"u-{index}"}), "metrics": metrics})
        for index, metrics in enumerate((many, values, first.metrics, many, first.metrics))
    ]
    await world.analyzer().on_entries([world.publish(look) for look in looks])
    assert [one.run.uid for one in world.verdicts[:2]] == ["u-2", "u-4"]
    assert out_before == [(2, 0), (1, 2), (1, 3), (1, 4)]


async def test_between_large_snapshots_the_loop_turns_so_that_health_is_answered() -> None:
    world, turns = World(), 0
    large = Proportion(status="ok", canary={f"checkout-new-{number}": (1, 500) for number in range(40_000)}, stable={})
    entries = [
        world.publish(look.model_copy(update={"metrics": {"errors": large}}))
        for run in range(4)
        for look in [snapshot(run=RUN.model_copy(update={"uid": f"u-{run}"}))]
    ]

    async def turning() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(turning())
    await world.analyzer().on_entries(entries)
    other.cancel()
    assert len(world.verdicts) == 4
    assert turns >= 4
