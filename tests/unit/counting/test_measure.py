from dataclasses import replace
from typing import Any

import pytest
from serinus_contracts import Distribution, PlanMetric, Proportion, Window
from serinus_contracts.plan import query_digest
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span
from serinus_counting.series import Series, scrape_interval

from tests.support import ERRORS, LATENCY, plan

PODS: dict[str, Any] = {
    "checkout-new-1": ("canary", 0),
    "checkout-old-1": ("stable", 0),
    "checkout-old-2": ("stable", 0),
}
SPAN = Span(floor=0, begin=20_000, end=40_000)
INF = "+Inf"


def series(pod: str, before: float, after: float, **labels: str) -> Series:
    times = [20_000, 30_000, 40_000]
    return Series({"__name__": "x", "pod": pod, "instance": pod, **labels}, times, [before, before, after])


def proportion(*found: Series) -> Proportion:
    one = measure(MetricWindow(plan(), ERRORS, SPAN, PODS, 10_000), found)
    assert isinstance(one, Proportion)
    return one


def test_a_snapshot_names_its_query_by_a_digest_whose_text_the_plan_has() -> None:
    one = proportion(series("checkout-new-1", 10, 110, code="200"), series("checkout-old-1", 0, 50, code="200"))
    assert (one.query, one.query_digest) == ("", query_digest(plan().metrics[0].source.query))


def test_counts_are_sorted_into_arms_pods_events_and_trials() -> None:
    one = proportion(
        series("checkout-new-1", 10, 110, code="200"),
        series("checkout-new-1", 1, 4, code="503"),
        series("checkout-old-1", 0, 50, code="200"),
        series("checkout-old-2", 0, 60, code="200"),
        series("checkout-older-1", 0, 999, code="500"),
    )
    assert one.status == "ok"
    assert one.canary == {"checkout-new-1": (3, 103)}
    assert one.stable == {"checkout-old-1": (0, 50), "checkout-old-2": (0, 60)}
    assert (one.series, one.newest) == (4, 40_000)
    assert one.window is not None
    assert (one.window.begin, one.window.end) == (20_000, 40_000)


def test_traffic_without_an_error_series_is_zero_errors_and_an_absent_arm_is_not() -> None:
    assert (
        proportion(series("checkout-new-1", 0, 9, code="200"), series("checkout-old-1", 0, 9, code="200")).status
        == "ok"
    )
    without = proportion(series("checkout-old-1", 0, 9, code="200"))
    assert without.status == "no_data"
    assert without.detail == "no canary data since 00:00:20, Prometheus answered, 0 of 1 expected series"
    assert without.window is None


def test_series_that_stopped_are_missing_data_not_zero() -> None:
    stopped = Series({"pod": "checkout-new-1", "code": "200"}, [5_000, 10_000], [5, 9])
    one = proportion(stopped, series("checkout-old-1", 0, 9, code="200"))
    assert one.status == "no_data"
    assert one.detail == "no canary data since 00:00:20, Prometheus answered, 1 series without a new sample"


def test_what_cannot_show_the_failures_of_a_service_is_an_error_and_never_zero_errors() -> None:
    blind = ERRORS.model_copy(update={"source": ERRORS.source.model_copy(update={"blind": "the service speaks gRPC"})})
    found = [series(pod, 0, 9, code="200") for pod in ("checkout-new-1", "checkout-old-1")]
    one = measure(
        MetricWindow(plan(metrics=(blind,)), blind, Span(floor=0, begin=20_000, end=47_000), PODS, 10_000), found
    )
    assert (one.status, one.detail) == ("error", "the service speaks gRPC")


def test_a_scrape_that_is_not_due_yet_is_no_fault() -> None:
    recent = Series({"pod": "checkout-new-1", "code": "200"}, [10_000, 20_000], [5, 9])
    assert proportion(recent, series("checkout-old-1", 0, 9, code="200")).status == "waiting"


