"""What every store of sums by period must do, against an API in the shapes of its vendor's documents."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus.replay.past import Span, taken
from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.collected_run import CollectedRun
from serinus_collecting.ports import ProviderError
from serinus_collecting.stores.cloudwatch import CloudWatch
from serinus_collecting.stores.datadog import Datadog
from serinus_contracts import AnalysisPlan, Measurement, Proportion, RolloutObserved, Selector
from serinus_counting.periods import Periods
from serinus_counting.windows import RunState
from serinus_simulator.stores.cloudwatch import CloudWatchApi
from serinus_simulator.stores.datadog import DatadogApi
from starlette.applications import Starlette
from starlette.routing import Route

from tests.stores import COUNTERS, Arriving, stored_plan
from tests.support import RUN, observed

pytestmark = pytest.mark.anyio
STARTED = 1_000_000
FIRST = 1_080_000
MINUTE = Periods(60_000, 120_000)


@dataclass
class Place:
    """A store, its API and what asks it."""

    api: str
    store: Arriving
    provider: PeriodProvider
    asked: Callable[[], int]
    plan: AnalysisPlan

    def add(self, kind: str, arm: str, at: int, count: float, **other: int) -> None:
        events, trials = (name.rpartition("/")[2] for name in COUNTERS[self.api])
        self.store.add(events if kind == "events" else trials, arm, at, count, **other)

    def selector(self, kind: str, arm: str) -> Selector:
        name = COUNTERS[self.api][0 if kind == "events" else 1]
        scope = {"datadog": 'kube_namespace="shop"', "cloudwatch": 'namespace="shop"'}[self.api]
        hashed = "new" if arm == "canary" else "old"
        return Selector.parse(f'{{"{name}",{scope},rollouts_pod_template_hash="{hashed}"}}')


@asynccontextmanager
async def datadog(periods: Periods = MINUTE) -> AsyncIterator[Place]:
    store = Arriving(now=10**12)
    api = DatadogApi(store, lambda: store.now / 1000)
    app = Starlette(routes=[Route("/api/v1/query", api.query)])
    keys = {"DD-API-KEY": "a", "DD-APPLICATION-KEY": "b"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=keys) as http:
        provider = Datadog(http, "http://datadog", periods, timeout=5)
        yield Place("datadog", store, provider, lambda: api.asked, stored_plan("datadog"))


@asynccontextmanager
async def cloudwatch(periods: Periods = MINUTE) -> AsyncIterator[Place]:
    store = Arriving(now=10**12)
    api = CloudWatchApi(store)
    app = Starlette(routes=[Route("/", api.handle, methods=["POST"])])
    signed = {"Authorization": "AWS4-HMAC-SHA256 SignedHeaders=host;x-amz-date;x-amz-target, Signature=0"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers=signed) as http:
        provider = CloudWatch(http, "http://cloudwatch", periods, timeout=5)
        yield Place("cloudwatch", store, provider, lambda: api.asked, stored_plan("cloudwatch"))


PLACES = {"datadog": datadog, "cloudwatch": cloudwatch}


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with PLACES[request.param]() as made:
        yield made


async def test_each_selector_has_its_own_sums_by_the_beginning_of_their_period(place: Place) -> None:
    place.add("trials", "canary", FIRST, 3)
    place.add("trials", "canary", FIRST + 59_999, 4)
    place.add("trials", "canary", FIRST + 120_000, 5)
    place.add("trials", "stable", FIRST + 60_000, 70)
    place.add("events", "stable", FIRST + 60_000, 1)
    asked = [place.selector(kind, arm) for arm in ("canary", "stable") for kind in ("events", "trials")]
    found = [dict(one.counts) for one in await place.provider.sums(asked, FIRST, FIRST + 180_000)]
    assert found == [{}, {FIRST: 7, FIRST + 120_000: 5}, {FIRST + 60_000: 1}, {FIRST + 60_000: 70}]
    assert place.asked() == 1


async def test_the_first_and_the_last_period_are_whole(place: Place) -> None:
    for second in range(0, 300, 10):
        place.add("trials", "canary", FIRST - 120_000 + 1000 * second, 1)
    (found,) = await place.provider.sums([place.selector("trials", "canary")], FIRST, FIRST + 120_000)
    assert {at: found.counts.get(at) for at in (FIRST, FIRST + 60_000)} == {FIRST: 6, FIRST + 60_000: 6}


async def test_a_name_that_nobody_knows_has_no_sums(place: Place) -> None:
    unknown = place.selector("trials", "canary").model_copy(update={"name": COUNTERS[place.api][0] + ".unknown"})
    (found,) = await place.provider.sums([unknown], FIRST, FIRST + 60_000)
    assert (dict(found.counts), found.partial) == ({}, "")


@pytest.mark.parametrize("periods", [Periods(10_000, 0), Periods(300_000, 0)])
async def test_periods_are_as_long_as_the_provider_says(periods: Periods) -> None:
    for made in PLACES.values():
        async with made(periods) as place:
            place.add("trials", "canary", FIRST + 301_000, 1)
            (found,) = await place.provider.sums([place.selector("trials", "canary")], 0, 3_000_000)
            assert dict(found.counts) == {(FIRST + 301_000) // periods.period_ms * periods.period_ms: 1}


async def test_a_plan_is_asked_for_as_many_metrics_as_it_may_have(place: Place) -> None:
    place.add("trials", "canary", FIRST, 3)
    asked = [place.selector("trials", "canary"), place.selector("events", "stable")] * 100
    found = await place.provider.sums(asked, FIRST, FIRST + 60_000)
    assert [dict(one.counts) for one in found] == [{FIRST: 3}, {}] * 100


@dataclass
class Run:
    """The snapshots of one run at a place, as a collector takes them."""

    place: Place
    seen: RolloutObserved
    made: CollectedRun

    async def at(self, seconds: float) -> Measurement:
        """What is measured of the errors by a snapshot that ends so long after its stage began."""
        end = STARTED + round(1000 * seconds)
        self.place.store.now = end
        found = await self.made.collect(self.seen, end, end + 60_000)
        assert found is not None
        return found.metrics["errors"]


def run_of(place: Place) -> Run:
    seen = observed(stage_started=STARTED, plan=place.plan.digest)
    return Run(place, seen, CollectedRun(place.plan, RunState(seen, 0), place.provider, 5))


async def test_snapshots_count_closed_periods_once_and_ask_nothing_in_between(place: Place) -> None:
    for second in range(0, 600, 5):
        late = 7_000 * (second // 5 % 17)
        place.add("trials", "stable", STARTED + 1000 * second, 10, late_ms=late)
        place.add("trials", "canary", STARTED + 1000 * second, 1, late_ms=late)
    place.add("events", "stable", FIRST + 30_000, 3, late_ms=110_000)
    run = run_of(place)
    found = [await run.at(seconds) for seconds in (150, 270, 285, 330, 340, 480, 620)]
    assert [one.status for one in found] == ["settling", "ok", "waiting", "ok", "waiting", "ok", "ok"]
    counted = [one for one in found if isinstance(one, Proportion) and one.window]
    windows = [(one.window.begin - FIRST, one.window.end - FIRST) for one in counted if one.window]
    assert windows == [(0, 60_000), (60_000, 120_000), (120_000, 240_000), (240_000, 420_000)]
    assert [one.stable[""] for one in counted] == [(3, 120), (0, 120), (0, 240), (0, 360)]
    assert [one.canary[""][1] for one in counted] == [12, 12, 24, 36]
    assert place.asked() == 4


async def test_an_arm_without_data_is_asked_for_once_in_each_period_and_said_to_lack_it_in_between(
    place: Place,
) -> None:
    place.add("trials", "stable", FIRST, 10)
    place.add("trials", "canary", FIRST + 200_000, 1)
    run = run_of(place)
    found = [(await run.at(seconds)).status for seconds in (270, 290, 310, 325, 385, 390, 400, 450)]
    assert found == ["waiting"] * 4 + ["no_data"] * 3 + ["ok"]
    assert place.asked() == 4


async def test_a_run_of_the_past_is_counted_as_a_collector_would_have(place: Place) -> None:
    for second in range(0, 900, 10):
        place.add("trials", "stable", STARTED + 1000 * second, 20)
        place.add("trials", "canary", STARTED + 1000 * second, 1)
    spans = [Span(5, STARTED, STARTED + 900_000)]
    found = await taken(place.plan, RUN, spans, place.provider, 5, lambda _: None)
    counted = [one for each in found if isinstance(one := each.metrics["errors"], Proportion) and one.window]
    windows = [one.window for one in counted if one.window]
    assert (windows[0].begin, windows[-1].end) == (FIRST, FIRST + 660_000)
    assert sum(one.stable[""][1] for one in counted) == 20 * 66
    assert sum(one.canary[""][1] for one in counted) == 66


async def test_a_provider_of_another_kind_than_the_source_is_not_asked(place: Place) -> None:
    place.plan = place.plan.model_copy(update={"api": "prometheus"})
    wrong = await run_of(place).at(600)
    assert (wrong.status, place.asked()) == ("error", 0)
    assert f"provider main speaks {place.api}, and the policy's source is for prometheus" in wrong.detail


async def test_a_failed_question_moves_no_window_and_the_next_one_counts_all(place: Place) -> None:
    place.add("trials", "stable", FIRST, 100)
    place.add("trials", "canary", FIRST, 10)
    run = run_of(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place.provider, "sums", failing_sums)
        one = await run.at(400)
    assert (one.status, one.window, one.detail) == ("error", None, "it is away")
    measured = await run.at(500)
    assert isinstance(measured, Proportion)
    assert (measured.canary, measured.stable) == ({"": (0, 10)}, {"": (0, 100)})


async def failing_sums(selectors: Sequence[Selector], begin: int, end: int) -> Sequence[object]:
    raise ProviderError("it is away")


POINTS = st.tuples(
    st.sampled_from(["events", "trials"]),
    st.sampled_from(["canary", "stable"]),
    st.integers(0, 900),
    st.integers(0, 50),
    st.integers(0, 120),
)


@pytest.mark.parametrize("api", PLACES)
@settings(max_examples=25)
@given(
    points=st.lists(POINTS, max_size=40),
    period=st.sampled_from([10, 30, 60, 300]),
    pauses=st.lists(st.integers(1, 200), min_size=1, max_size=12),
    failing=st.sets(st.integers(0, 11)),
)
def test_the_snapshots_of_a_run_count_each_point_once_whatever_arrives_within_the_delay(
    api: str, points: list[tuple[str, str, int, int, int]], period: int, pauses: list[int], failing: set[int]
) -> None:
    async def collected() -> None:
        async with PLACES[api](Periods(1000 * period, 120_000)) as place:
            metric = place.plan.metrics[0].model_copy(update={"count": "rate"})
            place.plan = place.plan.model_copy(update={"metrics": (metric,)})
            for kind, arm, second, count, late in points:
                place.add(kind, arm, STARTED + 1000 * second, count, late_ms=1000 * late)
            run, now, counted = run_of(place), 0, list[Proportion]()
            for number, pause in enumerate([*pauses, 2_000]):
                now += pause
                with pytest.MonkeyPatch.context() as patch:
                    if number in failing and number < len(pauses):
                        patch.setattr(place.provider, "sums", failing_sums)
                    found = await run.at(now)
                if isinstance(found, Proportion) and found.status == "ok":
                    counted.append(found)
            windows = [one.window for one in counted if one.window]
            assert all(before.end == after.begin for before, after in pairwise(windows))
            if not windows:
                return
            begin, end = windows[0].begin, windows[-1].end
            names = [name.rpartition("/")[2] for name in COUNTERS[api]]
            for arm in ("canary", "stable"):
                told = [(one.canary if arm == "canary" else one.stable)[""] for one in counted]
                truth = [place.store.counted(name, arm, begin, end) for name in names]
                assert [sum(column) for column in zip(*told, strict=True)] == truth

    anyio.run(collected)
