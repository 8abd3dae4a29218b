"""What one pod counts. Counts are drawn when somebody looks, for all the time since the last look at once.

A pod serves a Poisson number of requests: splitting a Poisson stream at random gives independent Poisson streams, so
pods draw alone, each from its own generator, and together are still exactly the traffic that was split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serinus_simulator.latency import Floats


@dataclass(frozen=True, eq=False)
class Load:
    """What a pod is given between two changes: requests per second, the share that fails, and their latencies."""

    rate: float
    error_rate: float
    shares: Floats
    means: Floats


@dataclass
class Tally:
    """Counts that only grow: requests by outcome, by latency bucket, and the sum of their seconds."""

    ok: int
    errors: NDArray[np.int64]
    buckets: NDArray[np.int64]
    seconds: float

    @property
    def error_count(self) -> int:
        return int(self.errors.sum())

    @property
    def requests(self) -> int:
        return self.ok + self.error_count


def empty(codes: int, edges: int) -> Tally:
    return Tally(0, np.zeros(codes, np.int64), np.zeros(edges + 1, np.int64), 0.0)


class Counters:
    """The counters of one pod: `exposed` since its container's start, `total` since the pod was born."""

    def __init__(self, random: np.random.Generator, code_weights: tuple[float, ...], edges: int) -> None:
        self._random = random
        self._weights = np.asarray(code_weights) / sum(code_weights)
        self._edges = edges
        self.exposed = empty(len(code_weights), edges)
        self.total = empty(len(code_weights), edges)

    def serve(self, load: Load, seconds: float) -> None:
        """Add what the load brings in so many seconds."""
        count = int(self._random.poisson(load.rate * seconds)) if load.rate > 0 and seconds > 0 else 0
        if count == 0:
            return
        failed = int(self._random.binomial(count, load.error_rate))
        errors = self._random.multinomial(failed, self._weights)
        buckets = self._random.multinomial(count, load.shares)
        duration = float(buckets @ load.means)
        for tally in (self.exposed, self.total):
            tally.ok += count - failed
            tally.errors += errors
            tally.buckets += buckets
            tally.seconds += duration

    def restart(self) -> None:
        self.exposed = empty(len(self._weights), self._edges)
