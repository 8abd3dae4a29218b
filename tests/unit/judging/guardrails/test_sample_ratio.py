"""Whether the requests are split as the weight says."""

import numpy as np
import pytest
from scipy import stats
from serinus_judging.guardrails import sample_ratio
from serinus_judging.guardrails.sample_ratio import SampleRatio

BAR = float(np.log(100))


def after(looks: int, canary: float, total: int = 2000, weight: float = 10, seed: int = 0) -> SampleRatio:
    random = np.random.default_rng(seed)
    share = SampleRatio()
    for _ in range(looks):
        x = int(random.binomial(total, canary))
        share = sample_ratio.after(share, x, total - x, weight, 30.0)
    return share


def test_a_split_as_set_is_never_doubted() -> None:
    assert all(after(40, 0.10, seed=seed).log_mismatch < BAR for seed in range(50))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.2, 0.5])
def test_a_canary_with_the_wrong_share_is_noticed(share: float) -> None:
    assert after(60, share).log_mismatch > BAR


def test_a_fifth_more_than_the_weight_is_tolerated() -> None:
    assert after(200, 0.115).log_mismatch < 0


def test_the_first_snapshot_only_sets_the_pace() -> None:
    share = sample_ratio.after(SampleRatio(), 5000, 5000, 10, 20.0)
    assert share.log_mismatch == 0.0
    assert share.pace == 500.0
    assert (share.canary, share.stable) == (5000, 5000)


@pytest.mark.parametrize("weight", [0, 100])
def test_a_weight_that_gives_one_arm_nothing_is_not_judged(weight: float) -> None:
    assert sample_ratio.after(SampleRatio(pace=5.0), 10, 10, weight, 30.0) == SampleRatio(pace=5.0)


def test_no_requests_and_windows_of_no_length_change_nothing() -> None:
    assert sample_ratio.after(SampleRatio(pace=5.0), 0, 0, 10, 30.0) == SampleRatio(pace=5.0)
    assert sample_ratio.after(SampleRatio(pace=5.0), 9, 9, 10, 0.0) == SampleRatio(pace=5.0)


def test_evidence_is_the_conditional_binomial_tempered() -> None:
    share = sample_ratio.after(SampleRatio(pace=1.0), 40, 60, 10, 100.0)
    edge, alternative = 0.125 / 1.025, 0.625 / 1.525
    gain = stats.binom.logpmf(40, 100, alternative) - stats.binom.logpmf(40, 100, edge)
    assert share.canary_heavy[2] == pytest.approx(gain / 5.5)  # phi = 1 + 0.5 x 100 x 0.09


def test_a_share_survives_packing() -> None:
    share = after(7, 0.2)
    assert SampleRatio.unpacked(list(share.packed)) == share


def test_counts_of_10_to_the_12_are_no_trouble() -> None:
    share = sample_ratio.after(SampleRatio(pace=1e12), 10**12, 10**12, 10, 1.0)
    assert np.isfinite(share.log_mismatch)
    assert share.log_mismatch > 0
