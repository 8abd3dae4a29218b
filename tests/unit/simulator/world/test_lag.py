from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.world.lag import ExponentialLag, FixedLag, Lag, NoLag, lag
from serinus_simulator.world.scenario_traffic import Sessions

steps = st.lists(st.tuples(st.integers(0, 500), st.floats(0.01, 40)), min_size=1, max_size=15)


def made(law: str, seed: int = 1, mean: float = 30.0) -> Lag:
    random = np.random.default_rng(seed)
    return ExponentialLag(random, mean) if law == "exponential" else FixedLag(random, mean)


@pytest.mark.parametrize("law", ["exponential", "fixed"])
@given(steps=steps, seed=st.integers(0, 2**31))
def test_everybody_arrives_once_and_nobody_twice(law: str, steps: list[tuple[int, float]], seed: int) -> None:
    under_way, arrived, now = made(law, seed), 0, 0.0
    for count, seconds in steps:
        arrived += under_way.advance(count, now, now + seconds)
        now += seconds
        assert 0 <= arrived <= sum(count for count, _ in steps)
    arrived += under_way.advance(0, now, now + 10_000)
    assert arrived == sum(count for count, _ in steps)
    assert under_way.hand_over(None) == 0


@pytest.mark.parametrize("law", ["exponential", "fixed"])
@given(steps=steps, seed=st.integers(0, 2**31))
def test_who_is_handed_over_arrives_elsewhere(law: str, steps: list[tuple[int, float]], seed: int) -> None:
    first, heir, now, arrived = made(law, seed), made(law, seed + 1), 0.0, 0
    for count, seconds in steps:
        arrived += first.advance(count, now, now + seconds) + heir.advance(1, now, now + seconds)
        now += seconds
    first.hand_over(heir)
    arrived += heir.advance(0, now, now + 10_000)
    assert arrived == sum(count + 1 for count, _ in steps)
    assert first.advance(0, now, now + 10_000) == 0


def test_a_fixed_lag_is_kept_to_the_moment() -> None:
    under_way = FixedLag(np.random.default_rng(1), 60.0)
    assert under_way.advance(1000, 0.0, 10.0) == 0
    assert under_way.advance(0, 10.0, 60.0) == 0
    half = under_way.advance(0, 60.0, 65.0)
    assert half == pytest.approx(500, abs=80)
    assert half + under_way.advance(0, 65.0, 70.0) == 1000


@pytest.mark.parametrize("cut", [1, 7, 50])
def test_an_exponential_lag_is_the_same_law_however_often_it_is_looked_at(cut: int) -> None:
    """Of causes that come evenly over one mean lag, 1 - (1 - 1/e) have arrived at its end."""
    under_way, arrived = ExponentialLag(np.random.default_rng(1), 30.0), 0
    for number in range(cut):
        arrived += under_way.advance(100_000 // cut, number * 30 / cut, (number + 1) * 30 / cut)
    assert arrived / (100_000 // cut * cut) == pytest.approx(np.exp(-1), abs=0.01)


def test_without_a_lag_everybody_arrives_at_once() -> None:
    assert isinstance(lag(Sessions(), np.random.default_rng(1)), NoLag)
    assert NoLag().advance(7, 0.0, 1.0) == 7
    assert isinstance(lag(Sessions(lag=5), np.random.default_rng(1)), ExponentialLag)
    assert isinstance(lag(Sessions(lag=5, law="fixed"), np.random.default_rng(1)), FixedLag)
