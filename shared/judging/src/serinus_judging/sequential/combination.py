"""One false-abort rate for everything that can abort (docs/explanation/judging.md, "Many metrics").

The weighted average of the groups' evidence is again evidence, under any dependence between them, so the promise
holds for the run as a whole. Weights are fixed at the start: a metric without data keeps what it has.
"""

from math import log

import numpy as np

from serinus_judging.arrays import Floats

REGRESSED_SHARE = 0.9
"""Those have regressed that make up this much of the evidence."""


def group_evidence(log_m: Floats, log_share: Floats, starts: np.ndarray) -> Floats:
    """ln of the mean M of each group: log_m (..., A), log_share (A,): ln 1/size, starts (G,): first channel of each."""
    result: Floats = np.logaddexp.reduceat(log_m + log_share, starts, axis=-1)
    return result


def strongest(log_m: Floats, starts: np.ndarray) -> Floats:
    """ln M of the channel of each group that has most: log_m (..., A), starts as for `group_evidence`."""
    result: Floats = np.maximum.reduceat(log_m, starts, axis=-1)
    return result


def combined(groups: Floats, log_weight: Floats) -> Floats:
    """ln sum v_i M_i over the last axis: groups (..., G), log_weight (G,) of weights that sum to 1."""
    result: Floats = np.logaddexp.reduce(groups + log_weight, axis=-1)
    return result


def log_threshold(probability: float) -> float:
    """Evidence that is enough for an error probability: ln 1/p."""
    return -log(probability)


def regressed(groups: Floats, log_weight: Floats, enough: float) -> tuple[int, ...]:
    """Which groups caused an abort, the strongest first: the largest v_i M_i up to 90 % of the sum.

    Of these only such as are over the bar by themselves, since others are not proven worse; at least one group is,
    because an average is no larger than its largest term.
    """
    weighted = groups + log_weight
    order = np.argsort(-weighted, kind="stable")
    parts = np.exp(weighted[order] - weighted.max())
    before = np.cumsum(parts) - parts
    proven = [int(i) for i, sum_before in zip(order, before, strict=True) if sum_before < REGRESSED_SHARE * parts.sum()]
    return tuple(i for i in proven if groups[i] >= enough) or (int(np.argmax(groups)),)
