"""Noise that the run itself shows, always of the snapshots before (docs/explanation/judging.md, "Noise").

Stable's pods are of one version: how much more they differ than independent requests would, over single snapshots and
over the run so far, is noise that the canary has too. What is known before the run, or assumed,
counts as so many degrees of freedom. Where a source knows no pods, stable's adjacent snapshots are compared instead:
that sees what comes in clusters, not how pods differ, so it can only add to what is assumed.

Rows first, then any runs, then units of pods, then metrics or channels.
"""

from collections.abc import Iterable

import numpy as np

from serinus_judging.arrays import Bools, Floats
from serinus_judging.guardrails.memory import identity
from serinus_judging.noise import ASSUMED_PHI
from serinus_judging.sequential.channels import Channels
from serinus_judging.sequential.overdispersion import is_shock

UNITS = 12
"""Pods of stable that are followed; of more, each belongs to one of these (docs/adr/0085)."""
ASSUMED_FREE, MEASURED_FREE = 4.0, 20.0
"""Degrees of freedom that the noise assumed without history is worth, and that measured on one."""
ASSUMED_WHOLE = 1.0
"""Without history, what the noise of single snapshots is worth against that of the run as a whole, which has few."""
ENOUGH = 2.0
"""Variance of a difference between two snapshots from which on its square tells something."""
CAP = 9.0
"""Times what is known so far that one snapshot or pair of them may tell: what one pod suffers for a few minutes, or
both arms share, is no noise of the rest of the run."""
EARLY = 10.0
"""Pairs after which this limit is about in force: the first may tell more, since little is known yet."""
CALM, REST = 3.0, 3.0
"""Times what is known that the other pods may tell where one is taken for the only one that has trouble, and the
degrees of freedom that they must have."""


def dealt(known: tuple[int, ...], names: Iterable[str]) -> tuple[tuple[int, ...], dict[str, int]]:
    """The followed pods with these, and the unit of each name: one of its own while there are any left."""
    own = {pod: unit for unit, pod in enumerate(known)}
    units = {}
    for name in names:
        pod = identity(name)
        if pod not in own and len(own) < UNITS:
            own[pod] = len(own)
        units[name] = own.get(pod, pod % UNITS)
    return tuple(own), units


def with_pods(
    channels: Channels, pods: Floats, dispersion: Floats, counts: Floats, b: Floats, phi: Floats, measured: Bools
) -> tuple[Floats, Floats]:
    """`State.pods` and `State.dispersion` after a snapshot; counts (2, ..., U, M): events and trials of stable's
    units; b (..., C): stable's rates as predicted; phi (..., C): as known before the run, measured or not.

    A shock teaches nothing: kappa tells what it does to the noise. Nor does a pod that fails for minutes while the
    others are as they were: it is as if it was not there. Where others are noisier too, noise has changed.
    """
    z, trials = counts.sum(axis=-2)
    shock = is_shock(z, trials * b[..., channels.first_by_pod])
    if shock.any():
        counts = np.where(shock[..., None, :], 0.0, counts)
    now = _off(channels, counts)
    told = _squares(now)
    worth = np.where(measured, MEASURED_FREE, ASSUMED_FREE)[..., channels.first_by_pod]
    known = (worth * phi[..., channels.first_by_pod] + dispersion[0]) / (worth + dispersion[1])
    far = told[0] > CAP * known * np.maximum(told[1], 1.0)
    if far.any():
        share = np.divide(now[0] * now[0], now[1], out=np.zeros(now[0].shape), where=now[1] > 0)
        worst = share == share.max(axis=-2, keepdims=True)
        others = _off(channels, np.where(worst, 0.0, counts))
        rest = _squares(others)
        alone = far & (rest[1] >= REST) & (rest[0] <= CALM * known * rest[1])
        told = np.where(alone, rest, told)
        now = np.where(alone[..., None, :], others, now)
    after = _single(pods + now)
    return after, _single(np.concatenate((dispersion[:2] + told, _squares(after))))


def _off(channels: Channels, counts: Floats) -> Floats:
    """How far each unit is from what is due to it of the events of all, and the variance of that: (2, ..., U, M)."""
    z, trials = counts.sum(axis=-2)
    rate = z / np.maximum(trials, 1.0)
    off = np.empty(counts.shape)
    np.multiply(rate[..., None, :], counts[1], out=off[1])
    np.subtract(counts[0], off[1], out=off[0])
    off[1] *= (1 - channels.bounded * np.minimum(rate, 1.0))[..., None, :]
    return off


