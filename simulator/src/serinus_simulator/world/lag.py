"""Events that follow others after a time: how many of those that are under way have arrived."""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import numpy as np

from serinus_simulator.world.scenario_traffic import Sessions


class Lag(Protocol):
    """Follows events from their cause to their arrival. Spans, in seconds, come in order and without a hole."""

    def advance(self, count: int, begin: float, end: float) -> int:
        """How many arrive in a span in which so many causes come, at any moment of it."""
        ...

    def hand_over(self, heir: Lag | None) -> int:
        """Give all that are under way to another of the same kind, or lose them; how many there were."""
        ...


class NoLag:
    """Everything arrives at once."""

    def advance(self, count: int, begin: float, end: float) -> int:
        return count

    def hand_over(self, heir: Lag | None) -> int:
        return 0


class ExponentialLag:
    """Who is under way has no memory of since when, so a number is all that there is to know."""

    def __init__(self, random: np.random.Generator, mean: float) -> None:
        self._random = random
        self._mean = mean
        self._under_way = 0

    def advance(self, count: int, begin: float, end: float) -> int:
        share = (end - begin) / self._mean
        old = -math.expm1(-share)
        # of causes spread evenly over the span the mean of the same law over all ages up to its length
        new = 1 - old / share if share > 1e-9 else 0.0
        arrived = int(self._random.binomial(self._under_way, old)) if self._under_way else 0
        early = int(self._random.binomial(count, max(new, 0.0))) if count else 0
        self._under_way += count - early - arrived
        return arrived + early

    def hand_over(self, heir: Lag | None) -> int:
        left, self._under_way = self._under_way, 0
        if isinstance(heir, ExponentialLag):
            heir._under_way += left
        return left


class FixedLag:
    """Everybody takes the same time, so they arrive in the order in which they left."""

    def __init__(self, random: np.random.Generator, seconds: float) -> None:
        self._random = random
        self._seconds = seconds
        self._spans: deque[tuple[float, float, int]] = deque()

    def advance(self, count: int, begin: float, end: float) -> int:
        if count:
            self._spans.append((begin, end, count))
        latest, arrived = end - self._seconds, 0
        rest: list[tuple[float, float, int]] = []
        while self._spans and self._spans[0][0] < latest:
            first, last, waiting = self._spans.popleft()
            part = waiting
            if last > latest:
                part = int(self._random.binomial(waiting, (latest - first) / (last - first)))
                rest.append((latest, last, waiting - part))
            arrived += part
        self._spans.extendleft(rest)
        return arrived

    def hand_over(self, heir: Lag | None) -> int:
        left = sum(count for _, _, count in self._spans)
        if isinstance(heir, FixedLag):
            heir._spans = deque(sorted([*heir._spans, *self._spans]))
        self._spans.clear()
        return left


def lag(sessions: Sessions, random: np.random.Generator) -> Lag:
    """The lag of a scenario's conversions."""
    if sessions.lag == 0:
        return NoLag()
    return (ExponentialLag if sessions.law == "exponential" else FixedLag)(random, sessions.lag)
