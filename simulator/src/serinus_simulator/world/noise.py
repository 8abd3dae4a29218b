"""Noise as functions of time that are constant in pieces: a sequence drawn once, whoever looks at it and when.

Between two looks counts are drawn at once. Independent Poisson counts add up to a Poisson count of the summed rates,
so over a span in which the error rate moves nothing but its mean over time is needed, and the draw stays exact.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def wandering(random: np.random.Generator, correlation: float) -> Iterator[float]:
    """Standard normal values, each correlated with the one before (AR(1)) and stationary from the first on."""
    value = float(random.standard_normal())
    fresh = math.sqrt(1 - correlation**2)
    while True:
        yield value
        value = correlation * value + fresh * float(random.standard_normal())


def clumping(random: np.random.Generator, variation: float) -> Iterator[float]:
    """Gamma factors of mean 1 whose standard deviation is `variation`."""
    shape = variation**-2
    while True:
        yield float(random.gamma(shape, 1 / shape))


def lognormal(sd: float, values: Floats) -> Floats:
    """Factors of mean 1 whose logarithm has the standard deviation `sd`, from standard normal values."""
    factors: Floats = np.exp(sd * values - sd * sd / 2)
    return factors


class Path:
    """A sequence on a grid of intervals in seconds, drawn as far as anybody has looked."""

    def __init__(self, values: Iterator[float], start: float, interval: float) -> None:
        self._values = values
        self._start = start
        self._interval = interval
        self._drawn = array("d")

    def breaks(self, begin: float, end: float) -> list[float]:
        """Where the value changes strictly inside a span."""
        first = math.floor((begin - self._start) / self._interval) + 1
        last = math.ceil((end - self._start) / self._interval)
        return [self._start + number * self._interval for number in range(first, last)]

    def at(self, moments: Floats) -> Floats:
        """The values at moments in order, none before the start."""
        cells = np.maximum(((moments - self._start) / self._interval).astype(np.int64), 0)
        while len(self._drawn) <= cells[-1]:
            self._drawn.append(next(self._values))
        return np.asarray(self._drawn)[cells]


class Moments:
    """Spans of `lasts` seconds at set times and, on average, so many times per hour."""

    def __init__(
        self, random: np.random.Generator, start: float, lasts: float, per_hour: float, at: Iterable[float]
    ) -> None:
        self._random = random
        self._lasts = lasts
        self._per_hour = per_hour
        self._begins = sorted(start + moment for moment in at)
        self._next = start
        self._draw_next()

    def breaks(self, begin: float, end: float) -> list[float]:
        """Where a span begins or ends, strictly inside the one given."""
        self._draw_until(end)
        near = self._begins[bisect_left(self._begins, begin - self._lasts) : bisect_right(self._begins, end)]
        edges = [edge for one in near for edge in (one, one + self._lasts)]
        return [edge for edge in edges if begin < edge < end]

    def holds(self, moments: Floats) -> NDArray[np.bool_]:
        """Whether each of these moments, in order, lies in a span."""
        self._draw_until(float(moments[-1]))
        begins = np.asarray([-math.inf, *self._begins])
        latest = begins[np.searchsorted(begins, moments, "right") - 1]
        return moments < latest + self._lasts

    def _draw_next(self) -> None:
        self._next += self._random.exponential(3600 / self._per_hour) if self._per_hour > 0 else math.inf

    def _draw_until(self, end: float) -> None:
        while self._next <= end:
            insort(self._begins, self._next)
            self._draw_next()


def pieces(begin: float, end: float, breaks: Sequence[float]) -> tuple[Floats, Floats]:
    """A span cut at its breaks: the middle of each piece, and its share of the time."""
    edges = np.unique(np.asarray([begin, *breaks, end]))
    return (edges[1:] + edges[:-1]) / 2, np.diff(edges) / (end - begin)
