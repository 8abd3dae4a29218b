"""Pods that differ in several metrics at once: a distance, and how often chance alone gives as much."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_judging.guardrails import pod_anomaly

from tests.unit.judging.laws import lawful

NONE = np.zeros(3)


def pods(count: int, own: int, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values of pods in three metrics that go together, the first `own` of the canary and shifted in all."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, 1)) + random.normal(size=(count, 3))
    canary = np.arange(count) < own
    values[canary] += shift
    return values, canary


def test_pods_that_are_worse_in_all_metrics_are_unlike() -> None:
    found = pod_anomaly.pod_distance(*pods(20, 5, 5.0), NONE)
    assert found is not None
    assert found.p < 0.001
    assert found.distance > 1
    assert len(found.parts) == 3


def test_pods_that_are_better_are_not() -> None:
    found = pod_anomaly.pod_distance(*pods(20, 5, -5.0), NONE)
    assert found is not None
    assert found.p == 1.0


def test_what_is_within_the_tolerance_is_not_seen() -> None:
    values, canary = pods(20, 5, 5.0)
    found = pod_anomaly.pod_distance(values, canary, np.full(3, 100.0))
    assert found is not None
    assert (found.distance, found.p, found.parts) == (0.0, 1.0, (0.0, 0.0, 0.0))


def test_chance_gives_a_small_p_no_more_often_than_p_says() -> None:
    found = [pod_anomaly.pod_distance(*pods(12, 3, seed=seed), NONE) for seed in range(400)]
    p = np.array([one.p for one in found if one is not None])
    assert len(p) == 400
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() <= level + 2.5 * np.sqrt(level / 400)


@pytest.mark.parametrize(("count", "own", "least"), [(20, 1, 1 / 20), (5, 2, 1 / 10), (500, 25, 1 / 5000)])
def test_the_smallest_p_that_so_many_pods_can_give_is_said(count: int, own: int, least: float) -> None:
    found = pod_anomaly.pod_distance(*pods(count, own, 50.0), NONE)
    assert found is not None
    assert found.min_p == pytest.approx(least)
    assert found.p == pytest.approx(least)


@pytest.mark.parametrize(("count", "own"), [(1, 1), (3, 1), (20, 0), (20, 20), (0, 0)])
def test_too_few_pods_have_no_distance(count: int, own: int) -> None:
    assert pod_anomaly.pod_distance(*pods(count, own), NONE) is None


def test_metrics_in_which_no_pod_differs_say_nothing() -> None:
    assert pod_anomaly.pod_distance(np.ones((10, 3)), np.arange(10) < 3, NONE) is None
    values, canary = pods(20, 5, 5.0)
    values[:, 1] = 7.0
    found = pod_anomaly.pod_distance(values, canary, NONE)
    assert found is not None
    assert found.parts[1] == 0.0


def test_pods_without_a_finite_value_are_left_out() -> None:
    values, canary = pods(20, 5, 5.0)
    expected = pod_anomaly.pod_distance(values[:-2], canary[:-2], NONE)
    values[-2, 1], values[-1, 0] = np.nan, np.inf
    assert pod_anomaly.pod_distance(values, canary, NONE) == expected


def test_the_unit_of_a_metric_does_not_matter() -> None:
    values, canary = pods(20, 5, 1.0)
    one, other = (pod_anomaly.pod_distance(values * scale, canary, NONE) for scale in (1.0, np.array([1e9, 1e-9, 1.0])))
    assert one is not None
    assert other is not None
    assert (one.distance, one.p) == pytest.approx((other.distance, other.p))


@lawful
@given(st.integers(2, 30), st.integers(1, 8), st.integers(0, 10**6))
def test_a_shrunk_covariance_can_be_inverted_and_keeps_the_variance(rows: int, columns: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, columns))
    values -= values.mean(axis=0)
    found = pod_anomaly.shrunk_covariance(values)
    assert np.linalg.eigvalsh(found).min() > 0
    assert np.trace(found) == pytest.approx(np.trace(values.T @ values / rows), rel=1e-6)


def test_the_covariance_of_many_is_hardly_shrunk_that_of_few_is() -> None:
    """By how much: the closed form of Ledoit and Wolf, computed row by row."""
    for rows in (5, 50, 50_000):
        values = np.random.default_rng(1).normal(size=(rows, 3)) * (1.0, 2.0, 3.0)
        values -= values.mean(axis=0)
        sample = values.T @ values / rows
        target = np.trace(sample) / 3 * np.eye(3)
        noise = sum(((np.outer(row, row) - sample) ** 2).sum() for row in values) / rows**2
        weight = min(noise / ((sample - target) ** 2).sum(), 1.0)
        expected = (1 - weight) * sample + weight * target
        assert pod_anomaly.shrunk_covariance(values) == pytest.approx(expected, rel=1e-6, abs=1e-6)
