"""How noisy this service's counts are, measured on its own past (docs/explanation/judging.md, "Noise").

Between pods of one version the counts differ as those of independent requests do, or more: phi is how much more, kappa
how that grows with the events of a snapshot, lasting how it grows with those of the whole run, since pods that differ
for good do so from snapshot to snapshot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from serinus_judging.arrays import Bools, Floats

ENOUGH_BLOCKS = 60
"""Fewer blocks than this say too little: the noise is then assumed."""
ORDINARY = 3.0
"""phi is of blocks with at most this many times the median number of events. What a shock does to the noise is told
by kappa; left in, a few shocks would set phi for all the snapshots without one (found twice to three times later)."""
OUTLYING, MAX_OUTLYING = 20.0, 0.15
"""Blocks with so many times the median block's noise are left out, at most this share of them, the worst: one pod's
bad half hour says nothing of the day to come (docs/adr/0084)."""
SURE = 2.0
"""Standard errors by which the noise of the whole time must exceed that of blocks to be called lasting."""


@dataclass(frozen=True)
class Measured:
    """phi, and kappa and lasting per stage (K,), with one standard error added, from so many blocks.

    outlying: how many more blocks were left out; pod: index of the one that differed most in them.
    """

    phi: float
    kappa: Floats
    lasting: Floats
    blocks: int
    outlying: int = 0
    pod: int = 0


def order_of(pods: Sequence[str]) -> list[int]:
    """The pods in an order that has nothing to do with how they behave, the same every time."""
    return sorted(range(len(pods)), key=lambda i: (crc32(pods[i].encode()), pods[i]))


def placebo_share(pods: Floats, share: float) -> Floats:
    """Share of the traffic that the smallest group of pods has which has at least `share`; one pod at least is left."""
    group = np.clip(np.ceil(share * pods - 1e-9), 1, pods - 1)
    result: Floats = group / pods
    return result


def measured(
    events: Floats, trials: Floats, shares: Sequence[float], snapshots: float = 1.0, rate: bool = False
) -> Measured | None:
    """Noise of a count from stable's past; None where it says too little.

    events, trials (T, pods) per block, 0 where a pod was absent; shares: the canary's share of traffic in each stage;
    snapshots: how many snapshots a block is long; rate: events may exceed trials. A block is worth something where two
    pods have trials and there are events. With z events of a share p, of which a pod with a share q of the trials is
    due e = z q, D = sum (y - e)^2 / (e (1 - p)) over the pods has their number less one as expectation: the ratio is
    the noise of a canary of some of these pods, averaged over all ways to choose them.
    """
    z, total, pods = events.sum(axis=1), trials.sum(axis=1), (trials > 0).sum(axis=1)
    use = (pods > 1) & (z > 0) & (rate | (z < total))
    if use.sum() < ENOUGH_BLOCKS:
        return None
    events, trials, z, total, pods = events[use], trials[use], z[use], total[use], pods[use]
    spread = z * (1.0 if rate else 1 - z / total)
    off = events - z[:, None] * trials / total[:, None]
    due = spread[:, None] * trials / total[:, None]
    squares = np.divide(off * off, due, out=np.zeros_like(off), where=due > 0)
    ratio = squares.sum(axis=1) / (pods - 1)
    kept = _kept(ratio)
    ordinary = kept & (z <= ORDINARY * np.median(z))
    phi, plain = _with_error(ratio[ordinary] * spread[ordinary], spread[ordinary])
    growth = _lasting(off[kept], due[kept], plain)
    kappa, lasting = [], []
    for share in shares:
        s = placebo_share(pods[kept].astype(np.float64), min(max(share, 0.0), 1.0))
        v = spread[kept] * s * (1 - s)
        kappa.append(max(_with_error(ratio[kept] - 1, v / snapshots)[0], 0.0))
        lasting.append(growth / float(np.median(pods[kept] * s * (1 - s))))
    pod = int(squares[~kept].sum(axis=0).argmax()) if not kept.all() else 0
    return Measured(max(phi, 1.0), np.array(kappa), np.array(lasting), int(kept.sum()), int((~kept).sum()), pod)


def _kept(ratio: Floats) -> Bools:
    """Which blocks are no outliers (T,)."""
    bad = ratio > OUTLYING * max(float(np.median(ratio)), 1.0)
    most = int(MAX_OUTLYING * len(ratio))
    if bad.sum() > most:
        bad[np.argsort(ratio)[: len(ratio) - most]] = False
    return ~bad


def _lasting(off: Floats, due: Floats, plain: float) -> float:
    """Variance of the pods' own rates over the square of their mean, of what lasted all the time: 0 where it cannot be
    told from noise `plain` of blocks. off, due (T, pods): how far from what was due, and the variance of that."""
    far, variance = off.sum(axis=0), due.sum(axis=0)
    there = variance > 0
    far, variance = far[there], variance[there]
    free = len(variance) - 1
    if free < 1 or (far * far / variance).sum() / free <= plain * (1 + SURE * np.sqrt(2 / free)):
        return 0.0
    return max(float((far * far - plain * variance).sum() / (variance * variance).sum()), 0.0)


def _with_error(top: Floats, bottom: Floats) -> tuple[float, float]:
    """Ratio of sums plus one standard error (delta method), and the ratio alone."""
    ratio = top.sum() / bottom.sum()
    error = np.sqrt(((top - ratio * bottom) ** 2).sum()) / bottom.sum()
    return float(ratio + error), float(ratio)
