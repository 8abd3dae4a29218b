"""Counting is exact: whatever is scraped, missed or restarted, windows add up to what the scrapes showed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_counting.resets import Span, increase, knows_base, processes, restarts
from serinus_counting.series import Series

from tests.unit.counting.worlds import Counter

POD = "checkout-abc-1"


def one(times: list[int], values: list[float], **labels: str) -> Series:
    return Series({"pod": POD, "instance": "10.0.0.1:8080", **labels}, times, values)


def count(series: list[Series], span: Span, *, started: int | None = None, own: bool = True) -> list[float]:
    found = processes(series, {POD: started} if own else {})
    return [increase(member, found[member.target], span) for member in series]


def test_a_window_counts_from_the_last_sample_at_or_before_its_begin_to_the_last_at_or_before_its_end() -> None:
    series = one([10, 20, 30, 40], [5, 7, 11, 20])
    assert count([series], Span(0, 20, 39)) == [4]


def test_the_error_that_increase_makes_of_one_real_error_is_not_made() -> None:
    series = one([0, 15, 30, 45, 60], [3, 3, 4, 4, 4])
    assert count([series], Span(0, 0, 60)) == [1]


def test_a_series_born_in_a_process_that_was_scraped_before_counts_from_zero() -> None:
    ok = one([10, 20, 30], [100, 200, 300], code="200")
    failed = one([30], [3], code="500")
    assert count([ok, failed], Span(0, 10, 30)) == [200, 3]


def test_a_new_pod_counts_from_zero_if_it_started_inside_the_window() -> None:
    assert count([one([30, 40], [8, 12])], Span(0, 20, 40), started=25) == [12]


@pytest.mark.parametrize("started", [None, 5])
def test_a_process_of_unknown_or_older_age_only_sets_the_base_at_its_first_sample(started: int | None) -> None:
    assert count([one([30, 40], [8, 12])], Span(0, 20, 40), started=started) == [4]


def test_a_fall_is_a_restart_and_the_new_value_is_added() -> None:
    series = one([10, 20, 30], [100, 7, 9])
    assert count([series], Span(0, 10, 30)) == [9]
    assert restarts(processes([series], {POD: None}), {series.target: Span(0, 10, 30)}) == 1


def test_a_counter_that_grew_past_its_old_value_after_a_restart_is_told_by_another_that_fell() -> None:
    ok = one([10, 20], [100, 40], code="200")
    failed = one([10, 20], [2, 3], code="500")
    assert count([ok, failed], Span(0, 10, 20)) == [40, 3]


def test_a_series_that_is_born_again_after_a_restart_counts_from_zero_also_past_its_old_value() -> None:
    failed = one([10, 30], [5, 7], code="500")
    ok = one([10, 20, 30], [100, 20, 90], code="200")
    assert count([ok, failed], Span(0, 10, 30)) == [90, 7]
    missing = one([10, 30], [100, 90], code="200")
    other = one([10, 20, 30], [1, 4, 6], code="404")
    # Another that fell says so where its samples lie no further apart.
    assert count([missing, failed, other], Span(0, 10, 30)) == [90, 7, 5]


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("name", ["http_requests_total", "traefik_service_requests_total"])
def test_a_lost_sample_is_no_restart(own: bool, name: str) -> None:
    ok = one([10, 20, 30], [100, 200, 300], code="200", __name__=name)
    failed = one([10, 30], [100_000, 100_002], code="500", __name__=name)
    assert count([ok, failed], Span(0, 10, 30), own=own) == [200, 2]


@pytest.mark.parametrize("own", [True, False])
def test_a_counter_that_is_sent_only_when_it_changes_counts_its_changes(own: bool) -> None:
    ok = one(list(range(0, 120, 10)), [1000.0 + n for n in range(12)], code="200")
    failed = one([0, 20, 70, 110], [500, 501, 502, 503], code="500")
    assert count([ok, failed], Span(0, 0, 115), own=own) == [11, 3]
    tiles = [count([ok, failed], Span(0, begin, begin + 40), own=own)[1] for begin in (0, 40, 80)]
    assert tiles == [1, 1, 1]
    since_its_stage_began = count([ok, failed], Span(40, 60, 115), own=own)[1]
    assert since_its_stage_began == 1, "its first sample sets the base"


def test_a_process_that_counts_for_others_may_drop_one_series_and_keep_the_rest() -> None:
    ok = one([10, 20], [100, 150], ingress="a")
    other = one([10, 20], [100, 1], ingress="b")
    assert count([ok, other], Span(0, 10, 20), own=False) == [50, 1]


def test_what_a_proxy_dropped_counts_from_zero_when_it_returns_also_where_it_grew_past_its_old_value() -> None:
    """As Traefik does where it forgets a service, and Envoy where its cluster is updated."""
    ok = one([10, 30], [100, 51], code="200")
    failed = one([10, 30], [3, 6], code="503")
    other = one([10, 20, 30], [900, 950, 1007], code="200", service="other")
    found = [Series({"__name__": "traefik_service_requests_total", **each.labels}, each.times, each.values)
             for each in (ok, failed, other)]  # fmt: skip
    assert count(found, Span(0, 10, 30), own=False) == [51, 6, 107]


def test_one_fall_of_a_haproxy_says_that_all_its_counters_fell_since_it_drops_none() -> None:
    rows: dict[str, list[float]] = {"canary-2": [500, 520, 60], "canary-5": [2, 2, 5], "stable-2": [9000, 9200, 600]}
    found = [one([10, 20, 30], values, __name__="haproxy_backend_http_responses_total", proxy=name)
             for name, values in rows.items()]  # fmt: skip
    assert count(found, Span(0, 10, 30), own=False) == [80, 5, 800]


@pytest.mark.parametrize("name", ["traefik_service_requests_total", "nginx_ingress_controller_requests"])
def test_a_canary_whose_first_series_are_a_proxys_own_labels_apart_is_a_birth_in_a_process_that_was_there(
    name: str,
) -> None:
    """Where a scrape honours labels, `service` and `namespace` say for whom a proxy counts."""
    stable = one([10, 20, 30], [900, 950, 1007], __name__=name, service="checkout-stable", namespace="shop")
    canary = [
        one([20, 30], [5, 51], __name__=name, service="checkout-canary", namespace="shop", code="200"),
        one([20, 30], [1, 6], __name__=name, service="checkout-canary", namespace="shop", code="503"),
    ]
    assert count([stable, *canary], Span(0, 10, 30), own=False) == [107, 51, 6]


def test_no_sample_from_before_the_stage_serves_as_base() -> None:
    """A gap in the scrapes over the change of weight would else put the other weight's counts into the window."""
    series = one([10, 60, 70], [100, 500, 530])
    assert count([series], Span(floor=20, begin=50, end=70)) == [30]


