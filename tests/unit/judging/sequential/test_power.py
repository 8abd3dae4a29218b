"""What traffic can show by when."""

import numpy as np
import pytest
from serinus_judging.sequential import power

from tests.unit.judging.builders import latency, metric, plan, proportion, snapshot
from tests.unit.judging.runs import JUDGE, evaluated


def visible(
    n: float = 300,
    m: float = 29_700,
    b: float = 0.01,
    evaluations: float = 60,
    falling: bool = False,
    ratio: float = 1.0,
) -> float:
    found = power.detectable_rate(n, m, b, ratio, 0.0, False, falling, evaluations, 1.0, 0.0, 0.01)
    assert found is not None
    return found


def test_more_traffic_and_more_time_show_less() -> None:
    assert visible(n=3000) < visible() < visible(n=30)
    assert visible(evaluations=600) < visible() < visible(evaluations=6)


def test_no_less_than_a_tenth_more_is_promised() -> None:
    assert visible(n=10**8, m=10**8) == pytest.approx(0.011)
    assert visible(n=10**8, m=10**8, falling=True) == pytest.approx(0.01 / 1.1)


def test_where_higher_is_better_it_is_a_drop() -> None:
    assert visible(b=0.3, falling=True) < 0.3


def test_nothing_can_be_said_without_traffic_or_time_or_room() -> None:
    assert power.detectable_rate(0, 100, 0.1, 1, 0, False, False, 10, 1, 0, 0.01) is None
    assert power.detectable_rate(100, 0, 0.1, 1, 0, False, False, 10, 1, 0, 0.01) is None
    assert power.detectable_rate(100, 100, 0.1, 1, 0, False, False, 0.5, 1, 0, 0.01) is None
    assert power.detectable_rate(100, 100, 0.9, 2, 0, False, False, 10, 1, 0, 0.01) is None
    assert power.detectable_rate(100, 100, 2.0, 1, 0, True, False, 10, 1, 0, 0.01) is not None


@pytest.mark.parametrize(("weight", "base"), [(1, 0.001), (10, 0.01), (50, 0.002), (25, 0.2)])
def test_the_closed_form_is_near_the_law(weight: int, base: float) -> None:
    rule = plan(metric(ratio=1.25), weights=(weight,), maximum=1800)
    law = power.forecast(rule, 1000.0, {"errors": base}, phi=1.0, kappa=0.0)[0].detectable_rate
    n = 1000 * 30 * weight / 100
    near = power.detectable_rate(n, 30_000 - n, base, 1.25, 0.0, False, False, 60, 1.0, 0.0, 0.01)
    assert law is not None
    assert near == pytest.approx(law, rel=0.12)


@pytest.mark.parametrize(("weight", "base"), [(0.1, 0.01), (0.5, 0.002)])
def test_what_is_said_to_be_visible_is_found_four_times_in_five(weight: float, base: float) -> None:
    """Whole runs of one stage, simulated at the rate that the forecast names."""
    from benchmarks import _serinus
    from benchmarks._drawing import draw
    from benchmarks._worlds import World

    evaluations, per_evaluation = 40, 6000
    rule = plan(metric(ratio=1.0), weights=(round(100 * weight),), maximum=30 * evaluations)
    rate = power.forecast(rule, per_evaluation / 30, {"errors": base}, phi=1.0, kappa=0.0)[0].detectable_rate
    assert rate is not None
    world = World("power", base, rate / base, weights=(weight,), per_evaluation=per_evaluation, evaluations=evaluations)
    found = _serinus.judge(draw(world, 500, np.random.default_rng(5)), "known")
    assert 0.74 <= (found.aborted > 0).mean() <= 0.93


def test_a_forecast_says_what_a_stage_can_prove() -> None:
    rule = plan(metric(ratio=1.25, absolute=0.001), latency(), weights=(1, 50), maximum=1800)
    small, large = power.forecast(rule, 1000.0, {"errors": 0.002}, phi=1.0, kappa=0.0)
    assert (small.weight, large.weight, small.metric) == (1, 50, "errors")
    assert small.margin == pytest.approx(0.0035)
    assert small.detectable_rate is not None
    assert large.detectable_rate is not None
    assert small.detectable_rate > large.detectable_rate > 0.0035
    assert small.seconds > large.seconds
    assert large.reachable
    assert not power.forecast(rule, 1.0, {"errors": 0.002})[0].reachable


def test_a_margin_of_nothing_is_never_shown() -> None:
    found = power.forecast(plan(metric(ratio=1.0)), 1000.0, {"errors": 0.01})[0]
    assert found.seconds == float("inf")
    assert not found.reachable


def test_a_forecast_for_conversions_is_a_drop() -> None:
    rule = plan(metric("conversion", 0.95, better="higher"))
    found = power.forecast(rule, 1000.0, {"conversion": 0.3}, phi=1.0, kappa=0.0)[0]
    assert found.detectable_rate is not None
    assert found.detectable_rate < found.margin < 0.3
    assert found.reachable


@pytest.mark.parametrize("pace", [0.0, -1.0])
def test_without_traffic_nothing_is_reachable(pace: float) -> None:
    found = power.forecast(plan(metric(ratio=1.25)), pace, {"errors": 0.01})[0]
    assert (found.detectable_rate, found.reachable) == (None, False)


def test_metrics_without_a_known_rate_are_left_out() -> None:
    assert power.forecast(plan(), 100.0, {}) == ()
    assert power.forecast(plan(), 100.0, {"errors": 0.0}) == ()


def test_every_verdict_says_what_is_visible() -> None:
    rule = plan(metric(ratio=1.25))
    evidence, _ = evaluated(rule, JUDGE.start(rule), snapshot({"errors": proportion(2, 1000, 2, 1000)}, 1))
    _, found = evaluated(rule, evidence, snapshot({"errors": proportion(2, 1000, 2, 1000)}, 2))
    assert found.metrics[0].detectable_rate is not None
    assert found.metrics[0].detectable_rate > 0.0025
    _, late = evaluated(rule, evidence, snapshot({"errors": proportion(2, 1000, 2, 1000)}, 200))
    assert late.metrics[0].detectable_rate is None