def test_a_window_beyond_what_was_scraped_waits_for_it_so_that_no_count_is_lost() -> None:
    found = series("checkout-new-1", 0, 9, code="200"), series("checkout-old-1", 0, 9, code="200")
    ahead = Span(floor=0, begin=20_000, end=66_000)
    one = measure(MetricWindow(plan(), ERRORS, ahead, PODS, 10_000), found)
    assert (one.status, one.window) == ("no_data", None)
    assert one.detail.startswith(
        "the newest sample is 26 s older than the snapshot: scrapes are overdue, or the clocks"
    )
    still = measure(MetricWindow(plan(), ERRORS, Span(floor=0, begin=20_000, end=65_000), PODS, 10_000), found)
    assert still.status == "ok", "between two scrapes, or after one that failed"


@pytest.mark.parametrize("metric", [ERRORS, LATENCY])
def test_a_window_ends_with_its_newest_sample_so_that_one_scraped_later_is_in_the_next(metric: PlanMetric) -> None:
    label = {"code": "200"} if metric is ERRORS else {"le": INF}
    canary, stable = series("checkout-new-1", 0, 9, **label), series("checkout-old-1", 0, 9, **label)
    early = Series(stable.labels, stable.times[:2], stable.values[:2])
    buckets = [Series({**one.labels, "le": "0.1"}, one.times, one.values) for one in (canary, early)]
    found = [canary, early, *buckets] if metric is LATENCY else [canary, early]
    one = measure(
        MetricWindow(plan(metrics=(metric,)), metric, Span(floor=0, begin=20_000, end=47_000), PODS, 10_000), found
    )
    assert one.window == Window(begin=20_000, end=40_000), "the newest of both arms"


def test_a_source_whose_series_cannot_be_told_good_from_bad_is_an_error_not_a_pass() -> None:
    one = proportion(series("checkout-new-1", 0, 9), series("checkout-old-1", 0, 9, code="200"))
    assert one.status == "error"
    assert one.detail == "a series of canary has none of the labels code"


@pytest.mark.parametrize("most", [2.0**63, 1e300, float("inf")])
def test_a_counter_that_no_traffic_can_count_is_an_error_not_a_number(most: float) -> None:
    for metric, labels in ((ERRORS, {"code": "200"}), (LATENCY, {"le": "+Inf"})):
        counters = [series("checkout-new-1", 0, most, **labels), series("checkout-old-1", 0, 5, **labels)]
        one = measure(MetricWindow(plan(metrics=(metric,)), metric, SPAN, PODS, None), counters)
        assert one.status == "error"
        assert f"canary {most:.3g} counts in one window, more than 1e+12" in one.detail


def test_a_number_that_is_below_zero_is_no_count_and_is_an_error_that_says_so() -> None:
    for metric, labels in ((ERRORS, {"code": "500"}), (LATENCY, {"le": "+Inf"})):
        counters = [series("checkout-new-1", -9, -7, **labels), series("checkout-old-1", 0, 5, **labels)]
        ended = [replace(one, times=one.times[1:], values=one.values[1:]) for one in counters]
        born = {**PODS, "checkout-new-1": ("canary", 25_000)}
        one = measure(MetricWindow(plan(metrics=(metric,), warmup=0.0), metric, SPAN, born, 10_000), ended)
        assert one.status == "error"
        assert one.detail == "canary has a series that counts -7 in one window: no counter of requests"


def histogram(pod: str, edges: list[str], counts: list[float]) -> list[Series]:
    return [series(pod, 0, count, le=edge) for edge, count in zip(edges, counts, strict=True)]


def distribution(*found: Series) -> Distribution:
    one = measure(MetricWindow(plan(metrics=(LATENCY,)), LATENCY, SPAN, PODS, 10_000), found)
    assert isinstance(one, Distribution)
    return one


def test_buckets_become_counts_that_are_not_cumulative() -> None:
    edges = ["0.1", "0.5", INF]
    one = distribution(
        *histogram("checkout-new-1", edges, [5, 8, 9]), *histogram("checkout-old-1", edges, [50, 80, 90])
    )
    assert (one.status, one.edges) == ("ok", (0.1, 0.5))
    assert (one.canary, one.stable) == ((5, 3, 1), (50, 30, 10))


def test_edges_are_numbers_however_they_are_written() -> None:
    one = distribution(
        *histogram("checkout-new-1", ["1", "2.5", INF], [1, 2, 3]),
        *histogram("checkout-old-1", ["1.0", "2.50", INF], [1, 2, 3]),
    )
    assert one.edges == (1.0, 2.5)


