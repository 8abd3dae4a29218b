"""What is expected of stable: the past, half forgotten every ten minutes."""

import numpy as np
import pytest
from serinus_judging.sequential import baseline


def test_a_prediction_is_never_0_and_never_1() -> None:
    past = np.array([[0.0, 0.0, 10.0], [0.0, 10.0, 10.0]])
    assert baseline.predicted(past) == pytest.approx([0.5, 0.5 / 11, 10.5 / 11])


def test_counts_weigh_half_after_ten_minutes() -> None:
    past, fresh = np.array([[8.0], [100.0]]), np.array([[1.0], [50.0]])
    after = baseline.remembered(past, fresh, np.array([600.0]), np.array([True]))
    assert after[:, 0].tolist() == [5.0, 100.0]


def test_a_look_that_is_not_valid_changes_nothing() -> None:
    past, fresh = np.array([[8.0, 8.0], [100.0, 100.0]]), np.full((2, 2), 7.0)
    after = baseline.remembered(past, fresh, np.array([0.0, 0.0]), np.array([False, True]))
    assert after[:, 0].tolist() == [8.0, 100.0]
    assert after[:, 1].tolist() == [15.0, 107.0]


def test_a_window_of_negative_length_fades_nothing() -> None:
    past = np.array([[8.0], [100.0]])
    after = baseline.remembered(past, np.zeros((2, 1)), np.array([-5.0]), np.array([True]))
    assert after[:, 0].tolist() == [8.0, 100.0]
