"""What both arms counted at every evaluation, drawn for many runs at once.

Everything is drawn from one seed. Noise that matters differs between pods, so counts are drawn per pod; what both arms
share (a shock) does not tell them apart, yet breaks tests that count on independent requests.
"""

from collections.abc import Iterator

import numpy as np

from benchmarks import _durations
from benchmarks._worlds import COLD, QUIET, Drawn, Floats, Noise, World

Random = np.random.Generator
CHUNK = 1000
"""Runs drawn at once: bounds the memory."""


def draw(world: World, runs: int, random: Random) -> Drawn:
    """So many runs of a world."""
    if world.durations:
        return _durations.draw(world, runs, random)
    shape = (runs, world.evaluations)
    n, m = world.trials
    shock = _shocks(world.noise, shape, random)
    x, y, stable = np.empty(shape), np.empty(shape), np.empty((*shape, world.pods))
    lasting = world.noise.memory != 0.9
    levels = [_levels(world.noise, (*shape, world.pods), random) for _ in range(2)] if lasting else None
    for stage, weight in enumerate(world.weights):
        own = world.stages == stage
        pods = world.canary_pods(weight)
        here = np.arange(world.evaluations)[own]
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
        factor = np.where(np.arange(world.evaluations) >= world.onset, world.factor, 1.0)
        n, x = _delayed(n, world, world.base * factor, random)
        m, y = _delayed(m, world, np.full(world.evaluations, world.base), random)
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


def chunks(world: World, runs: int, seed: int) -> Iterator[Drawn]:
    """The same in pieces that fit into memory."""
    random = np.random.default_rng([seed, *world.name.encode()])
    for start in range(0, runs, CHUNK):
        yield draw(world, min(CHUNK, runs - start), random)


def history(world: World, random: Random, blocks: int = 288, per_block: int = 10) -> tuple[Floats, Floats]:
    """A day of stable's counts before the run, events and trials (blocks, pods)."""
    evaluations = blocks * per_block
    pods = _events(
        world,
        np.full(evaluations, float(world.per_evaluation)),
        np.full(evaluations, world.base),
        world.pods,
        _shocks(world.noise, (1, evaluations), random),
        random,
        per_pod=True,
    )[0]
    events = pods.reshape(blocks, per_block, world.pods).sum(axis=1)
    trials = np.full(events.shape, world.per_evaluation * per_block / world.pods)
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
    """Trials that come as they like, and events that follow their trials by the lag, give or take an evaluation."""
    trials = random.poisson(mean).astype(float)
    events = random.binomial(trials.astype(int), rate)
    early = random.binomial(events, 0.5)
    shifted, lag = np.zeros_like(trials), world.lag - 1
    shifted[:, lag:] += early[:, : trials.shape[1] - lag]
    shifted[:, lag + 1 :] += (events - early)[:, : trials.shape[1] - lag - 1]
    return trials, shifted
