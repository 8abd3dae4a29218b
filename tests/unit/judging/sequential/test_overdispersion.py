"""Dividing evidence by the noise must not make it invalid."""

from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from serinus_judging.sequential import evalue, overdispersion

from tests.unit.judging.laws import absolutes, better, lawful, ratios, worse

small = st.integers(1, 25)


def expectation(
    p: float, s: float, n: int, m: int, b: float, ratio: float, absolute: float, psi: float, floor: float, kappa: float
) -> float:
    """E[e'] by enumeration of all counts."""
    x, y = (v.astype(np.float64) for v in np.meshgrid(np.arange(n + 1), np.arange(m + 1), indexing="ij"))
    trials = [np.full(x.shape, float(v)) for v in (n, m)]
    gain = evalue.log_evalue(x, n, y, m, b, ratio, absolute, psi, False)
    edge = np.full(x.shape, ratio * b + absolute)
    counts = np.stack([x, trials[0], y, trials[1]])
    seen, predicted = overdispersion.divisors(
        counts, np.full(x.shape, b), edge, np.full(x.shape, floor), np.full(x.shape, kappa), np.full(x.shape, True)
    )
    chance = np.outer(stats.binom.pmf(np.arange(n + 1), n, p), stats.binom.pmf(np.arange(m + 1), m, s))
    return float((chance * np.exp(overdispersion.tempered(gain, seen, predicted))).sum())


@lawful
@given(
    small,
    small,
    st.floats(0.01, 0.6),
    ratios,
    absolutes,
    worse,
    st.sampled_from([1.0, 1.5, 3.0]),
    st.sampled_from([0.0, 0.1, 0.5, 3.0]),
    st.floats(0.01, 0.9),
    st.floats(0, 1),
)
def test_tempered_evidence_against_a_canary_within_its_margin_is_expected_to_be_at_most_1(
    n: int,
    m: int,
    b: float,
    ratio: float,
    absolute: float,
    psi: float,
    floor: float,
    kappa: float,
    s: float,
    part: float,
) -> None:
    p = min(ratio * s + absolute, 1.0) * part
    assert expectation(p, s, n, m, b, ratio, absolute, psi, floor, kappa) <= 1 + 1e-9
    with patch.object(overdispersion, "SOME", 0.0):  # shocks of a few events
        assert expectation(p, s, n, m, b, ratio, absolute, psi, floor, kappa) <= 1 + 1e-9


def test_in_a_shock_noise_is_at_least_what_is_assumed_unless_a_history_told() -> None:
    """400 events where 50 were predicted, of which quiet pods have shown that they are not noisy."""
    counts = np.array([[200.0] * 3, [1000.0] * 3, [200.0, 200.0, 25.0], [1000.0] * 3])
    rate, quiet, assumed = np.full(3, 0.025), np.full(3, 0.01), np.array([True, False, True])
    seen, predicted = overdispersion.divisors(counts, rate, rate, np.ones(3), quiet, assumed)
    assert seen.tolist() == [1 + 0.5 * 400 / 4, 1 + 0.01 * 400 / 4, 1 + 0.01 * 225 / 4]
    assert predicted.tolist() == [1 + 0.01 * 50 / 4] * 3


@lawful
@given(
    small,
    small,
    st.floats(0.01, 0.6),
    ratios,
    absolutes,
    better,
    st.sampled_from([1.0, 1.5, 3.0]),
    st.sampled_from([0.0, 0.1, 0.5, 3.0]),
    st.floats(0.01, 0.9),
    st.floats(0, 1),
)
def test_tempered_evidence_for_a_canary_at_its_margin_or_worse_is_expected_to_be_at_most_1(
    n: int,
    m: int,
    b: float,
    ratio: float,
    absolute: float,
    psi: float,
    floor: float,
    kappa: float,
    s: float,
    part: float,
) -> None:
    edge = ratio * s + absolute
    if edge > 1:
        return
    p = edge + part * (1 - edge)
    assert expectation(p, s, n, m, b, ratio, absolute, psi, floor, kappa) <= 1 + 1e-9


def test_noise_grows_with_the_information_in_a_look_and_is_never_below_1() -> None:
    events = np.array([0.0, 10.0, 1000.0])
    found = overdispersion.phi(events, np.full(3, 0.25), np.full(3, 0.5), np.full(3, 0.2))
    assert found.tolist() == [1.0, 1.5, 51.0]


def test_a_shock_tempers_by_what_was_seen_a_lull_by_what_was_predicted() -> None:
    one = np.ones(1)
    assert overdispersion.tempered(np.array([6.0]), 3 * one, 2 * one) == 2.0
    assert overdispersion.tempered(np.array([-6.0]), 3 * one, 2 * one) == -3.0


def test_noise_that_lasts_grows_with_the_events_of_the_run() -> None:
    spread = np.full(1, 0.25)
    floors = [overdispersion.lasting(np.ones(1), np.full(1, 0.4), np.full(1, z), spread) for z in (0.0, 100.0, 200.0)]
    assert [floor.tolist() for floor in floors] == [[1.0], [11.0], [21.0]]


def test_events_of_other_windows_trials_vary_by_both() -> None:
    floor, b = np.array([1.0, 1.0, 3.0]), np.array([0.9, 0.9, 0.9])
    assert overdispersion.unpaired(floor, b, np.array([0.0, 1.0, 1.0])).tolist() == [1.0, 1.9, 3.0]


def test_values_are_rounded_as_they_are_packed() -> None:
    noise = overdispersion.Noise.uniform(1.1, 0.3, 2, 3)
    assert noise.kappa.shape == (2, 3)
    assert noise.phi[0] == np.float32(1.1)
    assert noise.measured.all()
    assert not overdispersion.Noise.assumed(2, 3).measured.any()
