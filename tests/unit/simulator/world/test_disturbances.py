from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from serinus_simulator.world.counters import Load
from serinus_simulator.world.disturbances import Disturbances
from serinus_simulator.world.latency import buckets
from serinus_simulator.world.scenario_noise import Noise
from serinus_simulator.world.scenario_traffic import Latency

from tests.unit.simulator.worlds import Handled

EDGES = (0.01, 0.05, 0.1, 0.5, 1.0)
LATENCY = Latency(p50=0.06, p99=0.4)
RATE = 0.002


def disturbances(seed: int = 1, **noise: Any) -> Disturbances:
    return Disturbances(Noise.model_validate(noise), LATENCY, EDGES, start=0.0, seed=seed)


def load(error_rate: float = RATE) -> Load:
    return Load(1000.0, error_rate, *buckets(LATENCY, 1.0, None, EDGES))


def rates(one: Disturbances, pod: str = "a", count: int = 400, step: float = 5.0) -> np.ndarray:
    return np.asarray(
        [one.disturb(load(), pod, number * step, (number + 1) * step).error_rate for number in range(count)]
    )


@pytest.mark.parametrize(
    "noise",
    [
        {"errors": {"sd": 0.5, "correlation": 0.5, "interval": 5}},
        {"errors": {"sd": 0.5, "correlation": 0.5, "interval": 5, "pod_share": 0.5}},
        {"gamma": {"variation": 0.5, "interval": 5}},
        {"errors": {"sd": 0.3, "correlation": 0, "interval": 5}, "gamma": {"variation": 0.3, "interval": 5}},
    ],
)
def test_noise_does_not_move_the_mean_of_the_error_rate(noise: dict[str, Any]) -> None:
    drawn = rates(disturbances(**noise), count=8000)
    assert drawn.mean() == pytest.approx(RATE, rel=0.04)
    assert 0.25 < drawn.std() / RATE < 0.75


def test_a_shock_multiplies_the_error_rate_of_every_pod_for_as_long_as_it_lasts() -> None:
    one = disturbances(shocks=[{"factor": 50, "lasts": 5, "at": [10]}])
    for pod in ("a", "b"):
        inside = one.disturb(load(), pod, 10.0, 15.0).error_rate
        half = one.disturb(load(), pod, 5.0, 15.0).error_rate
        assert [inside, half] == pytest.approx([50 * RATE, 25.5 * RATE])
        assert one.disturb(load(), pod, 15.0, 100.0).error_rate == pytest.approx(RATE)


def test_shocks_of_two_kinds_multiply_and_no_share_is_above_one() -> None:
    one = disturbances(shocks=[{"factor": 30, "lasts": 5, "at": [0]}, {"factor": 50, "lasts": 5, "at": [0]}])
    assert one.disturb(load(0.0001), "a", 0.0, 5.0).error_rate == pytest.approx(0.15)
    assert one.disturb(load(), "a", 0.0, 5.0).error_rate == 1.0


def test_wander_is_shared_by_all_pods_but_for_the_share_that_is_their_own() -> None:
    def correlation(share: float) -> float:
        one = disturbances(errors={"sd": 0.5, "correlation": 0, "interval": 5, "pod_share": share})
        first, second = rates(one, "a", 3000), rates(one, "b", 3000)
        return float(np.corrcoef(np.log(first), np.log(second))[0, 1])

    assert correlation(0.0) == pytest.approx(1.0)
    assert correlation(0.3) == pytest.approx(0.7, abs=0.05)
    assert correlation(1.0) == pytest.approx(0.0, abs=0.05)


def test_gamma_noise_is_each_pods_own() -> None:
    one = disturbances(gamma={"variation": 0.5, "interval": 5})
    assert np.corrcoef(rates(one, "a", 3000), rates(one, "b", 3000))[0, 1] == pytest.approx(0, abs=0.06)


def test_the_mean_over_a_span_is_that_of_its_parts() -> None:
    noise: dict[str, Any] = {
        "errors": {"sd": 1, "interval": 3},
        "gamma": {"interval": 7},
        "shocks": [{"per_hour": 200, "lasts": 4}],
    }
    parts, whole = rates(disturbances(**noise), count=20, step=5.0), disturbances(**noise)
    assert whole.disturb(load(), "a", 0.0, 100.0).error_rate == pytest.approx(parts.mean())


def test_latency_wanders_for_both_arms_alike_and_its_shares_stay_a_distribution() -> None:
    one = disturbances(latency={"sd": 0.3, "correlation": 0.5, "interval": 5})
    slow = []
    for number in range(200):
        begin = number * 5.0
        first, second = (one.disturb(load(), pod, begin, begin + 5.0) for pod in ("a", "b"))
        assert first.shares.sum() == pytest.approx(1)
        assert first.shares.tolist() == second.shares.tolist()
        slow.append(first.shares[3:].sum())
    assert np.std(slow) > 0.05
    assert np.mean(slow) == pytest.approx(load().shares[3:].sum(), abs=0.03)


def test_a_shock_may_slow_requests_down() -> None:
    one = disturbances(shocks=[{"factor": 1, "latency_factor": 3, "lasts": 5, "at": [0]}])
    shares, means = buckets(LATENCY, 3.0, None, EDGES)
    slowed = one.disturb(load(), "a", 0.0, 5.0)
    assert slowed.shares == pytest.approx(shares, abs=0.01)
    assert float(slowed.shares @ slowed.means) == pytest.approx(float(shares @ means), rel=0.03)


def test_a_worlds_noise_hits_both_arms_and_the_truth_has_it() -> None:
    traffic = {"requests_per_second": 10_000, "error_rate": RATE}
    handled = Handled(traffic=traffic, noise={"shocks": [{"factor": 30, "lasts": 10, "at": [20]}]})
    handled.advance(2)
    handled.release()
    handled.promote()
    handled.advance(16)
    before = handled.app.served()
    handled.advance(10)
    after = handled.app.served()
    for pod_hash, total in after.items():
        shock = total - before[pod_hash]
        assert shock.errors / shock.requests == pytest.approx(30 * RATE, rel=0.15)
    told = {scrape.arm for scrape in handled.world.truth.since() if scrape.total[1] > 500}
    assert told == {"stable", "canary"}


def test_sessions_and_retries_leave_the_first_tries_of_a_seed_what_they_are() -> None:
    def first_tries(**rollout: Any) -> list[int]:
        handled = Handled(traffic={"requests_per_second": 500, "error_rate": 0.0}, **rollout)
        handled.advance(30)
        return [total.requests - total.retries for total in handled.app.served().values()]

    assert first_tries() == first_tries(sessions={"lag": 5}) == first_tries(noise={"retries": {}})
