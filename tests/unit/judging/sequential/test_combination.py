"""One false-abort rate for all that can abort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_judging.sequential import combination

from tests.unit.judging.laws import lawful

evidence = st.lists(st.floats(-50, 700), min_size=1, max_size=8)


def weights_of(raw: list[float]) -> np.ndarray:
    return np.log(np.array(raw) / sum(raw))


@lawful
@given(evidence, st.data())
def test_all_together_is_the_weighted_average_and_no_more_than_the_largest(
    groups: list[float], data: st.DataObject
) -> None:
    raw = data.draw(st.lists(st.floats(0.01, 10), min_size=len(groups), max_size=len(groups)))
    log_weight = weights_of(raw)
    found = float(combination.combined(np.array(groups), log_weight))
    top = max(groups)
    average = np.average(np.exp(np.array(groups) - top), weights=np.exp(log_weight))
    assert found == pytest.approx(np.log(average) + top, abs=1e-9)
    assert found <= top + 1e-9


@lawful
@given(evidence, st.data())
def test_an_abort_blames_only_what_is_proven_by_itself_and_always_something(
    groups: list[float], data: st.DataObject
) -> None:
    raw = data.draw(st.lists(st.floats(0.01, 10), min_size=len(groups), max_size=len(groups)))
    log_weight, enough = weights_of(raw), combination.log_threshold(0.01)
    if float(combination.combined(np.array(groups), log_weight)) < enough:
        return
    blamed = combination.regressed(np.array(groups), log_weight, enough)
    assert blamed
    assert all(groups[i] >= enough - 1e-9 for i in blamed)


def test_blame_goes_to_the_strongest_first_up_to_nine_tenths() -> None:
    log_weight = np.log(np.full(4, 0.25))
    groups = np.log([200.0, 500.0, 40.0, 300.0])
    assert combination.regressed(groups, log_weight, combination.log_threshold(0.01)) == (1, 3, 0)
    assert combination.regressed(np.log([2000.0, 500.0, 40.0, 100.0]), log_weight, combination.log_threshold(0.01)) == (
        0,
        1,
    )


def test_a_light_metric_that_is_proven_is_blamed_before_a_heavy_one_that_is_not() -> None:
    log_weight = np.log([0.95, 0.05])
    assert combination.regressed(np.log([98.0, 150.0]), log_weight, combination.log_threshold(0.01)) == (1,)


def test_a_group_is_the_mean_of_its_channels_and_unused_ones_count_for_nothing() -> None:
    log_m = np.log([10.0, 2.0, 4.0, 99.0, 7.0])
    log_share = np.log([1.0, 0.5, 0.5, 1e-300, 1.0])
    log_share[3] = -np.inf
    found = combination.group_evidence(log_m, log_share, np.array([0, 1, 4]))
    assert np.exp(found) == pytest.approx([10, 3, 7])


def test_many_runs_are_weighed_at_once() -> None:
    log_m = np.log(np.array([[1.0, 3.0], [5.0, 7.0], [100.0, 1.0]]))
    groups = combination.group_evidence(log_m, np.zeros(2), np.array([0, 1]))
    assert np.exp(combination.combined(groups, np.log([0.5, 0.5]))) == pytest.approx([2, 6, 50.5])
