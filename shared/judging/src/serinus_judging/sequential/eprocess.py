"""Evidence over many snapshots: a mixture over alternatives and over the time at which a regression began.

Abort wealth belongs to the whole run, proceed wealth to one stage (docs/explanation/judging.md, "Abort", "Proceed").
Both are bounded by Ville's inequality: under the null the chance that M ever reaches 1/p is at most p, however often
one looks. Everything is kept in logarithms, rows (alternatives) first, columns (tests) last."""

import numpy as np

from serinus_judging.arrays import Floats, Ints

ABORT_PSI = np.array([1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])
ABORT_PRIOR = np.log([0.10, 0.14, 0.16, 0.18, 0.16, 0.15, 0.08, 0.03])
PROCEED_ROWS = 3
"""Alternatives of proceeding, see `proceed_psi`."""
CLOSE = 0.95
"""q is at most this: an alternative at the edge itself could never gain."""

NEVER = -1e30
"""ln 0, as a number that can be calculated with: no evidence ever weighs against it."""

LATE = 0.4
"""Prior weight of a regression that begins inside a stage, the same for each; the rest is on the starts of stages."""
FIRST_STAGE = 0.65
"""Of the rest, that on the start of the first."""
SCALE = 12.0
"""Snapshots of a stage after which half of its weight inside is spent."""


def stage_shares(stages: int) -> Floats:
    """Prior weight of an onset at the start of each stage and inside it: (2, stages), sums to 1."""
    stages = max(stages, 1)
    starts = np.full(stages, (1 - FIRST_STAGE) / max(stages - 1, 1))
    starts[0] = FIRST_STAGE if stages > 1 else 1.0
    return np.stack((starts * (1 - LATE), np.full(stages, LATE / stages)))


def onset_weight(shares: Floats, number: Ints, unspent: Floats) -> Floats:
    """Weight (...) of an onset at the counted snapshot `number` (from 1) of a stage, whose part is shares (2, ...).

    0 for number 0: a stage entered again. Never more than is left of the prior, `unspent` (...), whatever spent it.
    """
    weight: Floats = shares[0] * (number == 1)
    weight += (shares[1] * SCALE) * (number > 0) / ((number + (SCALE - 1)) * (number + SCALE))
    return np.minimum(weight, unspent, out=weight)


def updated(rows: Floats, log_weight: Floats, value: Floats) -> Floats:
    """R <- (R + w) e in logs: rows and value (J, ...), log_weight (...), NEVER where nothing is added."""
    gap = np.abs(rows - log_weight)
    result: Floats = np.maximum(rows, log_weight) + np.log(np.exp(-gap) + 1)
    result += value
    return result


def log(values: Floats) -> Floats:
    """ln of values >= 0, with NEVER for ln 0."""
    result: Floats = np.where(values > 0, np.log(np.maximum(values, 1e-300)), NEVER)
    return result


def log_total(rows: Floats, log_prior: Floats, log_unspent: Floats) -> Floats:
    """ln M = ln(sum_j prior_j R_j + unspent prior) over the first axis, safe for any size.

    rows (J, ...), log_prior broadcasts with them, log_unspent (...): the prior weight that is not yet spent.
    """
    weighted = rows + log_prior
    top = np.maximum(weighted.max(axis=0), log_unspent)
    result: Floats = np.log(np.exp(weighted - top).sum(axis=0) + np.exp(log_unspent - top)) + top
    return result


def proceed_psi(b: Floats, edge: Floats, share: Floats, sign: Floats) -> Floats:
    """Alternatives (3, ...) against "worse than the margin": q^.6, q^.9 and .7 q, q being that of b to the edge.

    b: where a canary equal to stable is, edge: the margin, both (...,); q is the ratio of their odds for shares
    (`share` 1), of the rates otherwise (`share` 0); sign: 1, or -1 where higher is better and psi is turned over.
    """
    rest_b, rest_edge = np.maximum(1 - b * share, 1e-12), np.maximum(1 - edge * share, 1e-12)
    log_q = np.minimum(np.log(b * rest_edge / (edge * rest_b)) * sign, _LOG_CLOSE)
    rows = np.multiply.outer(_POWERS, log_q)
    rows[2] += _SHIFT
    result: Floats = np.exp(rows * sign)
    return result


_LOG_CLOSE = float(np.log(CLOSE))
_POWERS = np.array([0.6, 0.9, 1.0])
_SHIFT = float(np.log(0.7))
