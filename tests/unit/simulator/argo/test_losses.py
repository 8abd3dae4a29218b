from __future__ import annotations

import pytest
from serinus_simulator.argo.losses import ABORTS, PROMOTES, chance

from tests.unit.simulator.worlds import Handled

STEPS = [{"setWeight": 5}, *({"pause": {}} for _ in range(80))]


@pytest.mark.parametrize(
    ("seconds", "share"), [(0.0, 45 / 63), (0.1, 6 / 13), (0.3, 2 / 11), (1.0, 2 / 11), (2.0, 0.0), (1e9, 0.0)]
)
def test_promotes_are_lost_as_often_as_was_measured(seconds: float, share: float) -> None:
    assert chance(PROMOTES, seconds) == pytest.approx(share)


def test_between_two_measurements_the_chance_falls_evenly() -> None:
    assert chance(PROMOTES, 1.5) == pytest.approx(1 / 11)
    assert chance(ABORTS, 1.0) == pytest.approx((7 / 15 + 1 / 8) / 2)


@pytest.mark.parametrize(("wait", "share"), [(0.0, 45 / 63), (0.3, 2 / 11), (2.5, 0.0)])
def test_v1_9_1_loses_what_is_sent_soon_after_its_pause(wait: float, share: float) -> None:
    handled = Handled({"argo": {"version": "1.9.1"}}, steps=STEPS)
    handled.advance(2)
    handled.release()
    lost = 0
    for number in range(70):
        index = handled.status["currentStepIndex"]
        handled.advance(wait)
        handled.promote(0.02)
        if handled.status["currentStepIndex"] == index and handled.status.get("pauseConditions") is None:
            handled.advance(0.05)
        if handled.status["currentStepIndex"] == index:
            lost += 1
            handled.advance(2)
            handled.set_status(message=f"nudge {number}")
        paused = number
        while not (handled.status["currentStepIndex"] == index + 1 and handled.status.get("pauseConditions")):
            handled.advance(0.001)
            paused += 1
            assert paused < 10_000
    assert lost / 70 == pytest.approx(share, abs=0.17 * (share > 0))


def test_master_loses_nothing_and_a_set_probability_is_kept() -> None:
    for argo, index in (({}, 2), ({"version": "1.9.1", "lose_promotes": 0}, 2), ({"lose_promotes": 1}, 1)):
        handled = Handled({"argo": argo}, steps=STEPS)
        handled.advance(2)
        handled.release()
        handled.promote(1.5)
        assert handled.status["currentStepIndex"] == index
