"""Collecting a snapshot, against a registry and a provider in memory."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
from prometheus_client import CollectorRegistry
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.ports import Answer, Commit, Lease, ProviderError, Unread, Values
from serinus_collecting.telemetry import Telemetry
from serinus_contracts import (
    AnalysisPlan,
    Distribution,
    Matcher,
    MetricsCollected,
    PlanMetric,
    Proportion,
    Queried,
    Selector,
)
from serinus_contracts.metric import Conditions, Margin
from serinus_counting.native_histograms import Histogram
from serinus_counting.series import Series
from serinus_counting.windows import RunState, next_due
from serinus_runtime.fair_slots import FairSlots

from tests.support import ERRORS, LATENCY, RUN, observed, plan

pytestmark = pytest.mark.anyio
T = TypeVar("T")
STARTED = 1_000_000
LEASE = Lease(RUN.id, due=STARTED + 20_000, now=STARTED + 20_000)


@dataclass
class FakeRegistry:
    state: RunState
    plan: AnalysisPlan
    answer: Commit = "done"
    committed: list[tuple[RunState, MetricsCollected, int]] = field(default_factory=list)
    postponed: list[int] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        return [LEASE][:limit], 0.0

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan] | None:
        return self.state, self.plan

    async def commit(
        self, lease: Lease, before: RunState, after: RunState, snapshot: MetricsCollected, due: int, cost_ms: float
    ) -> Commit:
        assert before is self.state
        if self.answer == "done":
            self.committed.append((after, snapshot, due))
            self.state = after
        return self.answer

    async def postpone(self, lease: Lease, due: int) -> None:
        self.postponed.append(due)

    async def give_back(self, leases: Sequence[Lease], due: int) -> None:
        raise NotImplementedError


def unread(answer: T) -> Unread[T]:
    return Unread(200, b"", lambda *_: answer)


@dataclass
class FakeProvider:
    """Counters of one pod per arm that grow by ten a second, scraped every half second."""

    missing_from: int = 10**12
    warnings: tuple[str, ...] = ()
    fails: str = ""
    value_count: int = 2
    asked: list[tuple[str, int, int]] = field(default_factory=list)
    summed: list[tuple[str, Sequence[str], int, int, int]] = field(default_factory=list)

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        """A pod of the revision before that counted ten a second all day."""
        self.summed.append((str(selector), by, end, reach_ms, step_ms))
        if self.fails and self.fails in str(selector):
            raise ProviderError("Prometheus did not answer within 10 s")
        times = list(range(max(0, end - reach_ms), end + 1, step_ms))
        labels = {"pod": "checkout-before-1"} | ({"le": "+Inf"} if "le" in by else {"code": "200"})
        return unread(Answer([Series(labels, times, [(time - times[0]) / 100 for time in times])], self.warnings))

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        self.asked.append((str(selector), end, reach_ms))
        if self.fails and self.fails in str(selector):
            raise ProviderError("Prometheus is not reachable: refused")
        found = []
        for pod in ("checkout-new-1", "checkout-old-1"):
            first = -(-(end - reach_ms) // 500) * 500
            times = [time for time in range(first, end + 1, 500) if time < self.missing_from]
            for le in ("0.1", "+Inf") if "bucket" in str(selector) else ("",):
                labels = {"pod": pod, "instance": pod, "code": "200"} | ({"le": le} if le else {})
                found.append(Series(labels, times, [(time - STARTED) / 100 for time in times]))
        return unread(Answer(found, self.warnings))

    async def values(self, query: str, at: int) -> Unread[Values]:
        self.asked.append((query, at, 0))
        return unread(Values([0.5, None] * (self.value_count // 2), True, self.warnings))


def world(provider: FakeProvider, **changes: object) -> tuple[FakeRegistry, SnapshotCollector]:
    state = RunState(observed=observed(), weight_constant_until=STARTED + 10**9, scrape_ms=500)
    registry = FakeRegistry(replace(state, **changes), plan(metrics=(ERRORS, LATENCY)))  # type: ignore[arg-type]
    queries = MetricQueries({"main": provider}, {"main": FairSlots(4)}, Telemetry(CollectorRegistry()), 5.0)
    return registry, SnapshotCollector(registry, queries, allowance_ms=0)


def asking(collector: SnapshotCollector, **changes: Any) -> SnapshotCollector:
    """The collector, which asks in another way."""
    return replace(collector, queries=replace(collector.queries, **changes))


def with_past(metric: PlanMetric) -> PlanMetric:
    """A metric whose past is read too."""
    query = metric.source.query.where(Matcher(label="pod", op="!~", value="checkout-new-.*"))  # type: ignore[union-attr]
    return metric.model_copy(update={"source": metric.source.model_copy(update={"history": query})})


def canary_of(snapshot: MetricsCollected) -> dict[str, tuple[int, int]]:
    measured = snapshot.metrics["errors"]
    assert isinstance(measured, Proportion)
    return measured.canary


async def test_a_snapshot_carries_the_counts_of_both_arms_and_moves_every_window() -> None:
    registry, collector = world(
        FakeProvider(), follows=STARTED + 18_000, ends_stage=STARTED, ends={"errors": STARTED + 18_000}
    )
    assert await collector.collect(LEASE) == "done"
    ((after, snapshot, due),) = registry.committed
    end = STARTED + 19_500
    assert (snapshot.follows, snapshot.end, snapshot.weight, snapshot.step) == (STARTED + 18_000, end, 5, 1)
    assert canary_of(snapshot) == {"": (0, 15)}
    assert after.ends == {"errors": end, "latency": end}
    assert after.follows == end
    assert due == next_due(RUN.id, LEASE.now, plan(), None)


async def test_a_provider_of_other_namespaces_is_not_asked() -> None:
    provider = FakeProvider()
    registry, collector = world(provider)
    collector = asking(collector, access={"main": ("bank", "pay-*")})
    await collector.collect(LEASE)
    ((_, snapshot, _),) = registry.committed
    assert (provider.asked, provider.summed, snapshot.history) == ([], [], {})
    assert {one.status for one in snapshot.metrics.values()} == {"error"}
    assert snapshot.metrics["errors"].detail.startswith("provider main is not for namespace shop: name another one")


async def test_a_metric_that_fails_keeps_its_window_and_does_not_delay_the_others() -> None:
    provider = FakeProvider(fails="bucket")
    registry, collector = world(
        provider, ends_stage=STARTED, ends={"errors": STARTED + 18_000, "latency": STARTED + 18_000}
    )
    await collector.collect(LEASE)
    ((after, snapshot, _),) = registry.committed
    assert after.ends == {"errors": STARTED + 19_500, "latency": STARTED + 18_000}
    assert snapshot.metrics["latency"].status == "error"
    assert snapshot.metrics["latency"].detail == "Prometheus is not reachable: refused"
    provider.fails = ""
    await collector.collect(replace(LEASE, now=STARTED + 21_000))
    later = registry.committed[-1][1].metrics["latency"]
    assert later.window is not None
    assert (later.window.begin, later.window.end) == (STARTED + 18_000, STARTED + 20_500)


async def test_a_partial_answer_is_not_counted() -> None:
    registry, collector = world(FakeProvider(warnings=("one store is away",)))
    await collector.collect(LEASE)
    ((after, snapshot, _),) = registry.committed
    assert snapshot.metrics["errors"].status == "partial"
    assert snapshot.metrics["errors"].detail == "one store is away"
    assert after.ends == {}


async def test_a_query_whose_values_are_too_many_together_with_the_smaller_is_an_error_and_stops_no_other() -> None:
    registry, collector = world(FakeProvider(value_count=900))
    asked = [Queried(query=f"checks{number}", conditions=Conditions(success="true")) for number in range(3)]
    queries = [PlanMetric(name=source.query, source=source, margin=Margin()) for source in asked]
    registry.plan = plan(metrics=(ERRORS, *queries))
    await collector.collect(LEASE)
    ((_, snapshot, _),) = registry.committed
    statuses = {name: measured.status for name, measured in snapshot.metrics.items()}
    assert statuses == {"errors": "ok", "checks0": "ok", "checks1": "ok", "checks2": "error"}
    assert "more than 2,000 values: aggregate them" in str(snapshot.metrics["checks2"].detail)


async def test_snapshots_become_rarer_while_nothing_answers_and_return_to_pace_after() -> None:
    provider = FakeProvider(fails="http")
    registry, collector = world(provider)
    gaps = []
    for _ in range(5):
        await collector.collect(replace(LEASE, now=LEASE.now + registry.state.failures * 1000))
        gaps.append(registry.committed[-1][2] - LEASE.now)
    assert 1000 <= gaps[0] < 3000
    assert gaps[-1] >= 8000
    provider.fails = ""
    await collector.collect(replace(LEASE, now=LEASE.now + 60_000, due=LEASE.now + 60_000))
    assert registry.committed[-1][0].failures == 0


async def test_one_query_a_metric_and_a_second_only_for_a_base_behind_a_gap() -> None:
    provider = FakeProvider()
    _, collector = world(provider)
    await collector.collect(LEASE)
    assert len(provider.asked) == 2

    class Gap(FakeProvider):
        async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
            self.asked.append((str(selector), end, reach_ms))
            times = [time for time in range(end - reach_ms, end + 1, 500) if not STARTED < time < STARTED + 17_000]
            pods = ("checkout-new-1", "checkout-old-1")
            values = [(time - STARTED) / 100 for time in times]
            labels = ({"pod": pod, "instance": pod, "code": "200", "le": "+Inf"} for pod in pods)
            return unread(Answer([Series(one, times, values) for one in labels]))

    behind = Gap()
    registry, collector = world(
        behind, ends_stage=STARTED, ends={"errors": STARTED + 10_000, "latency": STARTED + 10_000}
    )
    await collector.collect(LEASE)
    assert len(behind.asked) == 4
    assert canary_of(registry.committed[0][1]) == {"": (0, 195)}


async def test_while_the_weight_is_not_known_no_snapshot_is_taken_and_nothing_is_asked() -> None:
    provider = FakeProvider()
    registry, collector = world(provider, weight_constant_until=STARTED)
    assert await collector.collect(LEASE) is None
    assert (registry.committed, provider.asked) == ([], [])
    assert registry.postponed == [LEASE.now + 500]


async def test_a_snapshot_that_was_not_committed_moves_nothing() -> None:
    registry, collector = world(FakeProvider())
    registry.answer = "weight"
    before = registry.state
    assert await collector.collect(LEASE) == "weight"
    assert registry.state is before
    assert registry.postponed


async def test_an_unknown_provider_is_said_in_the_snapshot() -> None:
    registry, collector = world(FakeProvider())
    collector = asking(collector, providers={"eu": FakeProvider()})
    await collector.collect(LEASE)
    detail = registry.committed[0][1].metrics["errors"].detail
    assert detail == "provider 'main' is not configured, known: eu"


async def test_the_first_snapshot_of_a_run_carries_stables_past_up_to_the_run() -> None:
    provider = FakeProvider()
    registry, collector = world(provider)
    registry.plan = plan(metrics=(with_past(ERRORS),))
    await collector.collect(LEASE)
    ((_, first, _),) = registry.committed
    ((_, by, end, reach, step),) = provider.summed
    assert (tuple(by), end, reach, step) == (("pod", "code"), STARTED // 300_000 * 300_000, 86_400_000, 300_000)
    history = first.history["errors"]
    assert history.pods == ("checkout-before-1",)
    assert history.blocks == (((0, 3000),),) * 3
    assert history.ends[-1] == end <= first.stage_started
    await collector.collect(replace(LEASE, now=LEASE.now + 1_000))
    assert registry.committed[-1][1].history == {}
    assert len(provider.summed) == 1


async def test_a_past_that_cannot_be_had_is_left_out_and_the_snapshot_is_taken() -> None:
    for provider in (FakeProvider(fails="_bucket"), FakeProvider(fails="http"), FakeProvider(warnings=("partial",))):
        registry, collector = world(provider)
        registry.plan = plan(metrics=(with_past(ERRORS), with_past(LATENCY)))
        assert await collector.collect(LEASE) == "done"
        assert set(registry.committed[0][1].history) <= {"errors"}


async def test_of_a_metric_whose_past_nobody_names_none_is_read() -> None:
    provider = FakeProvider()
    registry, collector = world(provider)
    await collector.collect(LEASE)
    assert provider.summed == []
    assert registry.committed[0][1].history == {}


async def test_each_query_is_timed_and_a_failed_one_counted_and_a_late_snapshot_shows_its_delay() -> None:
    _, collector = world(FakeProvider(fails="http"))
    metrics = CollectorRegistry()
    collector = asking(collector, telemetry=Telemetry(metrics))
    await collector.collect(replace(LEASE, due=LEASE.now - 7_000))
    asked = metrics.get_sample_value("serinus_prometheus_query_duration_seconds_count", {"provider": "main"})
    assert asked == metrics.get_sample_value("serinus_prometheus_query_failures_total", {"provider": "main"}) == 2
    assert metrics.get_sample_value("serinus_snapshot_delay_seconds_sum") == 7


async def test_native_histograms_are_counted_by_their_buckets_and_by_their_observations() -> None:
    class Native(FakeProvider):
        async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
            found = []
            for answered in (await super().samples(selector, end, reach_ms)).read().series:
                if answered.labels.get("le", "+Inf") == "+Inf":
                    labels = {name: value for name, value in answered.labels.items() if name != "le"}
                    halves = [[(0.05, 0.1, value / 2), (0.1, 0.2, value / 2)] for value in answered.values]
                    found.append(Histogram(labels, answered.times, answered.values, halves))
            return unread(Answer([], histograms=found))

    begun = {"errors": STARTED + 17_500, "latency": STARTED + 17_500}
    registry, collector = world(Native(), follows=STARTED + 17_500, ends_stage=STARTED, ends=begun)
    await collector.collect(LEASE)
    ((_, snapshot, _),) = registry.committed
    assert canary_of(snapshot) == {"": (0, 20)}
    latency = snapshot.metrics["latency"]
    assert isinstance(latency, Distribution)
    assert (latency.edges, latency.canary) == ((0.1, 0.2), (10, 10, 0))


@pytest.mark.parametrize(("since", "changed"), [(None, False), (STARTED + 2_000, False), (STARTED + 6_000, True)])
async def test_a_snapshot_tells_the_split_of_the_requests_and_whether_it_was_so_in_its_windows(
    since: int | None, changed: bool
) -> None:
    told = observed(actual_weight=20, split_since=since, routes=("mirror",))
    ends = {"errors": STARTED + 5_000, "latency": STARTED + 5_000}
    registry, collector = world(FakeProvider(), observed=told, follows=STARTED + 5_000, ends_stage=STARTED, ends=ends)
    await collector.collect(LEASE)
    ((_, taken, _),) = registry.committed
    assert (taken.weight, taken.split, taken.split_changed, taken.routes) == (5, 20, changed, ("mirror",))


async def test_a_snapshot_does_not_wait_for_the_many_steps_that_another_namespace_has_ready() -> None:
    provider = FakeProvider()
    registry, collector = world(provider)
    asked = [Queried(query=f"q{number}", conditions=Conditions(success="true")) for number in range(20)]
    metrics = tuple(ERRORS.model_copy(update={"name": one.query, "source": one}) for one in asked)
    greedy = replace(
        registry,
        state=replace(registry.state, observed=observed(run=RUN.model_copy(update={"namespace": "greedy"}))),
        plan=plan(metrics=metrics),
    )
    slots = {"main": FairSlots(1_000)}
    ours = asking(collector, slots=slots)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            theirs = replace(ours, registry=replace(greedy))
            tasks.create_task(theirs.collect(replace(LEASE, namespace="greedy")))
        await asyncio.sleep(0)
        assert await ours.collect(replace(LEASE, namespace="shop")) == "done"
        assert len(provider.asked) < 100
    assert len(provider.asked) > 400
