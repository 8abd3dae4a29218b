"""Evidence over many looks: bounded in expectation, and never lost to overflow."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from serinus_judging.sequential import eprocess, evalue

from tests.unit.judging.laws import lawful


@pytest.mark.parametrize("stages", [0, 1, 2, 5, 20])
def test_the_stages_share_a_prior_weight_of_1(stages: int) -> None:
    shares = eprocess.stage_shares(stages)
    assert shares.shape == (2, max(stages, 1))
    assert shares.sum() == pytest.approx(1)


@lawful
@given(st.lists(st.integers(0, 400), min_size=1, max_size=20), st.floats(0, 1))
def test_no_more_weight_is_given_than_the_prior_has(snapshots: list[int], left: float) -> None:
    """Stages with so many counted snapshots, 0: entered again; something else may have spent a part of the prior."""
    shares = eprocess.stage_shares(len(snapshots))
    unspent, whole = np.array([left]), np.ones(1)
    for stage, counted in enumerate(snapshots):
        for number in range(1, counted + 1) if counted else [0]:
            weight = eprocess.onset_weight(shares[:, stage, None], np.array([number]), unspent)
            assert 0 <= weight[0] <= unspent[0]
            unspent = unspent - weight
            whole -= eprocess.onset_weight(shares[:, stage, None], np.array([number]), np.ones(1))
    assert whole >= 0


def test_a_stage_spends_its_part_however_long_it_takes() -> None:
    numbers = np.arange(1, 100_001)
    weight = eprocess.onset_weight(np.array([[0.2], [0.1]]), numbers, np.ones(numbers.shape))
    assert weight[0] > 0.2
    assert weight[:12].sum() == pytest.approx(0.2 + 0.1 / 2)
    assert weight.sum() == pytest.approx(0.3, rel=1e-3)
    assert (np.diff(weight) < 0).all()


def test_a_stage_entered_again_gets_no_weight() -> None:
    assert eprocess.onset_weight(np.full((2, 3), 0.5), np.array([0, 1, 5000]), np.ones(3))[0] == 0


@lawful
@given(st.lists(st.floats(-500, 500), min_size=1, max_size=30), st.lists(st.floats(1e-9, 0.2), min_size=30))
def test_growth_in_logarithms_is_growth(values: list[float], weights: list[float]) -> None:
    rows = np.full((1, 1), eprocess.NEVER)
    expected = -np.inf
    for gain, weight in zip(values, weights, strict=False):
        rows = eprocess.updated(rows, np.log([weight]), np.array([[gain]]))
        expected = np.logaddexp(expected, np.log(weight)) + gain
    assert rows[0, 0] == pytest.approx(expected, rel=1e-9, abs=1e-9)


@lawful
@given(st.lists(st.floats(-1e12, 1e12), min_size=8, max_size=8), st.floats(0, 1))
def test_the_total_is_the_sum_of_rows_and_cash(rows: list[float], cash: float) -> None:
    found = eprocess.log_total(np.array(rows)[:, None], eprocess.ABORT_PRIOR[:, None], eprocess.log(np.array([cash])))
    parts = [*(np.array(rows) + eprocess.ABORT_PRIOR), np.log(cash) if cash else -np.inf]
    assert found[0] == pytest.approx(special.logsumexp(parts), rel=1e-12, abs=1e-9)


def test_without_any_evidence_the_total_is_1() -> None:
    rows = np.full((8, 2), eprocess.NEVER)
    assert eprocess.log_total(rows, eprocess.ABORT_PRIOR[:, None], eprocess.log(np.ones(2))).tolist() == [0.0, 0.0]


def test_the_prior_sums_to_1() -> None:
    assert np.exp(eprocess.ABORT_PRIOR).sum() == pytest.approx(1)


@pytest.mark.parametrize(("p", "s"), [(0.2, 0.2), (0.1, 0.3), (0.02, 0.02), (0.6, 0.6)])
@pytest.mark.parametrize("stages", [(0, 0), (0, 1)])
def test_abort_wealth_over_two_looks_is_expected_to_be_1_at_most(p: float, s: float, stages: tuple[int, int]) -> None:
    """All outcomes of two looks, of one stage or of two; the second look's prediction depends on the first."""
    n, m = 4, 6
    total = 0.0
    shares = eprocess.stage_shares(2)
    unspent, weights = np.ones(1), []
    for stage, number in zip(stages, (1, 2 - stages[1]), strict=True):
        weights.append(eprocess.onset_weight(shares[:, stage, None], np.array([number]), unspent))
        unspent = unspent - weights[-1]
    counts = list(itertools.product(range(n + 1), range(m + 1)))
    chance = {(x, y): stats.binom.pmf(x, n, p) * stats.binom.pmf(y, m, s) for x, y in counts}
    psi = eprocess.ABORT_PSI[:, None]

    def gain(x: int, y: int, b: float) -> np.ndarray:
        return evalue.log_evalue(x, n, y, m, b, 1, 0, psi, False)

    for first in counts:
        start = eprocess.updated(np.full((8, 1), eprocess.NEVER), np.log(weights[0]), gain(*first, 0.15))
        b = (0.15 + first[1]) / (1 + m)
        for second in counts:
            rows = eprocess.updated(start, np.log(weights[1]), gain(*second, b))
            log_m = eprocess.log_total(rows, eprocess.ABORT_PRIOR[:, None], np.log(unspent))[0]
            total += chance[first] * chance[second] * np.exp(log_m)
    assert total <= 1 + 1e-9


def test_alternatives_of_proceeding_lie_around_a_canary_equal_to_stable() -> None:
    b, edge = np.array([0.001, 0.3]), np.array([0.00125, 0.375])
    psi = eprocess.proceed_psi(b, edge, np.ones(2), np.ones(2))
    q = b * (1 - edge) / (edge * (1 - b))
    assert psi == pytest.approx(np.stack([q**0.6, q**0.9, 0.7 * q]))


def test_without_a_margin_the_nearest_alternative_is_a_twentieth_off() -> None:
    psi = eprocess.proceed_psi(np.array([0.2]), np.array([0.2]), np.ones(1), np.ones(1))
    assert psi[:, 0] == pytest.approx([0.95**0.6, 0.95**0.9, 0.7 * 0.95])


def test_where_higher_is_better_alternatives_are_turned_over() -> None:
    psi = eprocess.proceed_psi(np.array([0.2]), np.array([0.18]), np.ones(1), np.array([-1.0]))
    q = 0.18 * 0.8 / (0.2 * 0.82)
    assert psi[:, 0] == pytest.approx([q**-0.6, q**-0.9, 1 / (0.7 * q)])
    assert (psi > 1).all()


def test_rates_above_1_have_alternatives_too() -> None:
    psi = eprocess.proceed_psi(np.array([3.0]), np.array([3.75]), np.zeros(1), np.ones(1))
    assert psi[:, 0] == pytest.approx([0.8**0.6, 0.8**0.9, 0.56])
