"""Whether an arm's rate rises within a stage: a straight line through its snapshots, kept as sums."""

from math import sqrt
from typing import NamedTuple

from serinus_judging.snapshot import Quad


class Line(NamedTuple):
    """Sums over the snapshots of one arm, t in minutes: of n t, n t² and x t. Sums of n and x are kept elsewhere."""

    nt: float = 0.0
    ntt: float = 0.0
    xt: float = 0.0

    def after(self, t: float, x: int, n: int) -> "Line":
        """With x events of n trials at minute t."""
        return Line(self.nt + n * t, self.ntt + n * t * t, self.xt + x * t)


class Slopes(NamedTuple):
    """The lines of canary and stable."""

    canary: Line = Line()
    stable: Line = Line()

    def after(self, t: float, quad: Quad) -> "Slopes":
        """With counts of a snapshot at minute t."""
        x, n, y, m = quad
        return Slopes(self.canary.after(t, x, n), self.stable.after(t, y, m))


def rising(slopes: Slopes, total: Quad) -> float:
    """z of the canary's slope less stable's (Cochran and Armitage's test for trend, of two samples).

    Stable's slope is taken off because a rate that rises in both arms is the day, not the release. total: the counts
    of all snapshots together. 0 where there is nothing to compare.
    """
    x, n, y, m = total
    own, own_variance = _slope(slopes.canary, x, n)
    other, other_variance = _slope(slopes.stable, y, m)
    error = own_variance + other_variance
    return (own - other) / sqrt(error) if error > 0 else 0.0


def _slope(line: Line, x: int, n: int) -> tuple[float, float]:
    """Slope and its variance."""
    if not n:
        return 0.0, 0.0
    spread = line.ntt - line.nt**2 / n
    if spread <= 1e-9 * line.ntt:
        return 0.0, 0.0
    p = min(x / n, 1.0)
    return (line.xt - line.nt / n * x) / spread, p * (1 - p) / spread
