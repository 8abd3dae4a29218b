"""Numbers that exist elsewhere agree with scipy and statsmodels; where there is no answer there is None."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from serinus_judging import classical
from statsmodels.stats import proportion

from tests.unit.judging.laws import lawful

counts = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
buckets = st.integers(1, 60).flatmap(lambda k: st.tuples(*[st.lists(st.integers(0, 200), min_size=k, max_size=k)] * 2))
NO_COUNTS = [(1, 0, 1, 10), (1, 10, 1, 0), (11, 10, 1, 10), (1, 10, 11, 10), (-1, 10, 1, 10), (1, -10, 1, 10)]


@lawful
@given(counts, counts)
def test_z_and_h_are_those_of_statsmodels(canary: tuple[int, int], stable: tuple[int, int]) -> None:
    found = classical.two_proportions(*canary, *stable)
    assert found is not None
    assert found.h == pytest.approx(proportion.proportion_effectsize(canary[0] / canary[1], stable[0] / stable[1]))
    if 0 < canary[0] + stable[0] < canary[1] + stable[1]:
        z, p = proportion.proportions_ztest([canary[0], stable[0]], [canary[1], stable[1]])
        assert (found.z, found.p) == pytest.approx((z, p), rel=1e-9, abs=1e-12)
    else:
        assert (found.z, found.p) == (0.0, 1.0)


@lawful
@given(counts, counts)
def test_the_interval_of_a_difference_is_newcombes(canary: tuple[int, int], stable: tuple[int, int]) -> None:
    expected = proportion.confint_proportions_2indep(*canary, *stable, method="newcomb", compare="diff")
    assert classical.difference(*canary, *stable) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("impossible", NO_COUNTS, ids=str)
def test_what_is_no_count_of_shares_has_no_answer(impossible: tuple[int, int, int, int]) -> None:
    assert classical.two_proportions(*impossible) is None
    assert classical.difference(*impossible) is None


def test_a_million_millions_are_counted_exactly_enough() -> None:
    found = classical.two_proportions(2 * 10**9, 10**12, 2 * 10**9 + 10**6, 10**12)
    assert found is not None
    assert found.z == pytest.approx(-15.83, abs=0.01)
    ranked = classical.ranks([10**12, 10**12], [10**12, 10**12 + 10**8])
    assert ranked is not None
    assert -1e-4 < ranked.rank_biserial < 0
    assert np.isfinite(ranked).all()


@lawful
@given(buckets)
def test_ranks_are_those_of_scipy(both: tuple[list[int], list[int]]) -> None:
    canary, stable = both
    found = classical.ranks(canary, stable)
    if not sum(canary) or not sum(stable):
        assert found is None
        return
    assert found is not None
    own, other = (np.repeat(np.arange(len(part)), part) for part in both)
    expected = stats.mannwhitneyu(own, other, method="asymptotic")
    assert found.u == pytest.approx(expected.statistic)
    assert found.rank_biserial == pytest.approx(2 * expected.statistic / (len(own) * len(other)) - 1, abs=1e-12)
    if len(set(own) | set(other)) > 1:
        assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    else:
        assert found.p == 1.0


def test_the_rank_biserial_correlation_is_one_where_every_request_of_the_canary_is_slower() -> None:
    found = classical.ranks([0, 0, 5], [4, 4, 0])
    assert found is not None
    assert found.rank_biserial == 1.0


@pytest.mark.parametrize(("canary", "stable"), [([], []), ([1, 2], [1]), ([-1, 2], [1, 1]), ([0, 0], [1, 1])], ids=str)
def test_buckets_that_do_not_fit_have_no_ranks(canary: list[int], stable: list[int]) -> None:
    assert classical.ranks(canary, stable) is None


@lawful
@given(st.lists(st.integers(-20, 20), min_size=4, max_size=40))
def test_trends_are_kendalls_and_theil_and_sens(values: list[int]) -> None:
    times = np.arange(len(values)) * 2.0
    found = classical.trend(times.tolist(), values)
    assert found is not None
    assert found.slope == pytest.approx(stats.theilslopes(values, times).slope)
    if len(set(values)) > 1:
        assert found.p == pytest.approx(stats.kendalltau(times, values, method="asymptotic").pvalue, rel=1e-9)
    else:
        assert (found.z, found.p) == (0.0, 1.0)


def test_three_points_and_holes_are_no_trend() -> None:
    assert classical.trend([1, 2, 3], [1, 2, 3]) is None
    assert classical.trend([1, 2, 3, 4], [1, 2, 3, float("nan")]) is None
    assert classical.trend([], []) is None


def test_slopes_of_columns_leave_out_what_is_absent() -> None:
    nan = np.nan
    values = np.array([[1.0, nan, 5.0, nan], [2.0, 3.0, 4.0, nan], [3.0, 1.0, nan, nan], [100.0, -1.0, nan, 1.0]])
    found = classical.slopes(np.array([0.0, 1.0, 2.0, 3.0]), values)
    assert found[:3].tolist() == [stats.theilslopes(values[:, 0], np.arange(4)).slope, -2.0, -1.0]
    assert np.isnan(found[3])
    assert np.isnan(classical.slopes(np.array([1.0]), np.array([[1.0]]))).all()


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 8, 15, 40, 499])
@pytest.mark.parametrize("t", [-3.0, 0.0, 0.5, 2.0, 5.0, 1e6])
def test_students_tail_is_that_of_scipy(t: float, freedom: int) -> None:
    assert classical.student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), abs=1e-12)
