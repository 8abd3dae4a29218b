"""From a plan to channels."""

import numpy as np
import pytest
from serinus_contracts.plan import PlanLimit
from serinus_judging.sequential.latency import Pair
from serinus_judging.sequential.layout import key_of, layout, slots_used

from tests.unit.judging.builders import latency, metric, plan

FINE = Pair(0.5, 0.12, 0.1, 0.1, 1.0, 1.0, 1.2, 1.2)
BLUNT = Pair(0.9, 0.5, 0.25, 0.5, 1.0, None, 2.0, 1.0)


def test_metrics_come_first_then_limits_then_the_proceed_side_of_latency() -> None:
    rule = plan(
        metric("errors", 1.25, 0.001),
        latency(),
        metric("conversion", 0.9, better="higher"),
        limits=[PlanLimit(name="top", metric="errors", share=0.1)],
    )
    key = key_of(rule)
    assert key.shape == (13, 8, 7)
    found = layout(key, (slots_used((FINE, BLUNT)),))
    channels = found.channels
    assert channels.abort == 8
    assert found.first.tolist() == [0, 1, 6, 7]
    assert found.size == (1, 2, 1, 1)
    assert (found.proceed_first, found.proceed_size) == ((0, 1, 6), (1, 1, 1))
    assert channels.proceed.tolist() == [0, 8, 9, 10, 11, 12, 6]
    assert channels.ratio[[0, 1, 2, 6, 7, 8, 9]].tolist() == [1.25, 1.0, 1.0, 0.9, 0.0, 1.0, 1.0]
    assert channels.absolute[[0, 1, 2, 7]].tolist() == [0.001, 0.0, 0.0, 0.1]
    assert channels.falling.tolist() == [i == 6 for i in range(13)]


def test_unused_slots_have_no_share_of_their_metric() -> None:
    found = layout(key_of(plan(latency())), (slots_used((FINE, BLUNT)),))
    assert np.exp(found.log_share).tolist() == [0.5, 0.5, 0.0, 0.0, 0.0]


def test_a_metric_whose_edges_are_not_known_yet_keeps_its_place() -> None:
    found = layout(key_of(plan(latency())), (slots_used(None),))
    assert found.size == (5,)
    assert np.exp(found.log_share).sum() == pytest.approx(1)


def test_plans_of_one_policy_share_their_layout() -> None:
    one, other = plan(), plan().model_copy(update={"provider": "other"})
    assert one.digest != other.digest
    assert key_of(one) == key_of(other)
    assert layout(key_of(one), ()) is layout(key_of(other), ())


def test_a_limit_from_below_becomes_its_complement_but_for_rates() -> None:
    low = PlanLimit(name="low", metric="errors", better="higher", share=0.85)
    share = layout(key_of(plan(metric(), limits=[low])), ()).channels
    assert (share.absolute[1], share.falling[1]) == (pytest.approx(0.15), False)
    rate = layout(key_of(plan(metric(count="rate"), limits=[low])), ()).channels
    assert (rate.absolute[1], rate.falling[1]) == (0.85, True)


def test_events_that_follow_their_trials_are_counted_as_a_rate() -> None:
    channels = layout(key_of(plan(metric("conversion", 0.9, better="higher", lag=180))), ()).channels
    assert channels.rate.tolist() == [True]
    assert channels.unpaired.tolist() == [1.0]


def test_weights_are_shares_of_the_false_abort_rate() -> None:
    found = layout(key_of(plan(metric("a", weight=3), metric("b", weight=1))), ())
    assert found.weight.tolist() == [0.75, 0.25]
    assert np.exp(found.log_weight).tolist() == pytest.approx([0.75, 0.25])
