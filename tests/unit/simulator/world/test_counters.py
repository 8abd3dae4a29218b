from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.world.counters import Counters, Load
from serinus_simulator.world.latency import buckets
from serinus_simulator.world.scenario_noise import Retries
from serinus_simulator.world.scenario_traffic import Latency, Sessions, Slow

EDGES = (0.01, 0.05, 0.1, 0.5, 1.0)
LATENCY = Latency(p50=0.06, p99=0.4)


def load(rate: float = 1000.0, error_rate: float = 0.01, slow: Slow | None = None, factor: float = 1.0) -> Load:
    shares, means = buckets(LATENCY, factor, slow, EDGES)
    return Load(rate, error_rate, shares, means)


def counters(seed: int = 1, weights: tuple[float, ...] = (1.0,)) -> Counters:
    return Counters(np.random.default_rng(seed), weights, len(EDGES))


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=12), st.integers(0, 2**31))
def test_what_is_exposed_between_restarts_adds_up_to_the_total(spans: list[tuple[float, bool]], seed: int) -> None:
    pod = counters(seed, (3.0, 1.0))
    hidden = [0, 0]
    for seconds, restart in spans:
        pod.serve(load(), seconds)
        if restart:
            hidden[0] += pod.exposed.requests
            hidden[1] += pod.exposed.error_count
            pod.restart()
    assert pod.exposed.requests + hidden[0] == pod.total.requests
    assert pod.exposed.error_count + hidden[1] == pod.total.error_count


@given(st.lists(st.floats(0, 3), min_size=1, max_size=10), st.integers(0, 2**31))
def test_every_request_has_a_latency_and_no_counter_ever_falls(spans: list[float], seed: int) -> None:
    pod, last = counters(seed), 0
    for seconds in spans:
        pod.serve(load(), seconds)
        assert int(pod.total.buckets.sum()) == pod.total.requests >= last
        last = pod.total.requests


def test_the_counts_have_the_mean_and_the_spread_of_a_poisson_stream() -> None:
    counts = []
    for seed in range(400):
        pod = counters(seed)
        pod.serve(load(rate=100), 1.0)
        counts.append(pod.total.requests)
    assert np.mean(counts) == pytest.approx(100, abs=5 * math.sqrt(100 / 400))
    assert np.var(counts) == pytest.approx(100, rel=0.4)


def test_errors_and_their_codes_come_in_the_given_shares() -> None:
    pod = counters(weights=(3.0, 1.0))
    pod.serve(load(rate=1_000_000, error_rate=0.02), 1.0)
    assert pod.total.error_count / pod.total.requests == pytest.approx(0.02, rel=0.05)
    assert pod.total.errors[0] / pod.total.error_count == pytest.approx(0.75, rel=0.05)


def test_ten_thousand_requests_a_second_for_an_hour_are_drawn_at_once() -> None:
    pod = counters()
    pod.serve(load(rate=10_000), 3600.0)
    assert pod.total.requests == pytest.approx(36_000_000, rel=0.01)


def test_no_load_and_no_time_bring_nothing() -> None:
    pod = counters()
    pod.serve(load(rate=0.0), 10.0)
    pod.serve(load(), 0.0)
    assert pod.total.requests == 0


@given(
    st.floats(0.001, 1),
    st.floats(1.2, 50),
    st.floats(0.2, 5),
    st.none() | st.builds(Slow, share=st.floats(0, 1), factor=st.floats(0.5, 20)),
)
def test_bucket_shares_are_a_distribution_whose_means_lie_in_their_buckets(
    p50: float, spread: float, factor: float, slow: Slow | None
) -> None:
    shares, means = buckets(Latency(p50=p50, p99=p50 * spread), factor, slow, EDGES)
    assert shares.sum() == pytest.approx(1.0)
    for share, mean, lower, upper in zip(shares, means, (0.0, *EDGES), (*EDGES, math.inf), strict=True):
        if share > 1e-9:
            assert lower * 0.999 <= mean <= upper * 1.001


def test_half_of_the_requests_are_faster_than_the_median_and_one_in_a_hundred_slower_than_p99() -> None:
    shares, _ = buckets(LATENCY, 1.0, None, (0.06, 0.4))
    assert shares == pytest.approx([0.5, 0.49, 0.01])
    slower, _ = buckets(LATENCY, 2.0, None, (0.12, 0.8))
    assert slower == pytest.approx([0.5, 0.49, 0.01])


