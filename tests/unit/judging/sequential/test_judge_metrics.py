"""Metrics and limits of every kind, and counts of every size."""

import pytest
from serinus_contracts.events import (
    Distribution,
    Measurement,
    Proportion,
)
from serinus_contracts.plan import PlanLimit

from tests.unit.judging.builders import distribution, latency, metric, missing, only, plan, proportion, snapshot
from tests.unit.judging.runs import LIMIT, errors, evaluated, judged, known_noise, slow, steady


def test_a_metric_that_is_missing_keeps_its_evidence() -> None:
    rule = plan(metric("a"), metric("b"))
    both = {"a": proportion(7, 1000, 2, 1000), "b": proportion(2, 1000, 2, 1000)}
    evidence, before = judged(rule, [snapshot(both, n) for n in range(1, 6)])
    _, after = judged(rule, [snapshot({**both, "a": missing()}, 6)], evidence)
    assert only(after.metrics, "a").log_eprocess == only(before.metrics, "a").log_eprocess
    assert only(after.metrics, "a").label == "no_data"


# Directions, limits, latency.


def test_of_shares_above_999_in_1000_a_canary_that_fails_8_times_as_often_is_aborted_and_never_promoted() -> None:
    rule = plan(metric("success", better="higher"))
    looks = [snapshot({"success": proportion(14_988, 15_000, 29_997, 30_000)}, n) for n in range(1, 26)]
    evidence = known_noise(rule)
    for look in looks:
        evidence, found = evaluated(rule, evidence, look)
        assert found.verdict != "proceed"
    assert (found.verdict, found.regressed) == ("abort", ("success",))


def test_of_equal_shares_above_999_in_1000_nothing_is_shown_at_a_margin_of_1() -> None:
    for better in ("lower", "higher"):
        rule = plan(metric("hits", better=better))
        looks = [snapshot({"hits": proportion(29_997, 30_000, 29_997, 30_000)}, n) for n in range(1, 41)]
        assert judged(rule, looks)[1].reason == "insufficient_evidence"


def test_of_shares_above_999_in_1000_an_equal_canary_is_promoted_within_a_margin_that_leaves_room() -> None:
    rule = plan(metric("success", ratio=0.9995, better="higher"))
    looks = [snapshot({"success": proportion(29_997, 30_000, 29_997, 30_000)}, n) for n in range(1, 9)]
    assert judged(rule, looks)[1].reason == "non_inferior"


def test_a_margin_that_no_share_can_exceed_neither_aborts_nor_promotes() -> None:
    rule = plan(metric("misses", 1.25))
    looks = [snapshot({"misses": proportion(x, 1000, 900, 1000)}, n) for n, x in enumerate((0, 1000, 900) * 7, 1)]
    assert judged(rule, looks)[1].reason == "insufficient_evidence"


def test_where_higher_is_better_a_drop_aborts_and_a_rise_is_shown() -> None:
    rule = plan(metric("conversion", 0.95, better="higher"))
    _, worse = judged(rule, [snapshot({"conversion": proportion(240, 1000, 300, 1000)}, n) for n in range(1, 12)])
    assert (worse.verdict, worse.regressed) == ("abort", ("conversion",))
    high = worse.metrics[0].run[0].high
    assert high is not None
    assert high <= 1
    _, fine = judged(rule, [snapshot({"conversion": proportion(330, 1000, 300, 1000)}, n) for n in range(1, 12)])
    assert fine.reason == "non_inferior"
    low = fine.metrics[0].run[0].low
    assert low is not None
    assert low >= 1


def test_a_limit_aborts_alone_and_says_so() -> None:
    rule = plan(metric("errors", ratio=100), limits=[LIMIT])
    evidence, found = judged(rule, steady(errors(150, 1000, 2, 1000), 8))
    assert (found.verdict, found.reason, found.regressed) == ("abort", "limit", ("errors above 0.1",))
    assert found.metrics[1].limit
    _, below = judged(rule, steady(errors(80, 1000, 2, 1000), 60))
    assert below.verdict != "abort"
    assert evidence.shape[2] == 2


def test_a_limit_from_below_is_the_complements_limit_from_above() -> None:
    low = PlanLimit(name="conversion below 0.85", metric="conversion", better="higher", share=0.85)
    rule = plan(metric("conversion", 0.5, better="higher"), limits=[low])
    _, found = judged(rule, [snapshot({"conversion": proportion(800, 1000, 900, 1000)}, n) for n in range(1, 12)])
    assert (found.verdict, found.reason) == ("abort", "limit")
    assert found.metrics[1].run[0].canary.events == 11 * 800 or found.metrics[1].run[0].canary.events % 800 == 0
    _, fine = judged(rule, [snapshot({"conversion": proportion(860, 1000, 900, 1000)}, n) for n in range(1, 40)])
    assert fine.verdict != "abort"


def test_a_rate_may_have_limits_from_both_sides() -> None:
    calls = metric("calls", 2.0, count="rate")
    top = PlanLimit(name="top", metric="calls", share=0.9)
    bottom = PlanLimit(name="bottom", metric="calls", better="higher", share=0.2)
    rule = plan(calls, limits=[top, bottom])
    _, much = judged(rule, [snapshot({"calls": proportion(1500, 1000, 1500, 1000)}, n) for n in range(1, 8)])
    assert much.regressed == ("top",)
    _, little = judged(rule, [snapshot({"calls": proportion(100, 1000, 100, 1000)}, n) for n in range(1, 8)])
    assert little.regressed == ("bottom",)


