"""Noise, measured by letting some of stable's pods play canary."""

import numpy as np
import pytest
from serinus_judging.sequential import calibration

PODS = 10


def day(noise: float = 0.0, blocks: int = 288, seed: int = 0, rate: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    trials = np.full((blocks, PODS), 5000.0)
    level = random.gamma(1 / noise, noise, (blocks, PODS)) if noise else np.ones((blocks, PODS))
    return random.poisson(trials * rate * level).astype(float), trials


def test_the_order_of_pods_is_arbitrary_but_fixed() -> None:
    pods = [f"cart-{i}" for i in range(20)]
    order = calibration.order_of(pods)
    assert sorted(order) == list(range(20))
    assert order != list(range(20))
    back = calibration.order_of(pods[::-1])
    assert [pods[i] for i in order] == [pods[::-1][i] for i in back]


@pytest.mark.parametrize(("share", "size"), [(0.01, 1), (0.1, 1), (0.11, 2), (0.5, 5), (0.55, 6), (0.9, 9), (1.0, 0)])
def test_the_placebo_is_the_smallest_group_with_the_stages_share(share: float, size: int) -> None:
    mask = calibration.placebo(np.full((3, PODS), 100.0), share)
    assert mask.sum(axis=1).tolist() == [size] * 3


def test_pods_that_were_not_there_play_no_part() -> None:
    trials = np.array([[0.0, 100, 100, 100], [100, 0, 0, 0], [0, 0, 0, 0]])
    assert calibration.placebo(trials, 0.3).tolist() == [[False, True, False, False], [False] * 4, [False] * 4]


def test_independent_requests_have_phi_about_1() -> None:
    found = calibration.measured(*day(), [0.01, 0.1, 0.5], 10)
    assert found is not None
    assert found.phi == pytest.approx([1, 1, 1], abs=0.25)
    assert found.kappa < 0.05
    assert found.blocks == 288


def test_noisy_pods_have_the_phi_of_their_noise() -> None:
    """Rates with a relative variance of 0.2 per pod: one pod of ten has phi = 1 + 0.2 mu about, mu = 50 events."""
    found = calibration.measured(*day(0.2), [0.1], 1)
    assert found is not None
    assert found.phi[0] == pytest.approx(11, rel=0.25)
    # spread over V = mu x 0.9 x 10 x 0.1 = 45
    assert found.kappa == pytest.approx(10 / 45, rel=0.3)


def test_a_block_of_many_looks_tells_of_as_many_times_the_noise_of_one() -> None:
    once, often = (calibration.measured(*day(0.2), [0.1], looks) for looks in (1, 10))
    assert once is not None
    assert often is not None
    assert often.kappa == pytest.approx(10 * once.kappa)
    assert often.phi.tolist() == once.phi.tolist()


def test_shocks_are_told_by_kappa_and_not_by_phi() -> None:
    events, trials = day(0.05)
    random = np.random.default_rng(4)
    shocked = random.random(288) < 0.1
    events[shocked] = random.poisson(events[shocked] * 20)
    calm = calibration.measured(*day(0.05), [0.1], 1)
    found = calibration.measured(events, trials, [0.1], 1)
    assert calm is not None
    assert found is not None
    assert found.phi[0] == pytest.approx(calm.phi[0], rel=0.15)
    assert found.kappa == pytest.approx(calm.kappa, rel=0.5)


def test_phi_is_never_below_1_and_kappa_never_below_0() -> None:
    trials = np.full((100, 2), 1000.0)
    events = np.full((100, 2), 10.0)
    found = calibration.measured(events, trials, [0.5])
    assert found is not None
    assert (found.phi.tolist(), found.kappa) == ([1.0], 0.0)


@pytest.mark.parametrize("blocks", [0, 1, 59])
def test_too_short_a_history_says_nothing(blocks: int) -> None:
    events, trials = day()
    assert calibration.measured(events[:blocks], trials[:blocks], [0.1]) is None
    assert calibration.measured(events[:60], trials[:60], [0.1]) is not None


def test_one_pod_without_events_or_without_company_says_nothing() -> None:
    events, trials = day()
    assert calibration.measured(events[:, :1], trials[:, :1], [0.1]) is None
    assert calibration.measured(np.zeros_like(events), trials, [0.1]) is None
    assert calibration.measured(np.zeros((0, 0)), np.zeros((0, 0)), [0.1]) is None
