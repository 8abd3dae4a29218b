"""Classical statistics, for descriptions and for judges that are built on them.

Made for one snapshot: taken at every snapshot they cry wolf (docs/explanation/judging.md, "Why not a test"). So the
default judge decides nothing by them. Each gives None where it has no answer, never a NaN.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import asin, atan, cos, erfc, inf, isfinite, pi, sin, sqrt
from statistics import NormalDist, median
from typing import NamedTuple

import numpy as np

from serinus_judging.arrays import Floats


class TwoProportions(NamedTuple):
    """z of the pooled two-proportion test, its two-sided p-value, and Cohen's h; above 0: the canary's is larger."""

    z: float
    p: float
    h: float


def two_proportions(x: int, n: int, y: int, m: int) -> TwoProportions | None:
    """x events of n trials on the canary against y of m on stable; None if these are no counts of shares."""
    if not (0 <= x <= n and 0 <= y <= m and n > 0 and m > 0):
        return None
    own, other, pooled = x / n, y / m, (x + y) / (n + m)
    error = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = (own - other) / error if error > 0 else 0.0
    return TwoProportions(z, two_sided(z), 2 * (asin(sqrt(own)) - asin(sqrt(other))))


def two_sided(z: float) -> float:
    """Chance that a standard normal is at least so far from 0."""
    return erfc(abs(z) / sqrt(2))


def difference(x: int, n: int, y: int, m: int, sure: float = 0.95) -> tuple[float, float] | None:
    """Newcombe's hybrid score interval for x/n - y/m (Statistics in Medicine 17, 1998, method 10)."""
    if not (0 <= x <= n and 0 <= y <= m and n > 0 and m > 0):
        return None
    z = NormalDist().inv_cdf((1 + sure) / 2)
    (low, high), (other_low, other_high) = _wilson(x, n, z), _wilson(y, m, z)
    own, other = x / n, y / m
    return (
        own - other - sqrt((own - low) ** 2 + (other_high - other) ** 2),
        own - other + sqrt((high - own) ** 2 + (other - other_low) ** 2),
    )


def _wilson(x: int, n: int, z: float) -> tuple[float, float]:
    p, z2 = x / n, z * z
    middle, reach = p + z2 / (2 * n), z * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (middle - reach) / (1 + z2 / n), (middle + reach) / (1 + z2 / n)


class Ranks(NamedTuple):
    """Mann-Whitney: U of the canary, z with continuity correction, two-sided p-value, rank-biserial correlation.

    The correlation is the share of pairs in which the canary's value is larger, less the share in which stable's is:
    1 if every request of the canary is slower than every one of stable.
    """

    u: float
    z: float
    p: float
    rank_biserial: float


def ranks(canary: Sequence[int], stable: Sequence[int]) -> Ranks | None:
    """Counts per bucket in growing order; values in one bucket are tied. None without counts in either."""
    if len(canary) != len(stable) or min((*canary, *stable), default=-1) < 0:
        return None
    n, m = float(sum(canary)), float(sum(stable))
    if not (0 < n < inf and 0 < m < inf):
        return None
    u = below = ties = 0.0
    for x, y in zip(canary, stable, strict=True):
        u += x * (below + y / 2)
        below += y
        tied = float(x + y)
        ties += tied**3 - tied
    total = n + m
    ties /= total * (total - 1)
    spread = sqrt(max(n * m / 12 * (total + 1 - ties), 0.0))
    away = u - n * m / 2
    z = 0.0 if spread == 0 else (away - 0.5 if away > 0 else away + 0.5 if away < 0 else 0.0) / spread
    return Ranks(u, z, min(two_sided(z), 1.0) if away * z > 0 else 1.0, 2 * u / (n * m) - 1)


class Trend(NamedTuple):
    """Mann-Kendall: tau-a, z (ties counted), two-sided p-value; slope: Theil-Sen, per unit of time."""

    tau: float
    z: float
    p: float
    slope: float


def trend(times: Sequence[float], values: Sequence[float], likely: float = 1.0) -> Trend | None:
    """Whether values rise with growing times; None with fewer than four, and where p is above `likely`.

    Values that follow from one another look like a trend more often than p says, so it describes.
    """
    points = [(t, y) for t, y in zip(times, values, strict=True) if isfinite(y)]
    n = len(points)
    if n < 4:
        return None
    # plain Python: series are short, and numpy would take ten times as long
    s = sum([(later > before) - (later < before) for (_, before), (_, later) in combinations(points, 2)])
    tied = Counter([y for _, y in points]).values()
    variance = (n * (n - 1) * (2 * n + 5) - sum([k * (k - 1) * (2 * k + 5) for k in tied])) / 18
    z = s / sqrt(variance) if variance > 0 else 0.0
    p = two_sided(z)
    if p > likely:
        return None
    rises = [(y - before) / (t - since) for (since, before), (t, y) in combinations(points, 2) if t > since]
    return Trend(2 * s / (n * (n - 1)), z, p, median(rises or [0.0]))


def slopes(times: Floats, values: Floats) -> Floats:
    """Theil and Sen's slope of each column: the median over pairs of points. times (T,), values (T, P), NaN: absent.

    NaN where a column has fewer than two points. Up to 29 % of the points may be wild.
    """
    i, j = np.triu_indices(len(times), 1)
    apart = (times[j] - times[i])[:, None]
    pairs = np.where(apart > 0, (values[j] - values[i]) / np.where(apart > 0, apart, 1.0), np.nan)
    pairs = np.sort(pairs, axis=0)  # NaN last
    count = np.isfinite(pairs).sum(axis=0)
    column = np.arange(values.shape[1])
    if not len(pairs):
        return np.full(values.shape[1], np.nan)
    middle = (pairs[np.maximum(count - 1, 0) // 2, column] + pairs[np.minimum(count // 2, len(pairs) - 1), column]) / 2
    result: Floats = np.where(count > 0, middle, np.nan)
    return result


def student_tail(t: float, freedom: int) -> float:
    """Chance that Student's t with so many degrees of freedom is at least t (Abramowitz and Stegun 26.7.3, 26.7.4)."""
    angle = atan(t / sqrt(freedom))
    sine, square = sin(angle), cos(angle) ** 2
    odd = freedom % 2
    term = cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= square * (k - 1) / k
    inside = 2 / pi * (angle + sine * total) if odd else sine * total
    return min(max((1 - inside) / 2, 0.0), 1.0)
