"""How many of stable's requests are slower than a duration between two edges of its histogram (docs/adr/0087).

The normal score of that share is drawn over the logarithm of the duration: a log-normal distribution is one straight
line there, and others bend little. The score is read on the line through the bucket's own two edges. Where the lines of
the two neighbouring buckets, drawn on into this one, lie on one side of it, the distribution bends one way, and the
truth lies between the own line and the nearer of them; where they lie on both sides, between the two.
Their far ends are taken one standard error off, to the careful side.
What nobody knows is left at the bucket's edges: beside an empty bucket, and beyond an edge that no request passed.
"""

from collections.abc import Sequence
from math import exp, isfinite, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from serinus_judging.histogram import tail_counts

SAME = 1e-9
"""Relative: 0.12 / 1.2 in floating point must find the edge 0.1."""
_NORMAL = NormalDist()


class Slower(NamedTuple):
    """The share slower than a duration: most it can be, as interpolated, least.

    below, above: the edges around it in seconds, equal where it is an edge, 0 where none lies below; top, bottom: the
    shares slower than those. early, late: the durations at which the interpolated share is `most` and `least`.
    """

    below: float
    above: float
    top: float
    bottom: float
    most: float
    share: float
    least: float
    early: float
    late: float

    def part(self, share: float) -> float:
        """Which part of the requests between the edges, with those above, makes up this share."""
        return 1.0 if self.top <= self.bottom else (share - self.bottom) / (self.top - self.bottom)


class Survival:
    """Of one histogram with requests, edges in seconds, its counts one more than edges."""

    def __init__(self, edges: Sequence[float], counts: Sequence[int]) -> None:
        usable = [one for one in zip(edges, tail_counts(counts), strict=True) if isfinite(one[0]) and one[0] > 0]
        self.edges = tuple(edge for edge, _ in usable)
        self._slower = tuple(count for _, count in usable)
        self._total = sum(counts)
        self._x = tuple(log(edge) for edge in self.edges)
        self._z = tuple(self._score(count) for count in self._slower)

    def _score(self, slower: float) -> float:
        return -_NORMAL.inv_cdf((slower + 0.5) / (self._total + 1))

    def _off(self, place: int, sign: int) -> float:
        """The score at an edge if its count were one standard error off, towards greater scores or lesser."""
        count = self._slower[place]
        return self._score(count - sign * sqrt(count * (1 - count / self._total)))

    def share(self, place: int) -> float:
        """Slower than an edge."""
        return self._slower[place] / self._total

    def at(self, seconds: float) -> Slower | None:
        """Slower than a duration up to the last edge; None where nothing can be said of it."""
        place = next(i for i, edge in enumerate(self.edges) if edge * (1 + SAME) >= seconds)
        bottom, edge = self.share(place), self.edges[place]
        if edge <= seconds * (1 + SAME):
            return Slower(edge, edge, bottom, bottom, bottom, bottom, bottom, seconds, seconds)
        x = log(seconds)
        found = self._within(place, x) if place else self._before(x)
        if found is None:
            return None
        low, middle, high, slope = found
        below, top = (self.edges[place - 1], self.share(place - 1)) if place else (0.0, 1.0)
        most, share, least = (min(max(_NORMAL.cdf(-score), bottom), top) for score in (low, middle, high))
        if low == self._z[place - 1] and place:
            most = top
        if high == self._z[place]:
            least = bottom
        early, late = (exp(x + (score - middle) / slope) for score in (low, high))
        return Slower(below, edge, top, bottom, most, share, least, early, late)

    def _slope(self, left: int) -> float:
        return (self._z[left + 1] - self._z[left]) / (self._x[left + 1] - self._x[left])

    def _within(self, place: int, x: float) -> tuple[float, float, float, float] | None:
        """Least, own and greatest score in the bucket that ends at an edge, and the own line's slope."""
        start, end = self._z[place - 1], self._z[place]
        slope = self._slope(place - 1)
        if slope <= 0:
            return None
        own = start + slope * (x - self._x[place - 1])
        low, high = (self._bent(place, x, own, sign) for sign in (1, -1))
        low, high = max(low, start), min(high, end)
        # an empty bucket beside tells nothing, and neither does none
        unknown = place == 1 or self._slower[place - 2] == self._slower[place - 1]
        unknown = unknown or place + 1 == len(self.edges) or self._slower[place] == self._slower[place + 1]
        if unknown or self._slower[place - 1] == self._total:
            low = start
        if unknown or self._slower[place] == 0:
            high = end
        return low, own, high, slope

    def _bent(self, place: int, x: float, own: float, sign: int) -> float:
        """The least score (sign 1) or the greatest (-1) that the lines of the neighbouring buckets allow."""
        beside = [own]
        if place > 1:
            far = self._off(place - 2, sign)
            slope = (self._z[place - 1] - far) / (self._x[place - 1] - self._x[place - 2])
            beside.append(self._z[place - 1] + slope * (x - self._x[place - 1]))
        if place + 1 < len(self.edges):
            far = self._off(place + 1, sign)
            slope = (far - self._z[place]) / (self._x[place + 1] - self._x[place])
            beside.append(self._z[place] + slope * (x - self._x[place]))
        beyond = [sign * (score - own) for score in beside[1:]]
        if all(one >= 0 for one in beyond):
            return own
        nearest = max(beyond) if all(one <= 0 for one in beyond) else min(beyond)
        return own + sign * nearest

    def _before(self, x: float) -> tuple[float, float, float, float] | None:
        """Likewise in the first bucket, whose other end is 0: the lines behind it, as they bend."""
        if len(self.edges) < 3 or self._slower[0] == self._total or not self._slower[1]:
            return None
        slope, next_slope = self._slope(0), self._slope(1)
        bent = 2 * slope - next_slope
        back = self._x[0] - x
        least, greatest = min(slope, bent), max(slope, bent)
        if least <= 0:
            return None
        start = self._z[0]
        return start - greatest * back, start - slope * back, start - least * back, slope
