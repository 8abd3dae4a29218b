"""What one pod counts. Counts are drawn when somebody looks, for all the time since the last look at once.

A pod serves a Poisson number of requests: splitting a Poisson stream at random gives independent Poisson streams, so
pods draw alone, each from its own generator, and together are still exactly the traffic that was split.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serinus_simulator.world.lag import Lag, lag
from serinus_simulator.world.noise import Floats
from serinus_simulator.world.scenario_noise import Retries
from serinus_simulator.world.scenario_traffic import Sessions, Slow


@dataclass(frozen=True, eq=False)
class Load:
    """What a pod is given between two changes: requests per second, the share that fails, and their latencies.

    `factor` and `slow` are what `shares` and `means` were made with. `conversion` is the share of sessions that
    convert; the last three are the container's: factors on its CPU and memory, and bytes that it leaks per second.
    """

    rate: float
    error_rate: float
    shares: Floats
    means: Floats
    factor: float = 1.0
    slow: Slow | None = None
    conversion: float = 0.0
    cpu_factor: float = 1.0
    memory_factor: float = 1.0
    leak: float = 0.0


@dataclass
class Tally:
    """Counts that only grow: requests by outcome, by latency bucket, and the sum of their seconds.

    `retries` are those of the requests that repeat a failed one.
    """

    ok: int
    errors: NDArray[np.int64]
    buckets: NDArray[np.int64]
    seconds: float
    retries: int = 0
    sessions: int = 0
    conversions: int = 0

    @property
    def error_count(self) -> int:
        """Of all codes."""
        return int(self.errors.sum())

    @property
    def requests(self) -> int:
        """Good and failed."""
        return self.ok + self.error_count


def empty(codes: int, edges: int) -> Tally:
    """Of so many error codes and latency edges; there is one more bucket than edges."""
    return Tally(0, np.zeros(codes, np.int64), np.zeros(edges + 1, np.int64), 0.0)


class Counters:
    """The counters of one pod: `exposed` since its container's start, `total` since the pod was born."""

    def __init__(
        self,
        random: np.random.Generator,
        code_weights: tuple[float, ...],
        edges: int,
        retries: Retries | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        # what a scenario adds draws elsewhere, so that the requests of a seed stay what they are without it
        self._random, self._added = random, random.spawn(1)[0]
        self._weights = np.asarray(code_weights) / sum(code_weights)
        self._edges = edges
        self._retries = retries
        self._sessions = sessions
        self.lag: Lag | None = None if sessions is None else lag(sessions, self._added)
        self.exposed = empty(len(code_weights), edges)
        self.total = empty(len(code_weights), edges)

    def serve(self, load: Load, seconds: float, *, until: float = 0.0) -> int:
        """Add what the load brings in so many seconds, which end at `until`; the number of requests."""
        if seconds <= 0:
            return 0
        first = int(self._random.poisson(load.rate * seconds)) if load.rate > 0 else 0
        count = self._requests(first, load) if first else 0
        if self._sessions is not None and self.lag is not None:
            opened = int(self._added.binomial(first, self._sessions.per_request)) if first else 0
            converting = int(self._added.binomial(opened, load.conversion)) if opened else 0
            converted = self.lag.advance(converting, until - seconds, until)
            for tally in (self.exposed, self.total):
                tally.sessions += opened
                tally.conversions += converted
        return count

    def restart(self) -> None:
        """What is exposed begins at zero; the total goes on."""
        self.exposed = empty(len(self._weights), self._edges)

    def _requests(self, first: int, load: Load) -> int:
        failed = int(self._random.binomial(first, load.error_rate))
        retried, failed_again = self._tried_again(failed)
        count, failed = first + retried, failed + failed_again
        errors = self._random.multinomial(failed, self._weights)
        buckets = self._random.multinomial(count, load.shares)
        duration = float(buckets @ load.means)
        for tally in (self.exposed, self.total):
            tally.ok += count - failed
            tally.errors += errors
            tally.buckets += buckets
            tally.seconds += duration
            tally.retries += retried
        return count

    def _tried_again(self, failed: int) -> tuple[int, int]:
        """How many requests repeat failed ones, and how many of them fail too."""
        retried = failures = 0
        if self._retries is None:
            return retried, failures
        for _ in range(self._retries.limit):
            again = int(self._added.binomial(failed, self._retries.probability))
            failed = int(self._added.binomial(again, self._retries.fails))
            retried, failures = retried + again, failures + failed
        return retried, failures
