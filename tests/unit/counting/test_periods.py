"""Windows of closed periods, and what is counted in them."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_contracts import Proportion, Window
from serinus_contracts.base import Arm
from serinus_counting.periods import ArmSums, Periods, PeriodSums, measure_periods, window_of
from serinus_counting.tallies import ARMS
from serinus_counting.windows import RunState

from tests.stores import Arriving, stored_plan
from tests.support import observed

PLAN = stored_plan("datadog")
METRIC = PLAN.metrics[0]
STARTED = 1_000_000
MINUTE = Periods(60_000, 120_000)
# The first edge after the stage has settled.
FIRST = 1_080_000


def sums(**counts: Mapping[int, float]) -> dict[Arm, ArmSums]:
    def of(name: str) -> PeriodSums:
        return PeriodSums(counts.get(name, {}))

    return {arm: ArmSums(of(f"{arm}_events"), of(f"{arm}_trials")) for arm in ARMS}


def state() -> RunState:
    return RunState(observed(stage_started=STARTED), 10**12)


def test_the_first_window_begins_at_the_first_edge_after_the_stage_has_settled() -> None:
    closed = FIRST + 60_000
    assert window_of(state(), PLAN, METRIC, closed + 119_999, MINUTE) is None
    assert window_of(state(), PLAN, METRIC, closed + 120_000, MINUTE) == Window(begin=FIRST, end=closed)


def test_a_later_window_begins_where_the_one_before_ended_and_waits_for_the_next_period() -> None:
    counted = replace(state(), ends={"errors": FIRST + 60_000}, ends_stage=STARTED)
    assert window_of(counted, PLAN, METRIC, FIRST + 239_999, MINUTE) is None
    wanted = Window(begin=FIRST + 60_000, end=FIRST + 180_000)
    assert window_of(counted, PLAN, METRIC, FIRST + 300_000, MINUTE) == wanted
    other = replace(counted, ends_stage=STARTED - 1)
    assert window_of(other, PLAN, METRIC, FIRST + 300_000, MINUTE) == Window(begin=FIRST, end=FIRST + 180_000)


def test_what_is_older_than_a_store_gives_at_once_is_given_up() -> None:
    counted = replace(state(), ends={"errors": FIRST}, ends_stage=STARTED)
    many = PLAN.model_copy(update={"metrics": (METRIC,) * 50})
    for plan, most in ((PLAN, 1440), (many, 200)):
        end = FIRST + most * 60_000
        assert window_of(counted, plan, METRIC, end + 120_000, MINUTE) == Window(begin=FIRST, end=end)
        later = Window(begin=FIRST + 60_000, end=end + 60_000)
        assert window_of(counted, plan, METRIC, end + 180_000, MINUTE) == later


def test_what_one_arm_has_not_told_so_far_belongs_to_the_next_window() -> None:
    counts = sums(
        canary_trials={FIRST: 10, FIRST + 60_000: 20},
        stable_trials={FIRST: 100, FIRST + 60_000: 200, FIRST + 120_000: 300},
        stable_events={FIRST + 60_000: 2, FIRST + 120_000: 7},
    )
    found = measure_periods(METRIC, Window(begin=FIRST, end=FIRST + 180_000), counts, MINUTE, "Datadog")
    assert isinstance(found, Proportion)
    assert found.window == Window(begin=FIRST, end=FIRST + 120_000)
    assert (found.canary, found.stable) == ({"": (0, 30)}, {"": (2, 300)})


@pytest.mark.parametrize(("periods", "status"), [(1, "waiting"), (2, "waiting"), (3, "no_data")])
def test_an_arm_that_told_nothing_is_no_zero(periods: int, status: str) -> None:
    counts = sums(stable_trials={FIRST: 100})
    window = Window(begin=FIRST, end=FIRST + periods * 60_000)
    found = measure_periods(METRIC, window, counts, MINUTE, "Datadog")
    assert (found.status, found.window) == (status, None)
    assert found.detail == f"no canary data in {periods} closed periods of 60 s, Datadog answered"


@pytest.mark.parametrize("count", [-1, 0.5, float("inf"), float("nan"), 2e12])
def test_what_is_no_number_of_requests_is_an_error(count: float) -> None:
    counts = sums(canary_trials={FIRST: count}, stable_trials={FIRST: 100})
    found = measure_periods(METRIC, Window(begin=FIRST, end=FIRST + 60_000), counts, MINUTE, "Datadog")
    assert (found.status, found.window) == ("error", None)
    assert "is no number of requests" in found.detail


def test_more_events_than_trials_are_an_error_where_events_are_a_share() -> None:
    counts = sums(canary_trials={FIRST: 1}, canary_events={FIRST: 2}, stable_trials={FIRST: 100})
    window = Window(begin=FIRST, end=FIRST + 60_000)
    assert measure_periods(METRIC, window, counts, MINUTE, "Datadog").status == "error"
    rate = METRIC.model_copy(update={"count": "rate"})
    assert measure_periods(rate, window, counts, MINUTE, "Datadog").status == "ok"


def test_what_is_told_to_be_partial_is_not_counted() -> None:
    counts = sums(canary_trials={FIRST: 1}, stable_trials={FIRST: 100})
    counts["stable"] = ArmSums(PeriodSums({}, "a part is missing"), counts["stable"].trials)
    found = measure_periods(METRIC, Window(begin=FIRST, end=FIRST + 60_000), counts, MINUTE, "CloudWatch")
    assert (found.status, found.detail, found.window) == ("partial", "a part is missing", None)


POINTS = st.lists(
    st.tuples(
        st.sampled_from(["errors", "requests"]),
        st.sampled_from(ARMS),
        st.integers(0, 900),
        st.integers(0, 50),
        st.integers(0, 120),
    ),
    max_size=60,
)


@settings(max_examples=100)
@given(
    points=POINTS,
    period=st.sampled_from([10, 60, 300]),
    pauses=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    failing=st.sets(st.integers(0, 19)),
)
def test_windows_tile_and_count_each_point_once_whatever_arrives_within_the_delay(
    points: list[tuple[str, Arm, int, int, int]], period: int, pauses: list[int], failing: set[int]
) -> None:
    store, periods, kept = Arriving(), Periods(1000 * period, 120_000), state()
    for name, arm, at, count, late in points:
        store.add(name, arm, STARTED + 1000 * at, count, 1000 * late)
    metric, windows, counted = METRIC.model_copy(update={"count": "rate"}), [], dict.fromkeys(ARMS, (0, 0))
    store.now = STARTED
    # The last snapshot comes when everything has arrived.
    for number, seconds in enumerate([*pauses, 2_000]):
        store.now += 1000 * seconds
        window = window_of(kept, PLAN, metric, store.now, periods)
        if window is None or (number in failing and number < len(pauses)):
            continue
        found = measure_periods(metric, window, read(store, periods), periods, "Datadog")
        if not isinstance(found, Proportion) or found.status != "ok" or found.window is None:
            assert found.status in ("waiting", "no_data")
            continue
        windows.append(found.window)
        for arm in ARMS:
            events, trials = (found.canary if arm == "canary" else found.stable)[""]
            counted[arm] = (counted[arm][0] + events, counted[arm][1] + trials)
        kept = replace(kept, ends={"errors": found.window.end}, ends_stage=STARTED)
    for before, after in pairwise(windows):
        assert before.end == after.begin
    told = {arm: trials_since(store, arm, periods.at_or_after(STARTED + 30_000)) for arm in ARMS}
    if not all(told.values()):
        assert windows == []
        return
    begin, end = windows[0].begin, windows[-1].end
    # Nothing is left behind: all was read up to the last period in which both arms had told something.
    assert begin == periods.at_or_after(STARTED + 30_000)
    assert (
        end == min(max(times) // periods.period_ms for times in told.values()) * periods.period_ms + periods.period_ms
    )
    for arm in ARMS:
        truth = tuple(store.counted(name, arm, begin, end) for name in ("errors", "requests"))
        assert counted[arm] == truth


def trials_since(store: Arriving, arm: Arm, begin: int) -> list[int]:
    hashed = "new" if arm == "canary" else "old"
    named = [point for _, name, point in store.points if name == "requests" and point.at >= begin]
    return [point.at for point in named if point.tags["rollouts_pod_template_hash"] == hashed]


def read(store: Arriving, periods: Periods) -> dict[Arm, ArmSums]:
    def of(name: str, arm: Arm) -> PeriodSums:
        found: dict[int, float] = {}
        for point in store(name, 0, store.now + 1):
            if point.tags["rollouts_pod_template_hash"] == ("new" if arm == "canary" else "old"):
                at = point.at // periods.period_ms * periods.period_ms
                found[at] = found.get(at, 0) + point.count
        return PeriodSums(found)

    return {arm: ArmSums(of("errors", arm), of("requests", arm)) for arm in ARMS}