def test_a_series_that_a_restart_hid_since_the_stage_began_counts_from_zero_when_it_returns() -> None:
    ok = one([10, 30, 60, 70], [100, 3, 9, 20], code="200")
    failed = one([10, 70], [5, 2], code="500")
    assert count([ok, failed], Span(floor=20, begin=50, end=70)) == [17, 2]
    assert count([ok, failed], Span(floor=20, begin=50, end=70), own=False) == [17, 2], "a proxy too dropped it"


def test_a_series_without_a_sample_in_the_stage_counts_nothing() -> None:
    assert count([one([10], [100])], Span(floor=20, begin=50, end=70)) == [0]


def test_a_base_that_may_lie_behind_a_gap_asks_for_samples_from_further_back() -> None:
    span = Span(0, 20, 40)
    late = one([30], [8])
    old = processes([late], {POD: 5})[late.target]
    young = processes([late], {POD: 21})[late.target]
    assert not knows_base(late, old, span)
    assert knows_base(late, young, span)
    assert knows_base(one([20, 30], [7, 8]), old, span)


def test_a_zero_at_the_time_at_which_a_series_was_created_is_no_scrape_that_the_others_missed() -> None:
    ok = one(
        [0, 2_000, 4_000, 6_000, 8_000, 10_000], [100_000, 100_010, 100_020, 100_030, 100_040, 100_050], code="200"
    )
    for created in (4_300, 5_000, 5_100):
        failed = one([created, 6_000, 8_000, 10_000], [0, 1, 1, 1], code="503")
        assert count([ok, failed], Span(0, 2_000, 10_000)) == [40, 1]


