"""Worlds in which judges are tried: what both arms counted at every look, drawn for many runs at once.

A world has a service with a base rate, a canary that is so many times worse from some look on, a schedule of weights,
and noise as real traffic has it. Everything is drawn from one seed. Noise that matters differs between pods, so
counts are drawn per pod; what both arms share (a shock) does not tell them apart, yet breaks tests that count on
independent requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import erf, log, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Random = np.random.Generator

RAMP = (0.01, 0.05, 0.10, 0.25, 0.50)
LOOKS = 160
PER_LOOK = 30_000
PODS = 20
COLD = 4
"""Looks for which a new pod is cold, where pods are."""
SECONDS = 30.0
CHUNK = 1000
"""Runs drawn at once: bounds the memory."""


@dataclass(frozen=True)
class Noise:
    """How far from independent requests the counts are. 0 means: not at all.

    gamma: variance of each pod's rate from look to look, relative to its square; shocks: chance that a look's rate in
    both arms is 30 or 50 times higher; drift: standard deviation of the logarithm of each pod's rate, which wanders
    (AR(1), `memory` from look to look; with a memory of 1 pods differ for good); retries: mean number of errors that
    follow from each error, so that errors come in clusters of so many and one.
    """

    gamma: float = 0.0
    shocks: float = 0.0
    drift: float = 0.0
    retries: float = 0.0
    memory: float = 0.9


QUIET = Noise()


@dataclass(frozen=True)
class World:
    """One scenario. `factor`: the canary's rate relative to stable's, from look `onset` on; 1 is a healthy canary.

    lost: chance that a look never reaches the judge; resets: chance per look that a restart of the canary hides part
    of its counts; lag: looks by which events follow their trials; higher: events are good; durations: base is the
    median (s) of log-normal durations instead of a rate; tail: share of the canary's requests four times slower.
    pods: of stable, which the canary has more the larger its share; bad_blocks: blocks of the day before in which 30 %
    of one pod's requests failed; cold: how many times as many errors a pod has in its first COLD looks; warmup: looks
    for which the counts of a new pod are left out; load: the power of its load that a pod's errors follow, where all of
    stable's pods are kept and a canary pod has 1 / (1 - weight) times the load of one of stable's.
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
    per_look: int = PER_LOOK
    looks: int = LOOKS
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
        """The stage of each look (T,)."""
        return np.arange(self.looks) * len(self.weights) // self.looks

    @property
    def ages(self) -> npt.NDArray[np.int64]:
        """How many looks of its stage came before each (T,)."""
        return np.arange(self.looks) - np.searchsorted(self.stages, self.stages)

    def canary_pods(self, weight: float) -> int:
        """How many pods the canary has."""
        return max(int(np.ceil(self.pods * weight)), 1)

    @property
    def trials(self) -> tuple[Floats, Floats]:
        """Requests of canary and stable at each look (T,)."""
        canary = np.floor(self.per_look * np.array(self.weights)[self.stages])
        return canary, self.per_look - canary

    def null(self) -> "World":
        """The same world with a healthy canary."""
        return replace(self, factor=1.0, onset=0, tail=0.0)


