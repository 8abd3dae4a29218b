"""The rank-sum test turned into an interval for a shift, as Kayenta's judge takes it from R's `wilcox.test`."""

from math import ceil, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from serinus_judging.arrays import Floats


class Shift(NamedTuple):
    """How much greater the first sample is: bounds of the interval, and the Hodges-Lehmann estimate."""

    low: float
    high: float
    estimate: float


def shift(first: Floats, second: Floats, confidence: float) -> Shift:
    """The interval of the shift between two samples, both with at least one value.

    A shift is inside where the rank-sum z of `first` less the shift against `second`, corrected for ties and
    continuity, lies within the normal quantiles of (1 -+ confidence) / 2. Between two neighbouring pairwise
    differences nothing changes, so the bounds are order statistics of the differences, found without a solver.
    """
    n, m = len(first), len(second)
    differences = np.sort((first[:, None] - second).ravel())
    total = n + m
    tied = sum(float((counts**3 - counts).sum()) for counts in (_multiplicities(first), _multiplicities(second)))
    sigma = sqrt(n * m / 12 * (total + 1 - tied / (total * (total - 1))))
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    place = min(max(ceil(n * m / 2 - 0.5 - z * sigma), 1), n * m)
    return Shift(float(differences[place - 1]), float(differences[n * m - place]), float(np.median(differences)))


def _multiplicities(sample: Floats) -> Floats:
    return np.unique(sample, return_counts=True)[1].astype(float)
