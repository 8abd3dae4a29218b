"""Counting what is slower than any duration, by the line that Prometheus' `histogram_quantile` draws in a bucket."""

from collections.abc import Sequence


def slower(edges: Sequence[float], counts: Sequence[int], seconds: float) -> float:
    """How many of a histogram are slower than so many seconds, interpolated inside its bucket.

    The q-quantile lies beyond `seconds` if and only if more than 1 - q of all are slower; unlike quantiles, such
    counts may be added up. counts: per bucket, one more than edges; those above the last edge are taken to lie on
    it, as in `classical.quantile`.
    """
    start, found = 0.0, 0.0
    for edge, count in zip(edges, counts, strict=False):
        if seconds < edge:
            found += count * min((edge - seconds) / (edge - start), 1.0)
        start = edge
    return found + (counts[-1] if edges and seconds < edges[-1] else 0)