@dataclass(frozen=True)
class Drawn:
    """What was counted: x, n, y, m (runs, T); valid (runs, T): looks that reached the judge with usable counts.

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


def draw(world: World, runs: int, random: Random) -> Drawn:
    """So many runs of a world."""
    if world.durations:
        return _draw_durations(world, runs, random)
    shape = (runs, world.looks)
    n, m = world.trials
    shock = _shocks(world.noise, shape, random)
    x, y, stable = np.empty(shape), np.empty(shape), np.empty((*shape, world.pods))
    lasting = world.noise.memory != 0.9
    levels = [_levels(world.noise, (*shape, world.pods), random) for _ in range(2)] if lasting else None
    for stage, weight in enumerate(world.weights):
        own = world.stages == stage
        pods = world.canary_pods(weight)
        here = np.arange(world.looks)[own]
        factor = np.where(here >= world.onset, world.factor, 1.0) / (1 - weight) ** world.load
        trials = n[own]
        if world.cold != 1:
            warm = (world.canary_pods(world.weights[stage - 1]) if stage else 0) / pods
            young = here - here[0]
            factor = factor * np.where(young < COLD, warm + (1 - warm) * world.cold, 1.0)
            if warm:  # of those that are warm already the counts are taken
                factor = np.where(young < world.warmup, 1.0, factor)
                trials = np.where(young < world.warmup, np.floor(trials * warm), trials)
            n[own] = trials
        drawn = [None, None] if levels is None else [levels[0][:, own, :pods], levels[1][:, own]]
        rates = world.base * factor, np.full(own.sum(), world.base)
        x[:, own] = _events(world, trials, rates[0], pods, shock[:, own], random, level=drawn[0]).sum(axis=-1)
        each = _events(world, m[own], rates[1], world.pods, shock[:, own], random, level=drawn[1])
        y[:, own] = each.sum(axis=-1)
        if each.shape[-1] != world.pods:
            each = _dealt(each[..., 0], world)
        stable[:, own] = each
    n, m = (np.broadcast_to(v, shape).copy() for v in (n, m))
    if world.lag:
        factor = np.where(np.arange(world.looks) >= world.onset, world.factor, 1.0)
        n, x = _delayed(n, world, world.base * factor, random)
        m, y = _delayed(m, world, np.full(world.looks, world.base), random)
    if world.resets:
        hidden = np.where(random.random(shape) < world.resets, random.random(shape), 0.0)
        seen = np.floor(n * (1 - hidden))
        x, n = random.binomial(x.astype(int), seen / n).astype(float), seen
    valid = (random.random(shape) >= world.lost) & (n > 0)
    valid &= bool(world.lag) | ((x <= n) & (y <= m))
    if world.lag:  # settling lasts until the events belong to this stage's trials
        valid &= world.ages >= world.lag
    if world.cold != 1:  # at first there is no pod that is warm
        valid &= (world.stages > 0) | (world.ages >= world.warmup)
    return Drawn(world, x, n, y, m, valid, stable=None if world.lag else stable)


def _dealt(events: Floats, world: World) -> Floats:
    """Events (runs, T) dealt out to stable's pods, by a stream of its own: the others stay as they are without it."""
    random = np.random.default_rng([len(world.name), int(events.sum())])
    return random.multinomial(events.astype(int), np.full(world.pods, 1 / world.pods)).astype(float)


EDGES = tuple(round(0.02 * 1.1**i, 5) for i in range(50))
SIGMA = 0.6


def _draw_durations(world: World, runs: int, random: Random) -> Drawn:
    shape = (runs, world.looks)
    n, m = (np.broadcast_to(v, shape) for v in world.trials)
    stable = shares(world.base)
    slower = (1 - world.tail) * shares(world.base * world.factor) + world.tail * shares(4 * world.base)
    begun = (np.arange(world.looks) >= world.onset)[:, None]
    canary = random.multinomial(n.astype(int), np.where(begun, slower, stable)).astype(float)
    others = random.multinomial(m.astype(int), stable).astype(float)
    at = int(np.argmin(np.abs(1 - np.cumsum(stable)[:-1] - 0.05)))
    x, y = (v[..., at + 1 :].sum(axis=-1) for v in (canary, others))
    p95 = quantile(canary, 0.95), quantile(others, 0.95)
    return Drawn(world, x, n, y, m, np.ones(shape, dtype=bool), p95, (canary, others))


def shares(median: float) -> Floats:
    """Of log-normal durations in the buckets of EDGES."""
    below = np.array([0.5 * (1 + erf(log(edge / median) / (SIGMA * sqrt(2)))) for edge in EDGES])
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def quantile(buckets: Floats, q: float) -> Floats:
    """As Prometheus' histogram_quantile: linear inside the bucket."""
    below = np.cumsum(buckets, axis=-1)
    wanted = q * below[..., -1:]
    at = np.minimum((below < wanted).sum(axis=-1), len(EDGES) - 1)
    edges = np.array((0.0, *EDGES))
    before = np.where(at > 0, np.take_along_axis(below, np.maximum(at - 1, 0)[..., None], axis=-1)[..., 0], 0.0)
    inside = np.take_along_axis(buckets, at[..., None], axis=-1)[..., 0]
    share = np.clip((wanted[..., 0] - before) / np.maximum(inside, 1), 0, 1)
    result: Floats = edges[at] + share * (edges[at + 1] - edges[at])
    return result