def _single(values: Floats) -> Floats:
    """As they are packed."""
    return values.astype(np.float32).astype(np.float64)


def _squares(pods: Floats) -> Floats:
    """Sum of squares over variances of the units (2, ..., U, M), and its expectation between independent requests: both
    discounted where there are fewer events than units, of which hardly any fall on the same. Gives (2, ..., M)."""
    off, variance = pods
    known = variance > 0
    found = np.empty((2, *off.shape[:-2], off.shape[-1]))
    np.subtract(known.sum(axis=-2), 1.0, out=found[1])
    np.maximum(found[1], 0.0, out=found[1])
    np.divide(off * off, variance, out=(squares := np.zeros(off.shape)), where=known)
    squares.sum(axis=-2, out=found[0])
    events = variance.sum(axis=-2)
    events -= 1
    events /= np.maximum(found[1], 1.0)
    found *= np.minimum(np.maximum(events, 0.0), 1.0)
    return found


def with_adjacent(channels: Channels, adjacent: Floats, counts: Floats, valid: Bools) -> Floats:
    """`State.adjacent` after a snapshot; counts (4, ..., C)."""
    sums, number = adjacent[2], adjacent[3]
    both = adjacent[:2] + counts[2:]
    trials = np.maximum(both[1], 1.0)
    theta = counts[3] / trials
    due = both[0] * theta
    variance = due * (1 - theta) * (1 - channels.share * np.minimum(both[0] / trials, 1.0))
    enough = valid & (variance >= ENOUGH)
    off = counts[2] - due
    more = number + 1
    cap = (ASSUMED_FREE * ASSUMED_PHI + sums) / (ASSUMED_FREE - 1 + more) * (CAP + CAP * EARLY / more)
    after = np.empty(adjacent.shape)
    after[:2] = np.where(enough, counts[2:], both)
    after[2] = sums + np.minimum(off * off / np.maximum(variance, ENOUGH), cap) * enough
    after[3] = number + enough
    return _single(after if valid.all() else np.where(valid, after, adjacent))


def effective(
    channels: Channels,
    dispersion: Floats,
    adjacent: Floats,
    phi: Floats,
    kappa: Floats,
    measured: Bools,
    variance: Floats,
    spread: Floats,
) -> tuple[Floats, Floats]:
    """phi and kappa (..., C) for the next snapshot, of what was known before the run and what it has shown since.

    spread: theta (1 - theta), and variance: that of the canary's part of the events predicted of the next snapshot.
    """
    worth = np.where(measured, MEASURED_FREE, ASSUMED_FREE)
    number = adjacent[3] + worth
    alone = (worth * phi + adjacent[2]) / number * (1 + np.sqrt(2 / number))
    if not channels.proportions or not dispersion[1].any():
        return np.where(measured, phi, np.maximum(alone, phi)), kappa
    sums = np.zeros((4, *phi.shape))
    sums[..., channels.by_pod] = dispersion[..., channels.proportion_of]
    single, free, run, free_run = sums
    worth_run = np.where(measured, worth, ASSUMED_WHOLE)
    total, total_run = worth + free, worth_run + free_run
    est = (worth * phi + single) / total
    shown = np.maximum(est, (worth_run * est + run) / total_run)
    excess = np.maximum(np.maximum((single - free) / total, (run - free_run) / total_run), 0.0)
    # a canary whose share is smaller than a pod's has fewer events than they
    one = free_run / ((free_run + 1) * (free_run + 1))
    growth = excess / np.maximum(variance * np.maximum(one / spread, 1.0), 1e-9)
    # two pods do not tell how pods differ, however long one looks: what is assumed of that gives way to many only
    # nor does a snapshot of few pods what those without showed
    floor = np.where(measured, phi, np.where(free >= ASSUMED_FREE, 1.0, np.maximum(alone, phi)))
    return (
        np.where(free > 0, np.maximum(shown, floor), floor),
        np.where(
            measured, np.maximum(kappa, growth), kappa * worth / (worth + np.minimum(free, 2 * free_run)) + growth
        ),
    )


def of_places(channels: Channels, adjacent: Floats, phi: Floats) -> Floats:
    """phi (..., C), of strata at least what their own neighbouring snapshots show: clusters of errors in one route are
    lost among all others."""
    own = (ASSUMED_FREE * phi + adjacent[2]) / (ASSUMED_FREE + adjacent[3])
    result: Floats = np.where(channels.places, np.maximum(phi, own), phi)
    return result
