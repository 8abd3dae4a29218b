"""What one look is worth: never more than 1 in expectation while the margin holds, and as much as it can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from serinus_judging.sequential import evalue

from tests.unit.judging.laws import (
    absolutes,
    better,
    lawful,
    log_expectation,
    log_value,
    rates,
    ratios,
    trials,
    worse,
)

NEAR_0 = 10 ** np.linspace(np.longdouble(-10), np.longdouble(-0.31), 60)
GRID = np.concatenate([NEAR_0, np.linspace(np.longdouble(0.5), np.longdouble(0.99), 30), 1 - NEAR_0])


def tolerance(n: float, m: float) -> float:
    """Rounding of the expectation itself: of the events of the Poisson form, and of this test."""
    return float(1e-8 + (1e-17 + 4 * np.finfo(np.longdouble).eps) * (n + m))


@lawful
@given(trials, trials, rates, ratios, absolutes, worse)
def test_a_look_is_expected_to_be_worth_at_most_nothing_while_the_canary_is_within_its_margin(
    n: float, m: float, b: float, ratio: float, absolute: float, psi: float
) -> None:
    edge = np.minimum(np.longdouble(ratio) * GRID + np.longdouble(absolute), 1)
    for part in (1.0, 0.999, 0.7, 0.1, 0.0):
        assert log_expectation(edge * part, GRID, n, m, b, ratio, absolute, psi).max() <= tolerance(n, m)


@lawful
@given(trials, trials, rates, ratios, absolutes, better)
def test_a_look_is_expected_to_be_worth_at_most_nothing_while_the_canary_is_at_least_as_bad_as_its_margin(
    n: float, m: float, b: float, ratio: float, absolute: float, psi: float
) -> None:
    edge = np.longdouble(ratio) * GRID + np.longdouble(absolute)
    edge, stable = edge[edge <= 1], GRID[edge <= 1]
    for part in (0.0, 0.001, 0.3, 1.0):
        canary = edge + part * (1 - edge)
        assert log_expectation(canary, stable, n, m, b, ratio, absolute, psi).max(initial=-1) <= tolerance(n, m)


@lawful
@given(trials, trials, st.floats(1e-4, 20), ratios, absolutes, st.one_of(worse, better))
def test_rates_above_one_keep_the_law_for_poisson_counts(
    n: float, m: float, b: float, ratio: float, absolute: float, psi: float
) -> None:
    """For Poisson counts ln E[e] = const + n p (e^u - 1) + m s (e^v - 1)."""
    none = log_value(0, n, 0, m, b, ratio, absolute, psi, rate=True)
    per_x = log_value(n, n, 0, m, b, ratio, absolute, psi, rate=True) - none
    per_y = log_value(0, n, m, m, b, ratio, absolute, psi, rate=True) - none
    stable = np.logspace(-4, 2, 60)
    edge = ratio * stable + absolute
    for part in (1.0, 0.5) if psi > 1 else (1.0, 2.0):
        expected = none + n * edge * part * np.expm1(per_x / n) + m * stable * np.expm1(per_y / m)
        scale = 1 + n * edge + m * stable
        assert (expected / scale).max() <= 1e-9


@lawful
@given(st.floats(1e-5, 0.04), trials, trials, st.one_of(worse, better), st.sampled_from([0.5, 1.0, 1.2]), st.data())
def test_without_an_absolute_margin_rare_events_give_the_conditional_binomial(
    b: float, n: float, m: float, psi: float, ratio: float, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(0, int(n))), data.draw(st.integers(0, int(m)))
    here, there = ratio * n / (ratio * n + m), ratio * psi * n / (ratio * psi * n + m)
    expected = stats.binom.logpmf(x, x + y, there) - stats.binom.logpmf(x, x + y, here)
    found = log_value(x, n, y, m, b, ratio, 0, psi)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6)


def reference(x: float, n: float, y: float, m: float, b: float, ratio: float, absolute: float, psi: float) -> float:
    """The law as it is written down: quadratic in the Poisson form, bisection in the Bernoulli form."""
    edge = ratio * b + absolute
    if max(b, edge) < 0.05:
        a = psi * edge
        quadratic, linear = n * ratio**2 + m * ratio, n * ratio * (absolute - a) + m * (absolute - ratio * b)
        root = np.sqrt(linear**2 + 4 * quadratic * m * b * absolute)
        p = (root - linear) / (2 * quadratic) if linear <= 0 else 2 * m * b * absolute / (linear + root)
        c = ratio * p + absolute
        return float(x * np.log(a / c) + y * np.log(b / p) - n * (a - c) - m * (b - p))
    a = psi * edge / (1 - edge + psi * edge)
    ends = sorted((b, (a - absolute) / ratio))
    low, high = max(ends[0], 0.0), min(ends[1], 1.0, (1 - absolute) / ratio)
    for _ in range(60):
        p = (low + high) / 2
        c = ratio * p + absolute
        rising = n * ratio * (c - a) / (c * (1 - c)) + m * (p - b) / (p * (1 - p)) > 0
        low, high = (low, p) if rising else (p, high)
    c = ratio * p + absolute
    gain = x * np.log(a / c) + (n - x) * np.log((1 - a) / (1 - c))
    return float(gain + y * np.log(b / p) + (m - y) * np.log((1 - b) / (1 - p)))


@lawful
@given(trials, trials, rates, ratios, absolutes, st.one_of(worse, better), st.data())
def test_closed_forms_agree_with_the_law_solved_by_bisection(
    n: float, m: float, b: float, ratio: float, absolute: float, psi: float, data: st.DataObject
) -> None:
    if max(b, ratio * b + absolute) > 0.95 or n + m > 1e7:
        return  # the bisection has no digits left
    x, y = data.draw(st.integers(0, int(n))), data.draw(st.integers(0, int(m)))
    expected = reference(x, n, y, m, b, ratio, absolute, psi)
    scale = 1 + x + y + n * b + m * b
    assert abs(log_value(x, n, y, m, b, ratio, absolute, psi) - expected) <= 1e-7 * scale


@lawful
@given(trials, trials, st.floats(-9, -5), worse, st.integers(0, 40), st.integers(0, 40))
def test_shares_near_1_are_judged_by_what_fails(n: float, m: float, power: float, psi: float, x: int, y: int) -> None:
    if min(n, m) < 10_000:
        return
    rest = float(10**power)
    fails = log_value(x, n, y, m, rest, 1, 0, 1 / psi)
    assert log_value(n - x, n, m - y, m, 1 - rest, 1, 0, psi) == pytest.approx(fails, rel=0.02, abs=0.02)


scales = st.sampled_from([0.1, 0.5, 0.85, 1.2, 3.0, 10.0])


@lawful
@given(trials, trials, rates, ratios, absolutes, scales, st.one_of(worse, better))
def test_a_margin_times_a_scale_keeps_the_law_and_is_worth_nothing_where_no_share_exceeds_it(
    n: float, m: float, b: float, ratio: float, absolute: float, scale: float, psi: float
) -> None:
    edge = np.longdouble(scale) * (np.longdouble(ratio) * GRID + np.longdouble(absolute))
    some = edge <= 1
    found = log_expectation(edge[some], GRID[some], n, m, b, ratio, absolute, psi, scale)
    assert found.max(initial=-1) <= tolerance(n, m)
    if max(b, ratio * b + absolute) >= evalue.RARE and scale * (ratio * b + absolute) > 1 + 1e-12:
        assert log_value(n, n, 0, m, b, ratio, absolute, psi, scale=scale) == 0


def test_a_limit_looks_at_the_canary_alone() -> None:
    rare = log_value(8, 1000, 3, 9000, 0.001, 0, 0.004, 2)
    assert rare == pytest.approx(8 * np.log(2) - 1000 * 0.004)
    common = log_value(130, 1000, 3, 9000, 0.001, 0, 0.1, 2)
    a = 0.2 / 1.1
    assert common == pytest.approx(130 * np.log(a / 0.1) + 870 * np.log((1 - a) / 0.9))


@pytest.mark.parametrize(
    ("x", "n", "y", "m"),
    [
        (np.nan, 10, 1, 10),
        (1, np.nan, 1, 10),
        (1, np.inf, 1, 10),
        (1, 10, -1, 10),
        (-1, 10, 1, 10),
        (0, 0, 1, 10),
        (1, 10, 0, 0),
        (11, 10, 1, 10),
        (1, 10, 11, 10),
    ],
)
def test_impossible_counts_are_worth_nothing(x: float, n: float, y: float, m: float) -> None:
    assert log_value(x, n, y, m, 0.01, 1, 0, 2) == 0.0


@pytest.mark.parametrize(
    ("b", "ratio", "absolute", "psi"),
    [
        (np.nan, 1, 0, 2),
        (0.0, 1, 0, 2),
        (1.0, 1, 0, 2),
        (np.inf, 1, 0, 2),
        (0.5, 0, 0, 2),
        (0.5, 2, 0, 2),
        (0.5, 1, 0.5, 2),
        (0.5, -1, 0.9, 2),
        (0.5, 1, 0, 0),
        (0.5, 1, 0, np.inf),
    ],
)
def test_impossible_margins_are_worth_nothing(b: float, ratio: float, absolute: float, psi: float) -> None:
    assert log_value(9, 10, 1, 10, b, ratio, absolute, psi) == 0.0


def test_more_events_than_trials_are_judged_for_rates() -> None:
    assert log_value(30, 10, 10, 10, 1.0, 1, 0, 2, rate=True) > 0


def test_every_count_up_to_10_to_the_12_gives_a_finite_value() -> None:
    random = np.random.default_rng(5)
    size = 20_000
    n, m = np.floor(10 ** random.uniform(0, 12, (2, size)))
    b = np.clip(np.where(random.random(size) < 0.5, random.random(size), 10 ** random.uniform(-13, 0, size)), 1e-13, 1)
    b = np.where(random.random(size) < 0.3, 1 - b, b)
    ratio = np.where(random.random(size) < 0.1, 0, 10 ** random.uniform(-2, 1.5, size))
    absolute = np.where(random.random(size) < 0.5, 0, 10 ** random.uniform(-8, -0.01, size))
    psi = 10 ** random.uniform(-1.5, 1.5, size)
    x = np.floor(n * np.clip(random.uniform(-0.3, 1.3, size), 0, 1))
    y = np.floor(m * np.clip(random.uniform(-0.3, 1.3, size), 0, 1))
    found = evalue.log_evalue(x, n, y, m, b, ratio, absolute, psi, random.random(size) < 0.2)
    assert np.isfinite(found).all()


def test_any_shapes_that_broadcast_are_taken() -> None:
    x = np.arange(6.0).reshape(2, 3, 1)
    found = evalue.log_evalue(x, 100, 3, 100, 0.02, 1, 0, [1.5, 2, 3, 5], False)
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == log_value(5, 100, 3, 100, 0.02, 1, 0, 5)
