"""What is told of runs, out of their stacked arrays by a few calls for all: to read numbers one by one is slow."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from math import isnan
from typing import NamedTuple

import numpy as np

from serinus_judging.arrays import Floats
from serinus_judging.sequential import baseline
from serinus_judging.sequential.channels import Channels
from serinus_judging.sequential.inference import Inference
from serinus_judging.sequential.state import SnapshotCounts, State, noise_of


class Numbers(NamedTuple):
    """Of one run. Per channel: counts (x, n, y, m) over the run and in the stage, past (events, trials); per test: ln
    of its e-process, and the bound of the ratio to the margin; noise: makes phi and kappa of the stage per channel."""

    run: list[list[int]]
    stage: list[list[int]]
    past: list[list[float]]
    total: list[float]
    bound: list[float | None]
    noise: Callable[[], tuple[list[float], list[float]]]


def numbers_of(channels: Channels, state: State, snapshot: SnapshotCounts, found: Sequence[Inference]) -> list[Numbers]:
    """Of each run of a stacked state, after the snapshot."""

    @cache
    def noise() -> tuple[list[list[float]], list[list[float]]]:
        """Of all runs by the first that asks: between two verdicts that say all of it none does."""
        b = baseline.predicted(state.past)
        phi, kappa = noise_of(channels, state, snapshot, b, channels.ratio * b + channels.absolute)
        return phi.tolist(), kappa.tolist()

    def noise_at(i: int) -> tuple[list[float], list[float]]:
        phi, kappa = noise()
        return phi[i], kappa[i]

    run, stage, past = _counts(state.run), _counts(state.stage), _by_run(state.past).tolist()
    total = [one.log_total.tolist() for one in found]
    bound = [[None if isnan(v) else v for v in one.bound.tolist()] for one in found]
    rows = zip(run, stage, past, total, bound, strict=True)
    return [Numbers(*own, partial(noise_at, i)) for i, own in enumerate(rows)]


def _counts(of: Floats) -> list[list[list[int]]]:
    found: list[list[list[int]]] = np.rint(_by_run(of)).astype(np.int64).tolist()
    return found


def _by_run(rows: Floats) -> Floats:
    return rows.transpose(1, 2, 0)
