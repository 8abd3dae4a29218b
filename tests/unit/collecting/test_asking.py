"""One query for metrics that differ by name alone: the same counts as one by one, and one bad metric costs no other."""

import asyncio
import os
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from serinus_collecting import answers, asking
from serinus_collecting.answers import _of
from serinus_collecting.asking import MAX_REFUSALS, REFUSED_SECONDS, Asked, Refusals, grouped, selector_of
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.ports import Answer, Lease, ProviderError, TooMuchError, Unread, Values
from serinus_collecting.telemetry import Telemetry
from serinus_contracts import MetricsCollected, PlanMetric, Selector
from serinus_counting.kept import Kept
from serinus_counting.resets import Span
from serinus_counting.series import Series
from serinus_counting.windows import RunState
from serinus_runtime.fair_slots import FairSlots

from tests.support import ERRORS, RUN, observed, plan
from tests.unit.collecting.test_collect_snapshot import FakeRegistry
from tests.unit.collecting.test_late_samples import BOTH, FLOOR, SCRAPE, TIMES, World, steady

NAMES = ("http_requests_total", "grpc_requests_total", "jobs_total")


def named(name: str, metric: PlanMetric = ERRORS, **labels: str) -> PlanMetric:
    """The metric of another counter, for series with these labels."""
    more = "".join(f',{label}="{value}"' for label, value in labels.items())
    query = Selector.parse(f'{{"{name}",namespace="shop",pod=~"checkout-(new|old)-.*"{more}}}')
    return metric.model_copy(
        update={"name": name.partition("_")[0], "source": metric.source.model_copy(update={"query": query})}
    )


METRICS = tuple(named(name) for name in NAMES)


@dataclass
class Server:
    """Answers from a world a metric; `refusal` is of queries that hold `refused`."""

    worlds: dict[str, World]
    now: int = 0
    refusal: ProviderError | None = None
    refused: str = "_total|"
    warnings: Sequence[str] = ()
    asked: list[str] = field(default_factory=list)

    async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
        self.asked.append(str(selector))
        if self.refusal is not None and self.refused in str(selector):
            raise self.refusal
        names, found = selector.names or frozenset(), []
        for name in sorted(self.worlds):
            for line in self.worlds[name].lines if name in names else ():
                seen = [
                    (at, value)
                    for at, ready, value in line.samples
                    if ready <= self.now and end - reach_ms <= at <= end
                ]
                if seen:
                    labels = line.labels | {"__name__": name}
                    found.append(Series(labels, [at for at, _ in seen], [float(value) for _, value in seen]))
        warned = self.warnings if self.refused in str(selector) else ()
        known = tuple([tuple(one.labels.items()) for one in found])
        return Unread(200, b"", lambda *_: Answer(found, warned, labels=known))

    async def sums(
        self, selector: Selector, by: Sequence[str], end: int, reach_ms: int, step_ms: int
    ) -> Unread[Answer]:
        raise NotImplementedError

    async def values(self, query: str, at: int) -> Unread[Values]:
        raise NotImplementedError


def collected(
    server: Server, times: Sequence[int], metrics: Sequence[PlanMetric] = METRICS, refusals: Refusals | None = None
) -> list[MetricsCollected]:
    """Snapshots at these times."""
    registry = FakeRegistry(
        RunState(observed(), FLOOR + 10**9, follows=1, scrape_ms=SCRAPE),
        plan(metrics=tuple(metrics), interval=SCRAPE / 1000),
    )
    telemetry = Telemetry(CollectorRegistry())
    queries = MetricQueries({"main": server}, {"main": FairSlots(8)}, telemetry, 5.0, refusals=refusals or Refusals())
    collector = SnapshotCollector(registry, queries, allowance_ms=0)
    pods = [pod for world in server.worlds.values() for pod in world.pods]

    async def take() -> None:
        for now in times:
            server.now = now
            seen = tuple({pod.name: pod for pod in pods if (pod.started or 0) <= now}.values())
            registry.state = replace(registry.state, observed=observed(pods=seen, stage_started=FLOOR))
            await collector.collect(Lease(RUN.id, now, now))

    asyncio.run(take())
    return [snapshot for _, snapshot, _ in registry.committed]


def server(seed: int = 1) -> Server:
    draw = Random(seed)
    return Server({name: World(draw.randrange(2**32)) for name in NAMES})