def test_a_bucket_that_changes_its_spelling_goes_on_from_what_it_has_counted() -> None:
    def upgraded(pod: str, edge: str, spelled: str, counts: list[float]) -> list[Series]:
        labels = {"__name__": "x", "pod": pod, "instance": pod}
        return [
            Series({**labels, "le": edge}, [20_000, 30_000], counts[:2]),
            Series({**labels, "le": spelled}, [40_000], counts[2:]),
        ]

    one = distribution(
        *upgraded("checkout-new-1", "10", "10.0", [100, 102, 105]),
        *histogram("checkout-new-1", [INF], [6]),
        *upgraded("checkout-old-1", "10", "10.0", [900, 930, 950]),
        *histogram("checkout-old-1", [INF], [70]),
    )
    assert (one.status, one.edges) == ("ok", (10.0,))
    assert (one.canary, one.stable) == ((5, 1), (50, 20))


@pytest.mark.parametrize("metric", [ERRORS, LATENCY])
def test_several_processes_behind_one_address_are_an_error_that_names_the_pod_and_the_ways_out(
    metric: PlanMetric,
) -> None:
    times = [10_000 * number for number in range(7)]

    def pod(name: str, values: list[float]) -> list[Series]:
        labels = {"__name__": "x", "pod": name, "instance": name, "code": "200"}
        return [Series({**labels, "le": edge}, times, values) for edge in ("0.1", INF)]

    calm = pod("checkout-old-1", [100.0 * number for number in times])
    turns = pod("checkout-new-1", [400, 420, 120, 440, 130, 140, 170])
    span = Span(0, 20_000, 60_000)
    found = measure(MetricWindow(plan(metrics=(metric,)), metric, span, PODS, 10_000), [*turns, *calm])
    assert found.status == "error"
    wanted = "counters of pod checkout-new-1 fell at 2 scrapes without a restart of it: several processes"
    assert wanted in found.detail
    restarted = {"checkout-new-1": 2}
    assert (
        measure(MetricWindow(plan(metrics=(metric,)), metric, span, PODS, 10_000, restarted), [*turns, *calm]).status
        == "ok"
    )
    once = pod("checkout-new-1", [400, 420, 430, 30, 40, 50, 60])
    held = measure(MetricWindow(plan(metrics=(metric,)), metric, span, PODS, 10_000), [*once, *calm])
    assert held.status == "partial"
    assert held.detail == "counters of pod checkout-new-1 fell without a restart of it: the next scrapes tell why"
    times.append(70_000)
    calm, once = pod("checkout-old-1", [*range(8)]), pod("checkout-new-1", [400, 420, 430, 30, 40, 50, 60, 70])
    span = Span(0, 20_000, 70_000)
    assert measure(MetricWindow(plan(metrics=(metric,)), metric, span, PODS, 10_000), [*once, *calm]).status == "ok"


def test_only_edges_that_both_arms_have_are_compared() -> None:
    one = distribution(
        *histogram("checkout-new-1", ["0.1", "0.3", "0.5", INF], [1, 2, 3, 4]),
        *histogram("checkout-old-1", ["0.1", "0.5", INF], [10, 30, 40]),
    )
    assert one.edges == (0.1, 0.5)
    assert (one.canary, one.stable) == ((1, 2, 1), (10, 20, 10))


@pytest.mark.parametrize(
    ("canary", "complaint"),
    [
        (histogram("checkout-new-1", ["0.7", INF], [1, 2]), "share no bucket edges"),
        (histogram("checkout-new-1", ["0.1", INF], [5, 2]), "buckets of canary are not cumulative"),
        ([series("checkout-new-1", 0, 5)], "no bucket edge in its label le"),
        ([series("checkout-new-1", 0, 5, le="many")], "no bucket edge in its label le"),
    ],
)
def test_a_histogram_that_cannot_be_compared_is_an_error(canary: list[Series], complaint: str) -> None:
    one = distribution(*canary, *histogram("checkout-old-1", ["0.1", INF], [1, 2]))
    assert one.status == "error"
    assert complaint in one.detail


LATE = histogram("checkout-new-1", ["0.1", INF], [1, 2])
OLD = histogram("checkout-old-1", ["0.1", INF], [10, 20]) + histogram("checkout-old-2", ["0.1", INF], [30, 40])