def test_the_sum_of_latencies_agrees_with_the_lognormal_mean() -> None:
    pod = counters()
    pod.serve(load(rate=1_000_000), 1.0)
    width = math.log(0.4 / 0.06) / 2.3263478740408408
    mean = math.exp(math.log(0.06) + width * width / 2)
    assert pod.total.seconds / pod.total.requests == pytest.approx(mean, rel=0.01)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 5), st.integers(0, 2**31))
def test_retries_are_requests_that_follow_failures(
    error_rate: float, probability: float, fails: float, limit: int, seed: int
) -> None:
    retries = Retries(probability=probability, limit=limit, fails=fails)
    pod = Counters(np.random.default_rng(seed), (1.0,), len(EDGES), retries)
    pod.serve(load(error_rate=error_rate), 1.0)
    total = pod.total
    first = total.requests - total.retries
    assert first >= 0
    assert total.retries <= limit * first
    assert total.retries <= total.error_count
    assert total.error_count <= first * (limit + 1)
    assert int(total.buckets.sum()) == total.requests
    if error_rate == 0 or probability == 0:
        assert total.retries == 0
    if probability == 1 and fails == 1:
        assert total.retries == limit * (total.error_count - total.retries)


def test_retries_make_as_many_more_requests_and_errors_as_their_law_says() -> None:
    pod = Counters(np.random.default_rng(1), (1.0,), len(EDGES), Retries(probability=0.5, limit=2, fails=0.8))
    pod.serve(load(rate=1e6, error_rate=0.01), 1.0)
    failed = 0.01 * (pod.total.requests - pod.total.retries)
    assert pod.total.retries / failed == pytest.approx(0.5 + 0.5 * 0.8 * 0.5, rel=0.05)
    assert pod.total.error_count / failed == pytest.approx(1 + 0.4 + 0.16, rel=0.05)


@given(st.lists(st.tuples(st.floats(0.01, 20), st.booleans()), max_size=12), st.sampled_from(["exponential", "fixed"]))
def test_conversions_never_outnumber_sessions_and_come_in_the_end(spans: list[tuple[float, bool]], law: str) -> None:
    sessions = Sessions.model_validate({"per_request": 0.3, "lag": 10, "law": law})
    pod = Counters(np.random.default_rng(1), (1.0,), len(EDGES), sessions=sessions)
    busy, now = load(), 0.0
    for seconds, restart in spans:
        now += seconds
        pod.serve(dataclasses.replace(busy, conversion=1.0), seconds, until=now)
        assert pod.total.conversions <= pod.total.sessions <= pod.total.requests
        if restart:
            pod.restart()
            assert (pod.exposed.sessions, pod.exposed.conversions) == (0, 0)
    pod.serve(dataclasses.replace(busy, rate=0.0), 1e6, until=now + 1e6)
    assert pod.total.conversions == pod.total.sessions


def test_sessions_and_conversions_have_the_set_shares() -> None:
    pod = Counters(np.random.default_rng(1), (1.0,), len(EDGES), sessions=Sessions(per_request=0.2))
    pod.serve(dataclasses.replace(load(rate=1e6), conversion=0.85), 1.0, until=1.0)
    assert pod.total.sessions / pod.total.requests == pytest.approx(0.2, rel=0.02)
    assert pod.total.conversions / pod.total.sessions == pytest.approx(0.85, rel=0.01)


def test_routes_share_the_requests_and_fail_at_rates_of_their_own() -> None:
    pod = Counters(np.random.default_rng(3), (3.0, 1.0), len(EDGES), routes=(3.0, 1.0))
    pod.serve(dataclasses.replace(load(rate=40_000), route_rates=(None, 0.5)), 1.0)
    ok, errors = pod.total.by_route[:, 0], pod.total.by_route[:, 1:]
    served = ok + errors.sum(axis=1)
    assert served / served.sum() == pytest.approx([0.75, 0.25], abs=0.01)
    assert errors.sum(axis=1) / served == pytest.approx([0.01, 0.5], abs=0.02)
    assert (ok.sum(), errors.sum(axis=0).tolist()) == (pod.total.ok, pod.total.errors.tolist())
    pod.restart()
    assert not pod.exposed.by_route.any()