def chunks(world: World, runs: int, seed: int) -> Iterator[Drawn]:
    """The same in pieces that fit into memory."""
    random = np.random.default_rng([seed, *world.name.encode()])
    for start in range(0, runs, CHUNK):
        yield draw(world, min(CHUNK, runs - start), random)


def history(world: World, random: Random, blocks: int = 288, per_block: int = 10) -> tuple[Floats, Floats]:
    """A day of stable's counts before the run, events and trials (blocks, pods)."""
    looks = blocks * per_block
    pods = _events(
        world,
        np.full(looks, float(world.per_look)),
        np.full(looks, world.base),
        world.pods,
        _shocks(world.noise, (1, looks), random),
        random,
        per_pod=True,
    )[0]
    events = pods.reshape(blocks, per_block, world.pods).sum(axis=1)
    trials = np.full(events.shape, world.per_look * per_block / world.pods)
    bad = slice(100, 100 + world.bad_blocks)
    events[bad, 0] = random.binomial(trials[bad, 0].astype(int), 0.3)
    return events, trials


def _shocks(noise: Noise, shape: tuple[int, int], random: Random) -> Floats:
    if not noise.shocks:
        return np.ones(shape)
    return np.where(random.random(shape) < noise.shocks, random.choice([30.0, 50.0], shape), 1.0)


def _events(
    world: World,
    trials: Floats,
    rate: Floats,
    pods: int,
    shock: Floats,
    random: Random,
    per_pod: bool = False,
    level: Floats | None = None,
) -> Floats:
    """Events (runs, T, pods), of quiet worlds (runs, T, 1) unless per_pod; trials and rate (T,), shock (runs, T);
    level (runs, T, pods): of the pods' rates, drawn here unless given."""
    noise = world.noise
    if noise == QUIET and not per_pod:
        return random.binomial(trials.astype(int), np.minimum(rate, 1), shock.shape).astype(float)[..., None]
    shape = (*shock.shape, pods)
    level = _levels(noise, shape, random) if level is None else level
    level = np.minimum(rate[:, None] * shock[..., None] * level, 0.9)
    each = np.broadcast_to(trials[:, None] / pods, shape)
    if noise.retries:
        first = random.poisson(each * level / (1 + noise.retries))
        follow = random.negative_binomial(np.maximum(first, 1), 1 / (1 + noise.retries)) * (first > 0)
        events: Floats = np.minimum(first + follow, each).astype(float)
        return events
    return random.binomial(np.maximum(each, 1).astype(int), level).astype(float)


def _levels(noise: Noise, shape: tuple[int, ...], random: Random) -> Floats:
    level = np.ones(shape)
    if noise.gamma:
        level = random.gamma(1 / noise.gamma, noise.gamma, shape)
    if noise.drift:
        wander = random.normal(size=shape)
        for t in range(1, shape[1]):
            wander[:, t] = noise.memory * wander[:, t - 1] + np.sqrt(1 - noise.memory**2) * wander[:, t]
        level = level * np.exp(noise.drift * wander - noise.drift**2 / 2)
    return level


def _delayed(mean: Floats, world: World, rate: Floats, random: Random) -> tuple[Floats, Floats]:
    """Trials that come as they like, and events that follow their trials by the lag, give or take a look."""
    trials = random.poisson(mean).astype(float)
    events = random.binomial(trials.astype(int), rate)
    early = random.binomial(events, 0.5)
    shifted, lag = np.zeros_like(trials), world.lag - 1
    shifted[:, lag:] += early[:, : trials.shape[1] - lag]
    shifted[:, lag + 1 :] += (events - early)[:, : trials.shape[1] - lag - 1]
    return trials, shifted