def warmed(warmup: float, **started: int) -> Distribution:
    """Latency where pods take so long to warm up and began at these times."""
    began = {name: (arm, started.get(name.replace("-", "_"), 0)) for name, (arm, _) in PODS.items()}
    rule = plan(metrics=(LATENCY,)).model_copy(update={"warmup": warmup})
    one = measure(MetricWindow(rule, LATENCY, SPAN, began, 10_000), LATE + OLD)
    assert isinstance(one, Distribution)
    return one


def test_latency_leaves_out_pods_that_warmed_up_in_the_window_and_says_so() -> None:
    one = warmed(10, checkout_old_2=15_000)
    assert (one.status, one.stable) == ("ok", (10, 10))
    assert one.detail == "pods younger than 10 s left out: 1"
    assert warmed(10).detail == ""


def test_what_is_wrong_with_the_buckets_is_said_also_where_young_pods_are_left_out() -> None:
    edges = [histogram("checkout-new-1", ["0.7", INF], [1, 2]), histogram("checkout-old-1", ["0.5", INF], [1, 2])]
    young = histogram("checkout-old-2", ["0.5", INF], [1, 2])
    pods = PODS | {"checkout-old-2": ("stable", 15_000)}
    rule = plan(metrics=(LATENCY,)).model_copy(update={"warmup": 10})
    one = measure(MetricWindow(rule, LATENCY, SPAN, pods, 10_000), [*edges[0], *edges[1], *young])
    assert (one.status, one.detail) == ("error", "canary and stable share no bucket edges")


def test_latency_of_an_arm_that_is_warming_up_settles() -> None:
    one = warmed(60, checkout_old_1=-60_000, checkout_old_2=-60_000)
    assert (one.status, one.detail) == ("settling", "pods younger than 60 s left out: 1")


def test_pods_that_all_warmed_up_in_the_window_are_counted_at_its_end() -> None:
    one = warmed(25)
    assert (one.status, one.canary, one.stable, one.detail) == ("ok", (1, 1), (40, 20), "")


def test_what_is_left_of_a_pod_that_is_gone_does_not_stand_for_an_arm_that_is_warming_up() -> None:
    gone = [Series({**one.labels, "pod": "checkout-old-0"}, [1_000], [5]) for one in OLD[:2]]
    rule = plan(metrics=(LATENCY,)).model_copy(update={"warmup": 25})
    found = measure(MetricWindow(rule, LATENCY, SPAN, PODS, 10_000), [*LATE, *OLD, *gone])
    assert isinstance(found, Distribution)
    assert (found.status, found.stable) == ("ok", warmed(25).stable)


def test_the_scrape_interval_is_the_median_distance_so_a_missed_scrape_does_not_change_it() -> None:
    one = Series({}, [0, 15_000, 30_000, 60_000, 75_000], [0] * 5)
    assert scrape_interval([one]) == 15_000
    assert scrape_interval([Series({}, [5], [0])]) is None


def test_thousands_of_pods_with_long_names_come_to_a_snapshot_of_some_hundred_kilobytes_and_no_count_is_lost() -> None:
    names = [f"checkout-{arm}-{'p' * 220}-{number}" for arm in ("new", "old") for number in range(1_500)]
    pods: dict[str, Any] = {name: ("canary" if "new" in name else "stable", 0) for name in names}
    found = [series(name, 0, 2, code="200") for name in names]
    one = measure(MetricWindow(plan(), ERRORS, SPAN, pods, 20_000), found)
    assert isinstance(one, Proportion)
    assert len(one.model_dump_json()) < 320_000
    assert sum(trials for _, trials in one.canary.values()) == 3_000


def test_a_histogram_of_very_many_edges_is_an_error_that_says_so() -> None:
    found = [
        series(pod, 0, 5, le=le)
        for pod in ("checkout-new-1", "checkout-old-1")
        for le in [*map(str, range(1, 301)), INF]
    ]
    one = measure(MetricWindow(plan(metrics=(LATENCY,)), LATENCY, SPAN, PODS, 10_000), found)
    assert (one.status, one.detail) == ("error", "the histograms have 301 bucket edges, at most 200 are judged")
