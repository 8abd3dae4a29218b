"""Log-normal durations of requests, counted in buckets as a histogram has them."""

from math import erf, log, sqrt

import numpy as np

from benchmarks._worlds import Drawn, Floats, World

EDGES = tuple(round(0.02 * 1.1**i, 5) for i in range(50))
SIGMA = 0.6


def draw(world: World, runs: int, random: np.random.Generator) -> Drawn:
    """So many runs of a world of durations."""
    shape = (runs, world.evaluations)
    n, m = (np.broadcast_to(v, shape) for v in world.trials)
    stable = shares(world.base)
    slower = (1 - world.tail) * shares(world.base * world.factor) + world.tail * shares(4 * world.base)
    begun = (np.arange(world.evaluations) >= world.onset)[:, None]
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
