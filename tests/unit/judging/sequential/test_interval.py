"""The interval that people see: the ratios that the evidence does not refute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from serinus_judging.sequential import interval

from tests.unit.judging.laws import lawful

SIZE = interval.GRID.size


def bound(found: list[bool], beyond: bool, falling: bool, worse: bool) -> float:
    table = interval.tables(np.array([worse]), np.array([falling]))
    return float(interval.bounds(np.array(found)[:, None], np.array([beyond]), table, np.array([worse]))[0])


def refuted(*ratios: float) -> list[bool]:
    return [float(v) in ratios for v in interval.GRID]


def test_nothing_refuted_is_no_bound() -> None:
    for worse in (True, False):
        for falling in (True, False):
            assert np.isnan(bound([False] * SIZE, False, falling, worse))


def test_harm_is_at_least_what_is_refuted_without_a_break_from_below() -> None:
    assert bound(refuted(0.1, 0.2, 0.5), False, False, True) == 0.2
    assert bound(refuted(0.2, 0.5), False, False, True) != bound(refuted(0.2, 0.5), False, False, True)  # NaN


def test_beyond_the_margin_the_bound_is_at_least_1() -> None:
    assert bound([False] * SIZE, True, False, True) == 1.0
    assert bound(refuted(1.2, 1.5, 3.0), True, False, True) == 1.5
    assert bound([True] * SIZE, True, False, True) == 10.0


def test_harm_is_at_most_what_is_refuted_without_a_break_from_above() -> None:
    assert bound(refuted(10.0, 5.0, 2.0), False, False, False) == 5.0
    assert bound(refuted(0.85, 0.7, 0.35), True, False, False) == 0.7
    assert bound([False] * SIZE, True, False, False) == 1.0


def test_where_higher_is_better_the_grid_is_read_from_its_end() -> None:
    """In the order of growing harm the first row is then ratio 10, the last 0.1."""
    rows = [True] * 2 + [False] * 10
    assert bound(rows, False, True, True) == 5.0
    assert bound([False] * 6 + [True] * 2 + [False] * 4, True, True, True) == 0.7
    assert bound([False] * 10 + [True] * 2, False, True, False) == 0.2
    assert bound([False] * 4 + [True] * 2 + [False] * 6, True, True, False) == 1.5


@lawful
@given(st.lists(st.booleans(), min_size=SIZE, max_size=SIZE), st.booleans(), st.booleans(), st.booleans())
def test_a_bound_lies_on_the_side_of_the_margin_that_the_evidence_is_on(
    found: list[bool], beyond: bool, falling: bool, worse: bool
) -> None:
    value = bound(found, beyond, falling, worse)
    if beyond:
        assert value <= 1 if falling == worse else value >= 1
    elif not np.isnan(value):
        assert value > 1 if falling == worse else value < 1


@lawful
@given(
    st.lists(st.floats(-400, 1e6), min_size=3 * SIZE, max_size=3 * SIZE),
    st.floats(-50, 0),
    st.sampled_from([3.0, 4.6, 9.0]),
)
def test_a_ratio_is_refuted_when_the_mean_of_its_rows_and_the_cash_reach_the_bar(
    rows: list[float], log_unspent: float, bar: float
) -> None:
    table = np.array(rows)[:, None]
    found = interval.refuted(table, np.array([log_unspent]), np.array([bar]))[:, 0]
    means = special.logsumexp(table.reshape(3, SIZE), axis=0) - np.log(3)
    expected = np.logaddexp(means, log_unspent)
    clear = np.abs(expected - bar) > 1e-9
    assert (found == (expected >= bar))[clear].all()


@pytest.mark.parametrize("psi", [interval.WORSE_PSI, interval.BETTER_PSI])
def test_the_grid_leaves_out_the_margin_itself(psi: np.ndarray) -> None:
    assert 1.0 not in interval.GRID
    assert (np.diff(interval.GRID) > 0).all()
    assert (interval.GRID < 1).sum() == interval.BELOW
    assert psi.size * SIZE == interval.ROWS
