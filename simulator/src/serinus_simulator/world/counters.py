"""What one pod counts. Counts are drawn when somebody looks, for all the time since the last look at once.

A pod serves a Poisson number of requests: splitting a Poisson stream at random gives independent Poisson streams, so
pods draw alone, each from its own generator, and together are still exactly the traffic that was split.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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
    convert; `cpu_factor`, `memory_factor` and `leak` (bytes per second) are the container's. `route_rates`: of each
    route the share that fails, None where it is `error_rate`.
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
    route_rates: tuple[float | None, ...] = ()


@dataclass
class Tally:
    """Counts that only grow: requests by outcome, by latency bucket, and the sum of their seconds.

    `retries` are those of the requests that repeat a failed one; `by_route`: for each route those that went well, then
    its errors by code.
    """

    ok: int
    errors: NDArray[np.int64]
    buckets: NDArray[np.int64]
    seconds: float
    retries: int = 0
    sessions: int = 0
    conversions: int = 0
    by_route: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    @property
    def error_count(self) -> int:
        """Of all codes."""
        return int(self.errors.sum())

    @property
    def requests(self) -> int:
        """Good and failed."""
        return self.ok + self.error_count


def empty(codes: int, edges: int, routes: int = 0) -> Tally:
    """Of so many error codes, latency edges and routes; there is one more bucket than edges."""
    by_route = np.zeros((routes, codes + 1), np.int64)
    return Tally(0, np.zeros(codes, np.int64), np.zeros(edges + 1, np.int64), 0.0, by_route=by_route)


class Counters:
    """The counters of one pod: `exposed` since its container's start, `total` since the pod was born."""

    def __init__(
        self,
        random: np.random.Generator,
        code_weights: tuple[float, ...],
        edges: int,
        retries: Retries | None = None,
        sessions: Sessions | None = None,
        routes: tuple[float, ...] = (),
    ) -> None:
        # what a scenario adds draws elsewhere, so that the requests of a seed stay what they are without it
        self._random, self._added = random, random.spawn(1)[0]
        self._weights = np.asarray(code_weights) / sum(code_weights)
        self._routes = np.asarray(routes) / (sum(routes) or 1)
        self._edges = edges
        self._retries = retries
        self._sessions = sessions
        self.lag: Lag | None = None if sessions is None else lag(sessions, self._added)
        self.exposed = empty(len(code_weights), edges, len(routes))
        self.total = empty(len(code_weights), edges, len(routes))

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
        self.exposed = empty(len(self._weights), self._edges, len(self._routes))

    def _requests(self, first: int, load: Load) -> int:
        if load.route_rates:
            by_route = self._by_route(first, load)
            errors = by_route[:, 1:].sum(axis=0)
            retried, count, failed = 0, first, int(errors.sum())
        else:
            failed = int(self._random.binomial(first, load.error_rate))
            retried, failed_again = self._tried_again(failed)
            count, failed = first + retried, failed + failed_again
            errors, by_route = self._random.multinomial(failed, self._weights), self.total.by_route[:0]
        buckets = self._random.multinomial(count, load.shares)
        duration = float(buckets @ load.means)
        for tally in (self.exposed, self.total):
            tally.ok += count - failed
            tally.errors += errors
            tally.buckets += buckets
            tally.seconds += duration
            tally.retries += retried
            if len(by_route):
                tally.by_route += by_route
        return count

    def _by_route(self, requests: int, load: Load) -> NDArray[np.int64]:
        """As `Tally.by_route`."""
        served = self._random.multinomial(requests, self._routes)
        rates = [load.error_rate if rate is None else rate for rate in load.route_rates]
        failed = self._random.binomial(served, rates)
        errors = self._random.multinomial(failed, self._weights)
        return np.concatenate(((served - failed)[:, None], errors), axis=1)

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
