"""The interval of a shift against what R and Kayenta give, and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from serinus_judging.rules.rank_sum import shift

from tests.unit.judging.laws import lawful

samples = st.lists(st.integers(0, 40), min_size=1, max_size=12).map(lambda values: np.array(values, dtype=float))


def test_the_example_of_kayenta() -> None:
    found = shift(np.array([10.0, 20, 30, 40]), np.array([1.0, 2, 3, 4]), 0.95)
    assert found == (6, 39, 22.5)


def test_eight_against_eight_by_hand() -> None:
    """z 1.96, sigma sqrt(64 / 12 * 17) = 9.52: place ceil(32 - 0.5 - 18.66) = 13 of 64 differences from either end."""
    canary, stable = np.arange(8.0) * 10, np.arange(8.0)
    differences = sorted((canary[:, None] - stable).ravel())
    found = shift(canary, stable, 0.95)
    assert (found.low, found.high) == (differences[12], differences[-13])


@lawful
@given(samples, samples, st.sampled_from([0.8, 0.95, 0.98]))
def test_beyond_the_interval_the_corrected_rank_sum_test_rejects_and_inside_it_does_not(
    canary: np.ndarray, stable: np.ndarray, confidence: float
) -> None:
    """scipy's test of the canary less a shift that makes no new ties, beside each bound."""
    found = shift(canary, stable, confidence)
    alpha = 1 - confidence
    differences = canary[:, None] - stable
    if found.low > differences.min():
        assert p_value(canary - (found.low - 0.25), stable) < alpha
        assert p_value(canary - (found.low + 0.25), stable) >= alpha - 1e-9 or found.low == found.high
    if found.high < differences.max():
        assert p_value(canary - (found.high + 0.25), stable) < alpha


def p_value(canary: np.ndarray, stable: np.ndarray) -> float:
    return float(stats.mannwhitneyu(canary, stable, method="asymptotic", use_continuity=True).pvalue)


@lawful
@given(samples, samples, st.sampled_from([1e-6, 0.5, 1e6]))
def test_a_change_of_unit_changes_only_the_unit(canary: np.ndarray, stable: np.ndarray, unit: float) -> None:
    """Kayenta's solver has an absolute tolerance, with which a series of 1e-6 loses all power."""
    assert shift(unit * canary, unit * stable, 0.98) == pytest.approx([unit * v for v in shift(canary, stable, 0.98)])


@lawful
@given(samples, samples)
def test_swapping_the_samples_turns_the_interval_over(canary: np.ndarray, stable: np.ndarray) -> None:
    found, turned = shift(canary, stable, 0.95), shift(stable, canary, 0.95)
    assert (turned.low, turned.high, turned.estimate) == pytest.approx((-found.high, -found.low, -found.estimate))


@lawful
@given(samples, samples)
def test_the_estimate_lies_inside(canary: np.ndarray, stable: np.ndarray) -> None:
    found = shift(canary, stable, 0.9)
    assert found.low <= found.estimate <= found.high
