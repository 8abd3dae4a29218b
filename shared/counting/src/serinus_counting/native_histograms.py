"""Native histograms, read as if they were classic: cumulative counts at bounds that all of them have.

Prometheus answers with buckets that are not cumulative, leaves empty ones out, and merges neighbours into wider ones as
a histogram grows (https://prometheus.io/docs/specs/native_histograms/).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from serinus_contracts.selector import Labels

from serinus_counting.series import Series

# Finer ones tell no more than noise, and every bound is a series.
MAX_BOUNDS = 64

Bucket = tuple[float, float, float]
"""Lower bound, upper bound, observations between them."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """One series: sample times in ms, ascending, and at each the count of observations and the buckets."""

    labels: Labels
    times: Sequence[int]
    counts: Sequence[float]
    buckets: Sequence[Sequence[Bucket]]


def counters(histograms: Sequence[Histogram]) -> list[Series]:
    """How many observations each has, as `_count` of a classic histogram."""
    return [Series(one.labels, one.times, one.counts) for one in histograms]


def classic(histograms: Sequence[Histogram]) -> list[Series]:
    """The series that classic histograms would be: one per bound, with the label `le`.

    A bound inside of anybody's bucket is left out: nobody knows how much of the bucket lies below it.
    """
    spans = {(_rounded(low), _rounded(high)) for one in histograms for sample in one.buckets for low, high, _ in sample}
    bounds = sorted({high for _, high in spans if math.isfinite(high)})
    bounds = [bound for bound in bounds if not any(low < bound < high for low, high in spans)]
    if len(bounds) > MAX_BOUNDS:
        bounds = [bound for bound in bounds if _at_quarter_octave(bound)]
    return [
        Series({**one.labels, "le": edge}, one.times, values)
        for one in histograms
        for edge, values in [
            *((f"{bound:.12g}", [_up_to(bound, sample) for sample in one.buckets]) for bound in bounds),
            ("+Inf", list(one.counts)),
        ]
    ]


def _rounded(bound: float) -> float:
    """The same bound may differ in its last digit where resolutions do."""
    return float(f"{bound:.12g}")


def _at_quarter_octave(bound: float) -> bool:
    """Bounds of exponential buckets are powers of 2^(2^-n); these are the ones of n = 2, a factor of 1.19 apart."""
    if bound <= 0:
        return False
    quarters = 4 * math.log2(bound)
    return abs(quarters - round(quarters)) < 1e-6


def _up_to(bound: float, buckets: Sequence[Bucket]) -> float:
    return sum(count for _, high, count in buckets if _rounded(high) <= bound)
