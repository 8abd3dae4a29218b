"""Latency from buckets, without interpolation (docs/explanation/judging.md, "Latency").

"The canary is at most r times slower" means that no more of its requests are slower than r * e than of stable's are
slower than e. At two edges of the histogram, the canary's at or beyond r times stable's, this is the margin with
ratio 1 on two exceedance counts, exactly. For proceeding the canary's edge lies at or before r times stable's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from serinus_contracts.metric import QUANTILES

from serinus_judging.histogram import tail_counts

COARSE = 1.25
"""The canary's edge may lie this factor beyond ratio times stable's; a wider gap could not show the margin."""
COARSE_RATIO, COARSE_ABSOLUTE = 1.5, 0.005
"""Margin on the share above one edge where the buckets are too coarse for the margin on the duration."""


@dataclass(frozen=True)
class Pair:
    """One tested quantile: stable's edge, and the canary's for aborting and proceeding (None: too coarse). Seconds."""

    quantile: float
    stable: float
    abort: float | None
    proceed: float | None


Pairs = tuple[Pair, ...] | None
"""Of one latency metric, None while its edges are not yet fixed."""


def chosen(edges: Sequence[float], stable: Sequence[int], ratio: float) -> tuple[Pair, ...]:
    """The pairs to test, fixed for the run: edges nearest stable's p50, p75, p90, p95 and p99, each edge once.

    edges: upper bounds in seconds; stable: counts per bucket, one more. Nearest is meant in the logarithm of the
    share that is slower, since that is what is tested. Empty without requests or usable edges.
    """
    finite = [edge for edge in edges if np.isfinite(edge) and edge > 0]
    total = sum(stable)
    if len(stable) != len(edges) + 1 or total <= 0 or min(stable) < 0 or not finite:
        return ()
    share = dict(zip(edges, (count / total for count in tail_counts(stable)), strict=True))
    testable = [edge for edge in finite if 0 < share[edge] < 1]
    if not testable:
        return ()
    best: dict[float, tuple[float, float]] = {}
    for quantile in QUANTILES:
        edge = min(testable, key=lambda e: abs(np.log(share[e] / (1 - quantile))))
        miss = abs(float(np.log(share[edge] / (1 - quantile))))
        if edge not in best or miss < best[edge][0]:
            best[edge] = (miss, quantile)
    return tuple(_pair(quantile, edge, finite, ratio) for edge, (_, quantile) in sorted(best.items()))


def _pair(quantile: float, stable: float, finite: list[float], ratio: float) -> Pair:
    scaled = ratio * stable * (1 - 1e-9)  # 0.1 * 1.2 in floating point must find the edge 0.12
    beyond = min((edge for edge in finite if edge >= scaled), default=np.inf)
    within = max((edge for edge in finite if edge <= ratio * stable * (1 + 1e-9)), default=0.0)
    return Pair(
        quantile,
        stable,
        beyond if beyond / stable <= COARSE * ratio else None,
        within if within > stable else None,
    )
