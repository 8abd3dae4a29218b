from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.world.noise import Moments, Path, clumping, lognormal, pieces, wandering

spans = st.tuples(st.floats(0, 500), st.floats(0.01, 200)).map(lambda span: (span[0], span[0] + span[1]))


def values(count: int, correlation: float, seed: int = 1) -> np.ndarray:
    return np.asarray(list(itertools.islice(wandering(np.random.default_rng(seed), correlation), count)))


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_a_wandering_value_is_standard_normal_with_the_set_correlation(correlation: float) -> None:
    drawn = values(60_000, correlation)
    error = 4 * math.sqrt((1 + correlation) / (1 - correlation) / len(drawn))
    assert drawn.mean() == pytest.approx(0, abs=error)
    assert drawn.var() == pytest.approx(1, abs=2 * error)
    assert np.corrcoef(drawn[1:], drawn[:-1])[0, 1] == pytest.approx(correlation, abs=0.02)


def test_a_wander_is_stationary_from_its_first_value_on() -> None:
    first = [values(1, 0.99, seed)[0] for seed in range(2000)]
    assert np.var(first) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("sd", [0.1, 0.5, 1.0])
def test_lognormal_factors_have_the_mean_one(sd: float) -> None:
    factors = lognormal(sd, np.random.default_rng(1).standard_normal(200_000))
    assert factors.mean() == pytest.approx(1, abs=4 * math.sqrt(math.expm1(sd * sd) / 200_000))
    assert np.log(factors).std() == pytest.approx(sd, rel=0.02)


@pytest.mark.parametrize("variation", [0.2, 1.0, 2.0])
def test_clumping_factors_have_the_mean_one_and_the_set_deviation(variation: float) -> None:
    drawn = np.asarray(list(itertools.islice(clumping(np.random.default_rng(1), variation), 100_000)))
    assert drawn.mean() == pytest.approx(1, abs=4 * variation / math.sqrt(len(drawn)))
    assert drawn.std() == pytest.approx(variation, rel=0.05)


@given(st.lists(spans, min_size=1, max_size=8), st.floats(0.5, 60))
def test_a_path_is_the_same_in_whatever_pieces_it_is_read(looks: list[tuple[float, float]], interval: float) -> None:
    whole = Path(iter(range(2000)), 0.0, interval)
    for begin, end in looks:
        fresh = Path(iter(range(2000)), 0.0, interval)
        middles, _ = pieces(begin, end, fresh.breaks(begin, end))
        assert list(fresh.at(middles)) == list(whole.at(middles))
        assert list(fresh.at(middles)) == [int(middle / interval) for middle in middles]


@given(spans, st.lists(st.floats(0, 1), max_size=10))
def test_pieces_cover_a_span_without_a_hole(span: tuple[float, float], cuts: list[float]) -> None:
    begin, end = span
    middles, shares = pieces(begin, end, [begin + cut * (end - begin) for cut in cuts])
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).all()
    assert (np.diff(middles) > 0).all() if len(middles) > 1 else begin < middles[0] < end


def test_moments_at_set_times_hold_for_as_long_as_they_last() -> None:
    moments = Moments(np.random.default_rng(1), 1000.0, 5.0, 0.0, [20.0, 60.0])
    asked = np.asarray([1019.9, 1020.0, 1024.9, 1025.1, 1062.0])
    assert moments.holds(asked).tolist() == [False, True, True, False, True]
    assert moments.breaks(1022.0, 1061.0) == [1025.0, 1060.0]


def test_moments_come_as_often_as_is_set() -> None:
    moments = Moments(np.random.default_rng(1), 0.0, 10.0, 30.0, [])
    hours = 200
    held = moments.holds(np.arange(0.0, hours * 3600, 1.0)).mean()
    # overlapping ones count once: the share of time is that of a queue without a limit of servers
    assert held == pytest.approx(1 - math.exp(-30 * 10 / 3600), rel=0.1)


@given(st.integers(0, 1000), st.lists(st.floats(0, 5000), min_size=1, max_size=5))
def test_moments_are_the_same_whenever_they_are_asked_for(seed: int, asked: list[float]) -> None:
    def moments() -> Moments:
        return Moments(np.random.default_rng(seed), 0.0, 7.0, 60.0, [100.0])

    at_once = moments().holds(np.asarray(sorted(asked)))
    one_by_one, rest = [], moments()
    for moment in sorted(asked):
        rest.breaks(0.0, moment)
        one_by_one.append(bool(rest.holds(np.asarray([moment]))[0]))
    assert one_by_one == at_once.tolist()
