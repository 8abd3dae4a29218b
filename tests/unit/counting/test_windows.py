from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from serinus_counting.progress import MAX_WINDOW_MS
from serinus_counting.resets import Span
from serinus_counting.windows import RunState, next_due, reach_ms, snapshot_end, span

from tests.support import ERRORS, observed, plan

STARTED = 1_000_000
STATE = RunState(observed=observed(), weight_constant_until=STARTED + 60_000, scrape_ms=500)
PLAN = plan(settle=10.0)


def test_a_snapshot_ends_one_scrape_in_the_past() -> None:
    assert snapshot_end(STATE, STARTED + 20_000, PLAN, 2_000) == STARTED + 19_500


def test_no_snapshot_reaches_beyond_the_weight_that_is_known_less_the_clocks_allowance() -> None:
    assert snapshot_end(STATE, STARTED + 900_000, PLAN, 2_000) == STARTED + 58_000


def test_an_absent_controller_stops_the_snapshots() -> None:
    state = replace(STATE, follows=STARTED + 58_000)
    assert snapshot_end(state, STARTED + 900_000, PLAN, 2_000) is None


def test_before_the_scrape_interval_is_known_the_plans_interval_bounds_the_guess() -> None:
    assert snapshot_end(replace(STATE, scrape_ms=None), STARTED + 20_000, PLAN, 0) == STARTED + 19_000


def test_the_first_window_of_a_stage_begins_when_it_has_settled() -> None:
    assert span(STATE, PLAN, ERRORS, STARTED + 15_000) == Span(STARTED, STARTED + 10_000, STARTED + 15_000, new=True)
    assert span(STATE, PLAN, ERRORS, STARTED + 9_000) is None


def test_settling_takes_at_least_two_scrapes_and_waits_for_events_that_lag() -> None:
    slow = replace(STATE, scrape_ms=15_000)
    assert span(slow, PLAN, ERRORS, STARTED + 50_000) == Span(STARTED, STARTED + 30_000, STARTED + 50_000, new=True)
    lagging = ERRORS.model_copy(update={"lag": 5.0})
    assert span(STATE, PLAN, lagging, STARTED + 16_000) == Span(STARTED, STARTED + 15_000, STARTED + 16_000, new=True)


def test_the_first_window_waits_until_a_scrape_falls_into_it() -> None:
    slow = replace(STATE, scrape_ms=15_000)
    assert span(slow, PLAN, ERRORS, STARTED + 44_000) is None


def test_windows_of_a_metric_tile_the_stage_and_one_that_failed_is_made_up_for() -> None:
    state = replace(STATE, follows=STARTED + 14_000, ends_stage=STARTED, ends={"errors": STARTED + 12_000})
    assert span(state, PLAN, ERRORS, STARTED + 15_000) == Span(STARTED, STARTED + 12_000, STARTED + 15_000)


def test_a_new_stage_forgets_the_windows_of_the_one_before() -> None:
    state = replace(STATE, ends_stage=STARTED - 99, ends={"errors": STARTED + 12_000})
    found = span(state, PLAN, ERRORS, STARTED + 15_000)
    assert found is not None
    assert found.begin == STARTED + 10_000


def test_a_metric_that_failed_for_hours_gives_up_the_oldest_part() -> None:
    end = STARTED + 10 * MAX_WINDOW_MS
    state = replace(STATE, ends_stage=STARTED, ends={"errors": STARTED + 12_000})
    found = span(state, PLAN, ERRORS, end)
    assert found is not None
    assert found.begin == end - MAX_WINDOW_MS


@given(st.text(), st.integers(0, 10**13), st.sampled_from([0.5, 1.0, 30.0]), st.sampled_from([None, 15_000]))
def test_a_run_has_a_phase_of_its_own_and_does_not_hurry_after_what_was_missed(
    run: str, now: int, seconds: float, scrape: int | None
) -> None:
    interval = max(round(seconds * 1000), scrape or 0)
    due = next_due(run, now, plan(interval=seconds), scrape)
    assert interval // 2 <= due - now < interval // 2 + interval
    assert next_due(run, due + interval // 3, plan(interval=seconds), scrape) == due + interval


def test_runs_that_waited_together_are_spread_over_the_interval() -> None:
    dues = {next_due(f"run {i}", 5_000, plan(interval=30.0), None) // 3_000 for i in range(200)}
    assert len(dues) >= 10


def test_snapshots_are_never_closer_than_scrapes_and_rarer_while_the_provider_fails() -> None:
    first = next_due("run", 0, plan(interval=1.0), 15_000)
    assert next_due("run", first, plan(interval=1.0), 15_000) == first + 15_000
    slow = next_due("run", 0, plan(interval=30.0), None, slower=4)
    assert next_due("run", slow, plan(interval=30.0), None, slower=4) == slow + 120_000


def test_a_query_reaches_back_far_enough_for_a_base() -> None:
    assert reach_ms(Span(0, 10_000, 40_000), 15_000) == 75_000
