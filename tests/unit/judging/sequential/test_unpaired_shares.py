"""Shares whose events follow trials of earlier windows: alternatives are ratios of odds, in the Poisson form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_judging.sequential import evalue
from serinus_judging.sequential.layout import key_of, layout

from benchmarks import _serinus
from benchmarks._drawing import chunks
from benchmarks._worlds import World
from tests.unit.judging.builders import metric, plan
from tests.unit.judging.laws import lawful


def of_rates(psi: float, edge: float) -> float:
    one = np.ones(1)
    return float(evalue.of_rates(psi * one, edge * one, one, 0 * one, one)[0])


@lawful
@given(st.floats(0.01, 30), st.floats(1e-6, 0.99))
def test_the_alternative_is_the_share_whose_odds_are_so_many_times_the_margins(psi: float, edge: float) -> None:
    a = of_rates(psi, edge) * edge
    assert 0 < a < 1
    assert a / (1 - a) == pytest.approx(psi * edge / (1 - edge), rel=1e-6)


def test_rare_events_keep_their_ratio_and_so_does_what_is_no_share() -> None:
    assert of_rates(3, 1e-9) == pytest.approx(3)
    assert of_rates(1 / 3, 1.4) == 1 / 3


def test_only_shares_with_a_lag_are_meant() -> None:
    for one, expected in (
        (metric(lag=60), True),
        (metric(), False),
        (metric(count="rate", lag=60), False),
    ):
        assert layout(key_of(plan(one)), ()).channels.odds.tolist() == [expected]


def found(factor: float, ratio: float = 1.0) -> _serinus.Outcome:
    world = World(f"x {factor}", 0.9, factor, higher=True, lag=6, ratio=ratio)
    return _serinus.Outcome.joined([_serinus.judge(drawn, "known") for drawn in chunks(world, 200, 5)])


def test_a_drop_of_three_percent_of_ninety_is_found_in_an_hour() -> None:
    """54 looks in the benchmark; by ratios of rates, the smallest of which is a tenth, it was 154."""
    aborted = found(0.97).aborted
    assert np.where(aborted > 0, aborted, 160).mean() <= 60
    assert (found(1.0).aborted > 0).sum() <= 4


def test_at_its_margin_it_is_neither_aborted_nor_promoted_beyond_the_error_rates() -> None:
    outcome = found(0.95, ratio=0.95)
    assert (outcome.aborted > 0).sum() <= 4
    assert outcome.promoted.sum() <= 16