@settings(max_examples=6)
@given(st.integers(0, 2**32), st.sampled_from([10_000, 15_000, 35_000]))
def test_metrics_that_are_asked_for_together_are_counted_as_if_each_were_asked_for_by_itself(
    seed: int, interval: int
) -> None:
    times = range(FLOOR + 41_000, FLOOR + 460_000, interval)
    together, singly = server(seed), server(seed)
    singly.refusal = ProviderError("one at a time")
    assert collected(together, times) == collected(singly, times)
    assert together.asked[0] == (
        '{__name__=~"grpc_requests_total|http_requests_total|jobs_total",namespace="shop",pod=~"checkout-(new|old)-.*"}'
    )


def test_one_query_is_sent_for_metrics_with_equal_matchers_and_one_for_each_other() -> None:
    same, other = named("jobs_total"), named("other_total", code="200")
    quoted = named("http.server.requests").model_copy(update={"name": "quoted"})
    asked = server()
    collected(asked, TIMES[:1], (ERRORS, same, other, quoted))
    assert [query[:40] for query in asked.asked[:3]] == [
        '{__name__=~"http_requests_total|jobs_tot',
        'other_total{namespace="shop",pod=~"check',
        '{"http.server.requests",namespace="shop"',
    ]


def test_two_metrics_of_one_counter_are_one_query_of_it() -> None:
    asked = server()
    collected(asked, TIMES[:1], (ERRORS, ERRORS.model_copy(update={"name": "again"})))
    assert asked.asked[0] == str(ERRORS.source.query)


def of_calm() -> Server:
    """Three metrics without anything odd."""
    calm = server()
    for world in calm.worlds.values():
        world.pods, world.lines = list(BOTH), [steady(pod.name, 190) for pod in BOTH]
    return calm


def test_a_metric_that_fails_costs_no_other_one_that_is_asked_for_with_it() -> None:
    bad = of_calm()
    bad.refusal, bad.refused = ProviderError("Prometheus answered HTTP 500"), "jobs_total"
    found = collected(bad, TIMES)
    assert {one.metrics["jobs"].status for one in found} == {"error"}
    assert {one.metrics["jobs"].detail for one in found} == {"Prometheus answered HTTP 500"}
    assert found[-1].metrics["http"].status == found[-1].metrics["grpc"].status == "ok"


def test_an_answer_that_is_partial_counts_for_no_metric_and_is_asked_for_one_by_one() -> None:
    partial = of_calm()
    partial.warnings, partial.refused = ("one store is away",), "jobs_total"
    last = collected(partial, TIMES)[-1]
    assert {name: one.status for name, one in last.metrics.items()} == {"http": "ok", "grpc": "ok", "jobs": "partial"}


@pytest.mark.parametrize(("refusal", "again"), [(TooMuchError("too many samples"), 1), (ProviderError("busy"), 3)])
def test_a_query_that_was_refused_for_a_limit_is_not_sent_again_for_a_while(refusal: ProviderError, again: int) -> None:
    now, limited = [0.0], of_calm()
    refusals = Refusals(clock=lambda: now[0])
    limited.refusal = refusal
    collected(limited, TIMES[:3], refusals=refusals)
    assert sum("|jobs_total" in query for query in limited.asked) == again
    now[0] = REFUSED_SECONDS + 1
    limited.asked.clear()
    collected(limited, TIMES[:1], refusals=refusals)
    assert sum("|jobs_total" in query for query in limited.asked) == 1


def collector_of(server: Server, slots: FairSlots, seconds: float) -> tuple[SnapshotCollector, FakeRegistry]:
    """One whose queries may take so many seconds, and the run whose first snapshot is due."""
    server.now = TIMES[0]
    pods = tuple({pod.name: pod for world in server.worlds.values() for pod in world.pods}.values())
    state = RunState(observed(pods=pods, stage_started=FLOOR), FLOOR + 10**9, follows=1, scrape_ms=SCRAPE)
    registry = FakeRegistry(state, plan(metrics=METRICS))
    queries = MetricQueries({"main": server}, {"main": slots}, Telemetry(CollectorRegistry()), seconds)
    return SnapshotCollector(registry, queries, allowance_ms=0), registry


DUE = Lease(RUN.id, TIMES[0], TIMES[0])


