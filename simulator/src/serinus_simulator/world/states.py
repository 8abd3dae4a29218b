"""What is known of a rollout's traffic: its pods, what they served, and the run that is under way."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from serinus_simulator.world.containers import ContainerState
from serinus_simulator.world.counters import Counters, Load, Tally


@dataclass(frozen=True)
class Served:
    """Counts of one revision or arm; `retries` are those of the requests that repeat a failed one."""

    requests: int = 0
    errors: int = 0
    retries: int = 0
    sessions: int = 0
    conversions: int = 0

    def __add__(self, other: Served) -> Served:
        return Served(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Served) -> Served:
        return Served(*(one - another for one, another in zip(astuple(self), astuple(other), strict=True)))


def served(tally: Tally) -> Served:
    """A tally in totals."""
    return Served(tally.requests, tally.error_count, tally.retries, tally.sessions, tally.conversions)


@dataclass
class PodState:
    """A pod that is or was alive, and what it counted."""

    name: str
    namespace: str
    hash: str
    image: str
    address: str
    counters: Counters
    counted_to: float
    born: float
    container: ContainerState | None = None
    ready_since: float | None = None
    was_ready: bool = False
    restarts: int = 0
    gone: bool = False
    load: Load | None = None

    @property
    def answers(self) -> bool:
        """Whether requests and scrapes reach it."""
        return self.ready_since is not None and not self.gone


@dataclass
class Run:
    """One attempt to release one template."""

    number: int
    hash: str
    started: float
    before: dict[str, Served]
    """What each revision had served when it began, by hash."""
    ended: float | None = None
    after: dict[str, Served] | None = None
    """The same when it was promoted or aborted."""

    def arms(self, now: dict[str, Served]) -> dict[str, Served]:
        """What each arm served in the run, to its end or until now: the canary's requests are the exposed ones."""
        arms = {"canary": Served(), "stable": Served()}
        for pod_hash, total in (self.after or now).items():
            arm = "canary" if pod_hash == self.hash else "stable"
            arms[arm] += total - self.before.get(pod_hash, Served())
        return arms