def test_series_whose_clocks_differ_by_milliseconds_were_scraped_together() -> None:
    sessions = one([0, 10_000, 20_000, 30_000], [50_000, 50_160, 50_320, 50_480], name="sessions")
    conversions = one([3, 10_007, 20_001, 30_004], [900, 916, 932, 948], name="conversions")
    assert count([sessions, conversions], Span(0, 4, 30_005)) == [480, 48]
    restarted = one([0, 10_000, 20_000, 30_000], [50_000, 50_160, 70, 230], name="sessions")
    grown = one([3, 10_007, 20_001, 30_004], [5, 6, 8, 9], name="conversions")
    assert count([restarted, grown], Span(0, 4, 30_005)) == [160 + 230, 1 + 9]


def test_of_series_that_have_times_of_their_own_none_is_missing_from_anothers() -> None:
    old = one([0, 15_000, 30_000, 45_000, 60_000], [700, 712, 724, 736, 748], code="200")
    other = one([7_600, 22_600, 37_600, 52_600], [9_000, 9_001, 9_002, 9_003], code="404")
    born = one([37_600, 52_600], [2, 3], code="500")
    assert count([old, other, born], Span(20_000, 20_000, 60_000)) == [24, 2, 3]


def test_of_a_restart_between_the_scrapes_of_two_replicas_each_series_tells_for_itself() -> None:
    ok = one([0, 15_000, 30_000, 45_000, 60_000, 75_000, 90_000], [9e6, 9e6 + 10, 9e6 + 20, 9e6 + 30, 9e6 + 40, 5, 15])
    bad = one([5_000, 20_000, 35_000, 50_000, 65_000, 80_000], [900, 901, 902, 903, 1, 2], code="500")
    assert count([ok, bad], Span(0, 45_000, 90_000)) == [10 + 5 + 10, 1 + 1 + 1]


def test_a_fall_across_a_missed_scrape_is_counted_as_one_also_where_another_scrape_gave_two_samples() -> None:
    ok = one([0, 10, 20, 30, 40, 50, 53, 60, 70, 80], [1, 2, 3, 4, 5, 6, 6, 40, 80, 120], code="200")
    failed = one([0, 10, 20, 30, 40, 50, 53, 70, 80], [90, 92, 94, 96, 98, 100, 101, 5, 9], code="500")
    lost = one([0, 10, 20, 31, 40, 50, 53, 61, 70, 80], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], code="404")
    for others in ([ok], [ok, lost]):
        assert count([failed, *others], Span(0, 0, 80))[0] == 11 + 5 + 4


@st.composite
def clocks(draw: st.DrawFn) -> list[Series]:
    """Counters of one process, each of which may miss a scrape, have two samples of another, and fall somewhere."""
    found = []
    for code in range(draw(st.integers(1, 3))):
        missed, doubled, shifted = (draw(st.integers(1, 9)) for _ in range(3))
        fell = draw(st.sampled_from([0, missed + 1, doubled]))
        samples, value = {0: 100.0}, 100.0
        for at in range(1, 10):
            value = (0.0 if at == fell else value) + draw(st.sampled_from([0, 1, 7]))
            if at != missed:
                samples[10_000 * at + (3_000 if at == shifted else 0)] = value
            if at == doubled:
                samples[10_000 * at + 4_000] = value
        found.append(one(list(samples), list(samples.values()), code=str(code)))
    return found