def test_more_events_than_trials_are_no_fault_where_events_follow_later() -> None:
    rule = plan(metric("conversion", 0.95, better="higher", lag=180))
    _, found = judged(rule, [snapshot({"conversion": proportion(105, 100, 110, 100)}, n) for n in range(1, 5)])
    assert found.reason == "insufficient_evidence"
    _, worse = judged(rule, [snapshot({"conversion": proportion(50, 100, 110, 100)}, n) for n in range(1, 9)])
    assert worse.verdict == "abort"


def test_slower_durations_abort_and_equal_ones_are_shown() -> None:
    rule = plan(latency(), gate="nonInferiority")
    _, worse = judged(rule, [snapshot({"latency": slow(0.3, seed=2 * n)}, n) for n in range(1, 8)])
    assert (worse.verdict, worse.reason) == ("abort", "evidence")
    _, fine = judged(rule, [snapshot({"latency": slow(0.2, seed=2 * n)}, n) for n in range(1, 40)])
    assert fine.reason == "non_inferior"
    channels = fine.metrics[0].run
    assert [channel.quantile for channel in channels] == [q for q in (0.5, 0.75, 0.9, 0.95, 0.99) for _ in range(2)]
    assert all((channel.log_eprocess_non_inferior is None) == (i % 2 == 0) for i, channel in enumerate(channels))
    assert channels[0].stable_edge is not None
    assert channels[0].canary_edge is not None
    assert channels[0].canary_edge == pytest.approx(1.2 * channels[0].stable_edge)


def test_what_coarse_buckets_cannot_show_is_said() -> None:
    edges = (0.1, 1.0)
    look = {"latency": distribution(edges, (500, 495, 5), (500, 495, 5))}
    _, found = judged(plan(latency(), gate="nonInferiority"), [snapshot(look, n) for n in range(1, 40)])
    assert found.reason == "insufficient_evidence"
    assert [channel.detail for channel in found.metrics[0].run] == [
        "with these buckets a slowdown is seen from 10× on and cannot be shown to be allowed"
    ]


def test_buckets_in_which_nothing_can_be_seen_are_named_instead_of_a_baseline() -> None:
    look = {"latency": distribution((1.0, 2.0), (500, 0, 0), (500, 0, 0))}
    _, found = judged(plan(latency()), [snapshot(look, n) for n in range(1, 4)])
    assert found.verdict == "hold"
    assert "with these buckets no slowdown can be seen: add edges around stable's p50 and p95" in found.sentence
    assert found.metrics[0].detail.startswith("with these buckets no slowdown can be seen")


def test_a_latency_limit_uses_the_next_edge_and_one_beyond_the_histogram_says_so() -> None:
    slow_limit = PlanLimit(name="p95 above 0.5 s", metric="latency", share=0.05, edge=0.5)
    rule = plan(latency(ratio=100), limits=[slow_limit])
    _, found = judged(rule, [snapshot({"latency": slow(0.4, seed=2 * n)}, n) for n in range(1, 12)])
    assert found.reason == "limit"
    far = PlanLimit(name="p95 above 60 s", metric="latency", share=0.05, edge=60.0)
    rule = plan(latency(), limits=[far])
    _, found = judged(rule, [snapshot({"latency": slow(0.2, seed=2 * n)}, n) for n in range(1, 4)])
    assert found.metrics[1].detail == "the histogram has no edge at or beyond 60 s"
    assert found.metrics[1].log_eprocess == 0.0


def test_buckets_that_change_in_mid_run_are_an_error_of_the_data() -> None:
    rule = plan(latency())
    evidence, _ = judged(rule, [snapshot({"latency": slow(0.2)}, n) for n in range(1, 4)])
    other = distribution((0.1, 0.3), (5, 3, 1), (50, 30, 10))
    _, found = judged(rule, [snapshot({"latency": other}, 4)], evidence)
    assert found.reason == "provider_error"
    assert found.metrics[0].detail == "bucket edges changed during the run"


def test_sixty_buckets_and_500_pods_are_judged() -> None:
    edges = tuple(0.001 * 1.15**i for i in range(60))
    buckets = tuple(range(61))
    pods = {f"pod-{i}": (1, 500) for i in range(500)}
    crowd = Proportion(status="ok", canary=dict(list(pods.items())[:50]), stable=pods, series=550)
    durations = Distribution(status="ok", edges=edges, canary=buckets, stable=buckets)
    look: dict[str, Measurement] = {"errors": crowd, "latency": durations}
    _, found = judged(plan(metric("errors"), latency()), [snapshot(look, n) for n in range(1, 4)])
    assert only(found.metrics).run[0].stable.trials == 3 * 250_000


def test_counts_of_10_to_the_12_are_judged() -> None:
    n = 10**12
    _, found = judged(plan(metric(ratio=1.25)), steady(errors(2 * n // 1000, n, 2 * n // 1000, n), 5))
    assert found.reason == "non_inferior"
    _, found = judged(plan(metric(ratio=1.25)), steady(errors(3 * n // 1000, n, 2 * n // 1000, n), 5))
    assert found.verdict == "abort"


def test_one_pod_and_one_request_are_judged() -> None:
    _, found = judged(plan(), steady(errors(1, 1, 0, 1), 5))
    assert found.verdict == "hold"


# What changes nothing.
