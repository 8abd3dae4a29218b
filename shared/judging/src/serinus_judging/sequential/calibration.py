"""How noisy this service's counts are, measured on its own past (docs/explanation/judging.md, "Noise").

Stable's pods are split in two groups, one of them playing canary. Between equal versions the difference has the
variance of independent requests, or more: phi is how much more, kappa how that grows with the information in a
snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from serinus_judging.arrays import Floats

ENOUGH_BLOCKS = 60
"""Fewer blocks than this say too little: the noise is then assumed."""
ORDINARY = 3.0
"""phi is of blocks with at most this many times the median number of events. What a shock does to the noise is told
by kappa; left in, a few shocks would set phi for all the snapshots without one (found twice to three times later)."""


@dataclass(frozen=True)
class Measured:
    """phi per stage (K,) and kappa, with one standard error added, from so many blocks."""

    phi: Floats
    kappa: float
    blocks: int


def order_of(pods: Sequence[str]) -> list[int]:
    """The pods in an order that has nothing to do with how they behave, the same every time."""
    return sorted(range(len(pods)), key=lambda i: (crc32(pods[i].encode()), pods[i]))


def placebo(trials: Floats, share: float) -> Floats:
    """Which pods play canary in each block: the fewest in order whose share of the trials is at least `share`.

    trials (T, pods), 0 where a pod was not there. Returns a mask (T, pods); a block in which no pod would be left
    over for the other arm is all False.
    """
    total = trials.sum(axis=1, keepdims=True)
    before = np.cumsum(trials, axis=1) - trials
    chosen = (before < share * total) & (trials > 0)
    left = ((trials > 0) & ~chosen).any(axis=1, keepdims=True)
    result: Floats = chosen & left
    return result


def measured(events: Floats, trials: Floats, shares: Sequence[float], snapshots: float = 1.0) -> Measured | None:
    """Noise of a count from stable's past; None where it says too little.

    events, trials (T, pods) per block, pods in `order_of`, 0 where absent; shares: the canary's share of traffic in
    each stage; snapshots: how many snapshots a block is long. A block is worth something where both groups have trials
    and there are events. With Y = x - z theta, V = z theta (1 - theta) of z events: phi = sum Y^2 / sum V over ordinary
    blocks, kappa = sum((Y^2 - V) / V) / sum(Q / V) with Q = V^2 / snapshots, each with one standard error added.
    """
    phis, kappas, blocks = [], [], 0
    for share in shares:
        mask = placebo(trials, min(max(share, 0.0), 1.0))
        x, n = (events * mask).sum(axis=1), (trials * mask).sum(axis=1)
        z, total = events.sum(axis=1), trials.sum(axis=1)
        use = (n > 0) & (n < total) & (z > 0)
        if use.sum() < ENOUGH_BLOCKS:
            return None
        theta = n[use] / total[use]
        y2, v = (x[use] - z[use] * theta) ** 2, z[use] * theta * (1 - theta)
        q = v * v / snapshots
        blocks = int(use.sum())
        ordinary = z[use] <= ORDINARY * np.median(z[use])
        phis.append(_with_error(y2[ordinary], v[ordinary]))
        kappas.append(max(_with_error((y2 - v) / v, q / v), 0.0))
    return Measured(np.maximum(phis, 1.0), max(kappas), blocks)


def _with_error(top: Floats, bottom: Floats) -> float:
    """Ratio of sums plus one standard error (delta method)."""
    ratio = top.sum() / bottom.sum()
    error = np.sqrt(((top - ratio * bottom) ** 2).sum()) / bottom.sum()
    return float(ratio + error)