def test_a_group_that_takes_too_long_is_asked_one_by_one_within_the_time_of_a_snapshot() -> None:
    class Slow(Server):
        async def samples(self, selector: Selector, end: int, reach_ms: int) -> Unread[Answer]:
            if len(selector.names or ()) > 1:
                self.asked.append(str(selector))
                await asyncio.Event().wait()
            return await super().samples(selector, end, reach_ms)

    slow = Slow(of_calm().worlds)
    collector, _ = collector_of(slow, FairSlots(8), 1.0)
    asyncio.run(collector.collect(DUE))
    assert len(slow.asked) >= 4
    assert len(collector.queries.refusals._until) == 1, "it will be asked one by one for a while"


def test_a_group_that_waits_for_a_slot_in_vain_is_no_slow_query_and_its_metrics_do_not_wait_again() -> None:
    async def waited() -> None:
        busy = of_calm()
        slots = FairSlots(1)
        collector, registry = collector_of(busy, slots, 0.05)
        async with slots.held("other"):
            await collector.collect(DUE)
        assert busy.asked == []
        assert len(collector.queries.refusals._until) == 0
        details = {one.detail for _, snapshot, _ in registry.committed for one in snapshot.metrics.values()}
        assert details == {"provider main had no query slot free for namespace shop within 0.05 s"}

    asyncio.run(waited())


def test_of_refused_queries_the_one_that_was_refused_longest_ago_is_forgotten() -> None:
    refusals = Refusals(clock=lambda: 0.0)
    for number in range(MAX_REFUSALS):
        refusals.add(number)
    refusals.add(0)
    refusals.add("one more")
    assert 0 in refusals
    assert 1 not in refusals


NAMED = [
    "a_total",
    "b_total",
    "{}",
    '{__name__="a_total"}',
    '{__name__=~"a_total|b_total"}',
    '{__name__=~"a_total|b_total",__name__!="b_total"}',
    '{__name__=~"[ab]_total"}',
    '{__name__!="b_total"}',
    '{"a.total"}',
]
OTHERS = ["", 'x="1"', 'x="1",y=~"1|2"', 'y=~"1|2",x="1"', 'x!="1"']


@given(st.lists(st.tuples(st.sampled_from(NAMED), st.sampled_from(OTHERS)), min_size=1, max_size=5))
def test_each_metric_of_a_group_gets_what_its_own_selector_matches(drawn: list[tuple[str, str]]) -> None:
    metrics = []
    for number, (name, other) in enumerate(drawn):
        text = (
            f"{name[:-1]}{',' * (name != '{}' and other != '')}{other}}}"
            if name.endswith("}")
            else f"{name}{{{other}}}"
        )
        if text != "{}":
            query = Selector.parse(text)
            source = ERRORS.source.model_copy(update={"query": query})
            metrics.append(ERRORS.model_copy(update={"name": f"m{number}", "source": source}))
    if not metrics:
        return
    rule = plan(metrics=tuple(metrics))
    labels = [
        {"__name__": name, "x": x, "y": y}
        for name in ("a_total", "b_total", "a.total", "c_total") for x in ("", "1") for y in ("1", "3")
    ]  # fmt: skip
    everything = [Series(one, [1], [1.0]) for one in labels]
    for group in grouped(rule, [Asked(metric, Span(0, 0, 1), 1, None) for metric in metrics]):
        if len(group) == 1:
            continue
        selector = selector_of(rule, group)
        selected = [one for one in everything if all(each.matches(one.labels) for each in selector.all_matchers())]
        for asked in group:
            own = [one for one in everything if all(each.matches(one.labels) for each in asked.selector.all_matchers())]
            assert list(_of(Answer(selected), rule, asked, whole=True).series) == own


def test_what_is_kept_of_groups_selectors_and_positions_takes_no_more_than_is_reckoned_for_it() -> None:
    rule = plan(metrics=tuple(named(name) for name in NAMES))
    group = [Asked(metric, Span(0, 0, 1), 1, None) for metric in rule.metrics]
    series = [Series({"__name__": name}, [1], [1.0]) for name in NAMES]
    positions = Kept[Sequence[int]](2**20, answers._kept._bytes_of)
    groups, selectors = Kept(2**20, asking._bytes_of_groups), Kept(2**20, asking._bytes_of_selector)
    tracemalloc.start()
    try:
        for number in range(1_000):
            groups.of(("plan", number), lambda: asking._groups(rule))
            selectors.of(("plan", number), lambda: asking._either([one.selector for one in group]))
            positions.of((os.urandom(16), "plan", number), lambda: answers._positions(series, frozenset(NAMES)))
        assert tracemalloc.get_traced_memory()[0] < 3 * 2**20
    finally:
        tracemalloc.stop()
