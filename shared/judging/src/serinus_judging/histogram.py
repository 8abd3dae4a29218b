"""Histograms as Prometheus has them: counts per bucket in growing order, one more than edges, the last is above all."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from math import inf, isfinite


def tail_counts(counts: Sequence[int]) -> list[int]:
    """How many lie above each edge: from counts per bucket, suffix sums from 1 on."""
    tails = list(accumulate(counts[:0:-1]))
    tails.reverse()
    return tails


def edge_at_least(edges: Sequence[float], seconds: float) -> float | None:
    """The smallest finite edge at or beyond a limit; None where the histogram does not reach so far."""
    return min((edge for edge in edges if isfinite(edge) and edge >= seconds * (1 - 1e-9)), default=None)


def quantile(edges: Sequence[float], counts: Sequence[int], q: float) -> float | None:
    """As Prometheus' histogram_quantile: linear inside the bucket, the last edge where it lies beyond; None if empty.

    edges: upper bounds in seconds; counts: per bucket, one more than edges.
    """
    found = quantiles(edges, counts, (q,))
    return found[0] if found else None


def quantiles(edges: Sequence[float], counts: Sequence[int], wanted: Sequence[float]) -> list[float]:
    """Several of them, each as `quantile`; none where it is None."""
    if not edges or len(counts) != len(edges) + 1:
        return []
    upto = list(accumulate(counts))
    if upto[-1] <= 0 or min(counts) < 0:
        return []
    return [_quantile(edges, counts, upto, q * upto[-1]) for q in wanted]


def _quantile(edges: Sequence[float], counts: Sequence[int], upto: Sequence[int], rank: float) -> float:
    place = bisect_left(upto, rank)
    while place < len(edges) and not counts[place]:
        place += 1
    if place >= len(edges):
        return edges[-1]
    edge, low = edges[place], edges[place - 1] if place else 0.0
    count = counts[place]
    return edge if edge <= 0 or edge == inf else low + (edge - low) * (rank - (upto[place] - count)) / count


def interpolated_tail(edges: Sequence[float], counts: Sequence[int], seconds: float) -> float:
    """How many of a histogram are slower than so many seconds, interpolated inside its bucket.

    The q-quantile lies beyond `seconds` if and only if more than 1 - q of all are slower; unlike quantiles, such
    counts may be added up. counts: per bucket, one more than edges; those above the last edge are taken to lie on
    it, as in `quantile`.
    """
    start, found = 0.0, 0.0
    for edge, count in zip(edges, counts, strict=False):
        if seconds < edge:
            found += count * min((edge - seconds) / (edge - start), 1.0)
        start = edge
    return found + (counts[-1] if edges and seconds < edges[-1] else 0)
