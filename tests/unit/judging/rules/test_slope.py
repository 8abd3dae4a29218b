"""Whether a rate rises, against statsmodels' idea of a line and in what it must not see."""

import numpy as np
import pytest
from serinus_judging.rules.slope import Slopes, rising


def slopes(canary: list[int], stable: list[int], n: int = 1000, m: int = 1000) -> float:
    found = Slopes()
    for t, (x, y) in enumerate(zip(canary, stable, strict=True)):
        found = found.after(float(t), (x, n, y, m))
    looks = len(canary)
    return rising(found, (sum(canary), looks * n, sum(stable), looks * m))


def test_a_line_by_hand() -> None:
    """t 0, 1, 2 with 10, 20 and 30 of 1,000: slope 0.01, spread 1000 * 2, p 0.02; stable flat at 0.02 has the same
    variance: z = 0.01 / sqrt(2 * 0.0196 / 2000)."""
    assert slopes([10, 20, 30], [20, 20, 20]) == pytest.approx(0.01 / np.sqrt(2 * 0.02 * 0.98 / 2000))


def test_the_days_own_rise_is_not_the_canarys() -> None:
    assert slopes([10, 20, 30], [10, 20, 30]) == pytest.approx(0)


def test_a_falling_rate_is_below_0() -> None:
    assert slopes([30, 20, 10], [20, 20, 20]) < -2


@pytest.mark.parametrize("counts", [[], [5], [0, 0, 0]])
def test_nothing_to_compare_is_0(counts: list[int]) -> None:
    assert slopes(counts, counts) == 0


def test_flat_rates_rise_as_often_as_the_level_says() -> None:
    random = np.random.default_rng(5)
    z = [slopes(*random.binomial(1000, 0.02, (2, 20)).tolist()) for _ in range(2000)]
    assert np.mean(np.array(z) > 2.326) == pytest.approx(0.01, abs=0.006)
