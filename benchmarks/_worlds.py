"""Worlds in which judges are tried; `_drawing.py` draws what both arms count in them.

A world has a service with a base rate, a canary that is so many times worse from some evaluation on, a schedule of
weights, and noise as real traffic has it.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RAMP = (0.01, 0.05, 0.10, 0.25, 0.50)
EVALUATIONS = 160
PER_EVALUATION = 30_000
PODS = 20
COLD = 4
"""Evaluations for which a new pod is cold, where pods are."""
SECONDS = 30.0


@dataclass(frozen=True)
class Noise:
    """How far from independent requests the counts are. 0 means: not at all.

    gamma: variance of each pod's rate from one evaluation to the next, relative to its square; shocks: chance that the
    rate of both arms is 30 or 50 times higher in one; drift: standard deviation of the logarithm of each pod's rate,
    which wanders (AR(1), `memory` from one to the next; with a memory of 1 pods differ for good); retries: mean number
    of errors that follow from each error, so that errors come in clusters of so many and one.
    """

    gamma: float = 0.0
    shocks: float = 0.0
    drift: float = 0.0
    retries: float = 0.0
    memory: float = 0.9


QUIET = Noise()


@dataclass(frozen=True)
class World:
    """One scenario. `factor`: the canary's rate relative to stable's, 1 for a healthy one, from evaluation `onset` on.

    lost: chance that a snapshot never reaches the judge; resets: chance per snapshot that a restart of the canary hides
    part of its counts; lag: evaluations by which events follow their trials; higher: events are good; durations: base
    is the median (s) of log-normal durations instead of a rate; tail: share of the canary's requests four times slower.
    pods: of stable, which the canary has more the larger its share; bad_blocks: blocks of the day before in which 30 %
    of one pod's requests failed; cold: how many times as many errors a pod has in its first COLD evaluations; warmup:
    evaluations for which the counts of a new pod are left out; load: the power of its load that a pod's errors follow,
    where all of stable's pods are kept and a canary pod has 1 / (1 - weight) times the load of one of stable's.
    """

    name: str
    base: float
    factor: float = 1.0
    onset: int = 0
    weights: tuple[float, ...] = RAMP
    noise: Noise = QUIET
    lost: float = 0.0
    resets: float = 0.0
    lag: int = 0
    higher: bool = False
    ratio: float = 1.0
    absolute: float = 0.0
    per_evaluation: int = PER_EVALUATION
    evaluations: int = EVALUATIONS
    durations: bool = False
    tail: float = 0.0
    pods: int = PODS
    bad_blocks: int = 0
    cold: float = 1.0
    warmup: int = 0
    load: float = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the canary is no worse than stable."""
        return self.factor == 1 and not self.tail

    @property
    def stages(self) -> npt.NDArray[np.int64]:
        """The stage of each evaluation (T,)."""
        return np.arange(self.evaluations) * len(self.weights) // self.evaluations

    @property
    def ages(self) -> npt.NDArray[np.int64]:
        """How many evaluations of its stage came before each (T,)."""
        return np.arange(self.evaluations) - np.searchsorted(self.stages, self.stages)

    def canary_pods(self, weight: float) -> int:
        """How many pods the canary has."""
        return max(int(np.ceil(self.pods * weight)), 1)

    @property
    def trials(self) -> tuple[Floats, Floats]:
        """Requests of canary and stable at each evaluation (T,)."""
        canary = np.floor(self.per_evaluation * np.array(self.weights)[self.stages])
        return canary, self.per_evaluation - canary

    def null(self) -> "World":
        """The same world with a healthy canary."""
        return replace(self, factor=1.0, onset=0, tail=0.0)


@dataclass(frozen=True)
class Drawn:
    """What was counted: x, n, y, m (runs, T); valid (runs, T): snapshots that reached the judge with usable counts.

    stable (runs, T, pods): y by pod, each of which has the same trials; None where pods are not drawn. For durations
    x and y count what is slower than stable's 95 % edge; `buckets` (runs, T, edges + 1) and `p95` (s) are of canary and
    stable.
    """

    world: World
    x: Floats
    n: Floats
    y: Floats
    m: Floats
    valid: Bools
    p95: tuple[Floats, Floats] | None = None
    buckets: "tuple[Floats, Floats] | None" = None
    stable: Floats | None = None
