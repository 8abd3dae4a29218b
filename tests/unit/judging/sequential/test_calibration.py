"""Noise, measured by letting some of stable's pods play canary."""

from itertools import combinations

import numpy as np
import pytest
from serinus_judging.sequential import calibration

PODS = 10


def measured(
    events: np.ndarray, trials: np.ndarray, shares: list[float], snapshots: float = 1.0, rate: bool = False
) -> calibration.Measured:
    """Of a history that says enough."""
    found = calibration.measured(events, trials, shares, snapshots, rate)
    assert found is not None
    return found


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


@pytest.mark.parametrize(("share", "size"), [(0.01, 1), (0.1, 1), (0.11, 2), (0.5, 5), (0.55, 6), (0.9, 9), (1.0, 9)])
def test_the_placebo_is_the_smallest_group_with_the_stages_share(share: float, size: int) -> None:
    assert calibration.placebo_share(np.full(3, PODS, dtype=float), share).tolist() == [size / PODS] * 3


def test_pods_that_were_not_there_play_no_part() -> None:
    events, trials = day(0.2)
    wider = [np.insert(each, [2, 7], 0.0, axis=1) for each in (events, trials)]
    alone, among = (measured(x, n, [0.1], 10) for x, n in ((events, trials), (wider[0], wider[1])))
    assert among.phi == pytest.approx(alone.phi)
    assert among.kappa == pytest.approx(alone.kappa)


def test_independent_requests_have_phi_about_1() -> None:
    found = measured(*day(), [0.01, 0.1, 0.5], 10)
    assert found.phi == pytest.approx(1, abs=0.1)
    assert (found.kappa < 0.05).all()
    assert (found.lasting == 0).all()
    assert (found.blocks, found.outlying) == (288, 0)


@pytest.mark.parametrize("share", [0.002, 0.1, 0.5, 0.9, 0.99])
def test_shares_that_are_not_rare_have_the_noise_of_their_clusters(share: float) -> None:
    """Five equal outcomes a user: the variance is five times that of independent requests, whatever the share."""
    events = 5.0 * np.random.default_rng(0).binomial(3000, share, (288, PODS))
    found = measured(events, np.full(events.shape, 15_000.0), [0.05], 10)
    assert found.phi == pytest.approx(5, rel=0.1)


def test_noisy_pods_have_the_phi_of_their_noise() -> None:
    """Rates with a relative variance of 0.2 per pod: phi = 1 + 0.2 mu about, mu = 50 events."""
    found = measured(*day(0.2), [0.1, 0.5], 1)
    assert found.phi == pytest.approx(11, rel=0.15)
    # spread over V: mu x 0.9 x 10 x 0.1 = 45 in the first stage, mu x 10 x 0.25 = 125 in the second
    assert found.kappa == pytest.approx([10 / 45, 10 / 125], rel=0.2)


def test_what_pods_count_tells_the_same_as_letting_each_group_of_them_play_canary() -> None:
    """Averaged over all ways to choose three of eight, Y^2 / V is what the pods' own deviations say: exactly."""
    random = np.random.default_rng(6)
    trials, events = np.full((60, 8), 1000.0), random.poisson(random.gamma(2, 5, (60, 8))).astype(float)
    z, total = events.sum(axis=1), trials.sum(axis=1)
    ratios = []
    for group in combinations(range(8), 3):
        y2 = (events[:, group].sum(axis=1) - z * 3 / 8) ** 2
        ratios.append(y2.sum() / (z * (1 - z / total) * 3 / 8 * 5 / 8).sum())
    # without its standard error
    spread = z * (1 - z / total)
    off = events - z[:, None] / 8
    pods = (off**2 / (spread[:, None] / 8)).sum(axis=1) / 7
    assert np.mean(ratios) == pytest.approx((pods * spread).sum() / spread.sum())
    assert measured(events, trials, [0.3]).phi == pytest.approx(np.mean(ratios), rel=0.2)


def test_a_block_of_many_looks_tells_of_as_many_times_the_noise_of_one() -> None:
    once, often = (measured(*day(0.2), [0.1], looks) for looks in (1, 10))
    assert often.kappa == pytest.approx(10 * once.kappa)
    assert often.phi == once.phi


def test_shocks_are_told_by_kappa_and_not_by_phi() -> None:
    events, trials = day(0.05)
    random = np.random.default_rng(4)
    shocked = random.random(288) < 0.1
    events[shocked] = random.poisson(events[shocked] * 20)
    calm = measured(*day(0.05), [0.1], 1)
    found = measured(events, trials, [0.1], 1)
    assert found.phi == pytest.approx(calm.phi, rel=0.15)
    assert found.kappa == pytest.approx(calm.kappa, rel=0.5)


@pytest.mark.parametrize("hours", [0.5, 1, 3])
def test_one_pods_bad_hours_are_left_out(hours: float) -> None:
    events, trials = day()
    calm = measured(events, trials, [0.01, 0.5], 10)
    blocks = int(hours * 12)
    events[100 : 100 + blocks, 3] = 1500
    found = measured(events, trials, [0.01, 0.5], 10)
    assert (found.outlying, found.pod) == (blocks, 3)
    assert found.phi == pytest.approx(calm.phi, rel=0.1)
    assert found.kappa == pytest.approx(calm.kappa, abs=0.02)


def test_what_one_pod_does_for_half_a_day_is_its_nature() -> None:
    events, trials = day()
    events[:144, 3] = 1500
    assert measured(events, trials, [0.5], 10).phi > 20


def test_pods_that_differ_for_good_have_noise_that_grows_with_the_run() -> None:
    """Rates with a relative standard deviation of 0.3: over V of a run the variance is 1 + 0.09 of a pod's events."""
    random = np.random.default_rng(3)
    trials = np.full((288, 40), 5000.0)
    level = np.exp(0.3 * random.normal(size=40) - 0.045)
    found = measured(random.poisson(trials * 0.01 * level).astype(float), trials, [0.025, 0.5], 10)
    variance = level.var(ddof=1) / level.mean() ** 2
    # V = events x s (1 - s) of which a pod has 1 / 40
    assert found.lasting == pytest.approx([variance / 40 / (s * (1 - s)) for s in (0.025, 0.5)], rel=0.05)


def test_noise_that_comes_and_goes_does_not_last() -> None:
    assert (measured(*day(0.2), [0.1, 0.5], 10).lasting == 0).all()


def test_phi_is_never_below_1_and_kappa_never_below_0() -> None:
    trials = np.full((100, 2), 1000.0)
    events = np.full((100, 2), 10.0)
    found = measured(events, trials, [0.5])
    assert (found.phi, found.kappa.tolist(), found.lasting.tolist()) == (1.0, [0.0], [0.0])


def test_rates_may_have_more_events_than_trials() -> None:
    random = np.random.default_rng(9)
    trials = np.full((288, PODS), 10.0)
    found = measured(random.poisson(30.0, trials.shape).astype(float), trials, [0.1], rate=True)
    assert found.phi == pytest.approx(1, abs=0.1)


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