@given(clocks(), st.integers(0, 40_000), st.integers(50_000, 100_000))
def test_where_no_series_says_what_befell_another_each_counts_its_rises_and_what_it_shows_after_a_fall(
    series: list[Series], begin: int, end: int
) -> None:
    found = processes(series, {})
    for member in series:
        values = [value for time, value in zip(member.times, member.values, strict=True) if time <= end]
        before = sum(time <= begin for time in member.times)
        steps = itertools.pairwise(values[before - 1 :])
        shown = sum(after if after < earlier else after - earlier for earlier, after in steps)
        assert increase(member, found[member.target], Span(0, begin, end)) == shown


@st.composite
def histories(draw: st.DrawFn) -> list[Counter]:
    """A process with three counters, scraped 30 times with misses, restarted in between at most five times.

    The first counter starts each life lower than it ended the one before, so every restart can be seen.
    """
    counters = [Counter({"pod": POD, "instance": "i", "code": code}) for code in ("200", "404", "500")]
    lives = 0
    counters[0].count(10**9)
    for at in range(10, 310, 10):
        if lives < 5 and draw(st.integers(0, 6)) == 0:
            lives += 1
            for counter in counters:
                counter.restart()
            counters[0].count(10 ** (9 - lives))
        for counter in counters:
            counter.count(draw(st.sampled_from([0, 0, 0, 1, 5])))
        if draw(st.integers(0, 4)):
            for counter in counters:
                counter.scrape(at)
    return [counter for counter in counters if counter.samples]


@given(histories(), st.integers(0, 150), st.integers(151, 320))
def test_a_window_counts_exactly_what_its_scrapes_have_shown(counters: list[Counter], begin: int, end: int) -> None:
    series = [counter.series() for counter in counters]
    found = processes(series, {POD: None})
    for counter, member in zip(counters, series, strict=True):
        if found[member.target].scrapes[0] <= begin:
            shown = counter.shown_until(end) - counter.shown_until(begin)
            assert increase(member, found[member.target], Span(0, begin, end)) == shown


@given(histories(), st.lists(st.integers(0, 40), min_size=3, max_size=3), st.integers(0, 14), st.integers(15, 31))
def test_clocks_that_differ_by_little_of_an_interval_change_no_count(
    counters: list[Counter], late: list[int], begin: int, end: int
) -> None:
    series = [counter.series() for counter in counters]
    shifted = [
        Series(one.labels, [100 * time + by for time in one.times], one.values)
        for one, by in zip(series, late, strict=False)
    ]
    # After the latest clock of a scrape, before the next one.
    span, later = Span(0, 10 * begin + 6, 10 * end + 6), Span(0, 1000 * begin + 600, 1000 * end + 600)
    assert count(shifted, later) == count(series, span)


@given(histories(), st.integers(0, 150), st.integers(0, 150), st.integers(151, 320))
def test_a_window_is_as_exact_where_its_stage_began_before_it(
    counters: list[Counter], one_edge: int, another: int, end: int
) -> None:
    floor, begin = sorted((one_edge, another))
    series = [counter.series() for counter in counters]
    found = processes(series, {POD: None})
    for counter, member in zip(counters, series, strict=True):
        if any(floor <= scrape <= begin for scrape in found[member.target].scrapes):
            shown = counter.shown_until(end) - counter.shown_until(begin)
            assert increase(member, found[member.target], Span(floor, begin, end)) == shown


@given(histories(), st.lists(st.integers(1, 320), min_size=2, max_size=8, unique=True))
def test_windows_that_tile_time_add_up_to_the_count_of_their_union(counters: list[Counter], edges: list[int]) -> None:
    edges.sort()
    series = [counter.series() for counter in counters]
    found = processes(series, {POD: None})
    for member in series:
        process = found[member.target]
        if process.scrapes[0] <= edges[0]:
            tiles = [increase(member, process, Span(0, a, b)) for a, b in itertools.pairwise(edges)]
            assert sum(tiles) == increase(member, process, Span(0, edges[0], edges[-1]))
