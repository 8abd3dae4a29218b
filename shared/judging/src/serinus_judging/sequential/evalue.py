"""The law that everything rests on: what one snapshot is worth as evidence (docs/explanation/judging.md).

The null is `p_canary <= ratio * p_stable + absolute`, or >=: the side of the alternative decides. An alternative
(a, b), fixed before the snapshot, is compared with its projection (c0, p0) on the null's edge. The likelihood ratio
against the projection has expectation at most 1 on the whole null, for Bernoulli counts of any size: along the edge
the expectation is greatest at the projection, and inside the null it only falls. This is the reverse information
projection of Grünwald, de Heide and Koolen, "Safe testing" (2024), theorem 1. Both forms are written so that rounding
cannot break it, whatever the size of rates and counts.

Shapes: counts and rates are columns (...,), one per tested count; what differs per alternative has rows before them
(J, ...). Everything broadcasts.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from serinus_judging.arrays import Bools, Floats
from serinus_judging.sequential import bernoulli

RARE = 0.05
"""Below this rate the Poisson form is used: it loses little there, costs less and has a closed form."""

TINY = 1e-300


class Form(IntEnum):
    """How a column is evaluated. A limit has ratio 0: stable plays no part in it."""

    POISSON = 0
    POISSON_LIMIT = 1
    RATIO = 2
    AFFINE = 3
    LIMIT = 4


POISSON_FORMS = (Form.POISSON, Form.POISSON_LIMIT)


def of_rates(psi: Floats, b: Floats, ratio: Floats, absolute: Floats, scale: Floats) -> Floats:
    """A ratio of odds at the scaled margin as the ratio of rates that the Poisson form takes.

    For shares whose events follow trials of earlier windows: a window may hold more events than trials, but the share
    itself is below 1, and near 1 a tenth of the rate is a tenfold of what fails. What stands at 1 or above is no share,
    whatever it was called, and keeps its ratio of rates.
    """
    edge = scale * (ratio * b + absolute)
    result: Floats = np.where(edge < 1, psi / (1 - np.minimum(edge, 1) * (1 - psi)), psi)
    return result


def usable(x: Floats, n: Floats, y: Floats, m: Floats, rate: Bools) -> Bools:
    """Whether counts may be judged: finite, not negative, trials in both arms, no more events than trials.

    x events of n trials of the canary, y of m of stable, of any equal shape; `rate` counts may exceed their trials.
    """
    sane = (x >= 0) & (y >= 0) & (n > 0) & (m > 0) & (x + n + y + m < np.inf)
    result: Bools = sane & (rate | ((x <= n) & (y <= m)))
    return result


def is_rare(b: Floats, edge: Floats, rate: Bools) -> Bools:
    """Which columns take the Poisson form: rates below RARE, and counts that may exceed their trials always."""
    result: Bools = (np.maximum(b, edge) < RARE) | rate
    return result


def form(rare: Bools, ratio: Floats, absolute: Floats) -> npt.NDArray[np.int8]:
    """The form of each column."""
    limit = ratio == 0
    bernoulli = np.where(limit, Form.LIMIT, np.where(absolute > 0, Form.AFFINE, Form.RATIO))
    return np.where(rare, np.where(limit, Form.POISSON_LIMIT, Form.POISSON), bernoulli).astype(np.int8)


def log_evalue(
    x: ArrayLike,
    n: ArrayLike,
    y: ArrayLike,
    m: ArrayLike,
    b: ArrayLike,
    ratio: ArrayLike,
    absolute: ArrayLike,
    psi: ArrayLike,
    rate: ArrayLike,
) -> Floats:
    """ln e of one snapshot, for arrays of any shapes that broadcast together.

    x events of n trials of the canary, y of m of stable; b: stable's rate as predicted before the snapshot; psi > 1
    tests "at most the margin", psi < 1 "at least the margin" (the caller turns psi over where higher is better). It
    is 0 where there is nothing to test: counts that are not `usable`, an edge at 0 or, for shares, at 1 or above.
    """
    columns = [np.asarray(v, dtype=np.float64) for v in (x, n, y, m, b, ratio, absolute, psi)]
    *columns, rates = np.broadcast_arrays(*columns, np.asarray(rate, dtype=np.bool_))
    x, n, y, m, b, ratio, absolute, psi = columns
    fine = usable(x, n, y, m, rates) & (b > 0) & (b < np.inf) & (ratio >= 0) & (absolute >= 0) & (psi > 0)
    fine &= (ratio + absolute > 0) & (rates | (b < 1)) & (ratio + absolute + psi < np.inf)
    out = np.zeros(fine.shape)
    columns = [v[fine] for v in columns]
    margin = columns[5] * columns[4] + columns[6]
    forms = form(is_rare(columns[4], margin, rates[fine]), columns[5], columns[6])
    values = np.zeros(len(forms))
    for kind in Form:
        some = np.flatnonzero(forms == kind)
        if some.size:
            x, n, y, m, b, ratio, absolute, psi = (v[some] for v in columns)
            values[some] = log_evalue_by_form(kind, x, n, y, m, b, ratio, absolute, np.ones(()), psi)
    out[fine] = values
    return out


def log_evalue_by_form(
    kind: int,
    x: Floats,
    n: Floats,
    y: Floats,
    m: Floats,
    b: Floats,
    ratio: Floats,
    absolute: Floats,
    scale: Floats,
    psi: Floats,
) -> Floats:
    """ln e in one form against the margin times `scale`: scale and psi have rows before the columns of the others.

    Counts must be usable, 0 < b, and b < 1 in the Bernoulli form. There a margin that no share can exceed (at 1 or
    above) is worth 0: nothing can be shown against it.
    """
    if kind == Form.POISSON:
        return poisson(x, n, y, m, b, ratio, absolute, scale, psi)
    if kind == Form.POISSON_LIMIT:
        return x * np.log(psi) - scale * (n * absolute) * (psi - 1)
    if kind == Form.LIMIT:
        edge = scale * absolute
        value = x * np.log(psi) - n * np.log1p(np.minimum(edge, 1) * (psi - 1))
        return np.where(edge < 1, value, 0.0)
    law = bernoulli.proportional if kind == Form.RATIO else bernoulli.affine
    return law(x, n, y, m, b, scale * ratio, scale * absolute, psi)


def poisson(
    x: Floats,
    n: Floats,
    y: Floats,
    m: Floats,
    b: Floats,
    ratio: Floats,
    absolute: Floats,
    scale: Floats,
    psi: Floats,
) -> Floats:
    """ln e with the projection in Poisson divergence; valid for Bernoulli counts as 1 + p (q - 1) <= exp(p (q - 1)).

    Events of the canary count k = a / c0 each, of stable j = b / p0. Stationarity, n scale ratio (1 - k) + m (1 - j)
    = 0, gives j from k; then ln e = x ln k + y ln j + n scale absolute (1 - k) has expectation 1 all along the edge
    for any k. The best k is the lesser root of d h k^2 - 2 s k + psi q (1 + h) = 0 with h = scale n ratio / m,
    d = absolute / ratio, q = b + d, 2 s = q + h (d + psi q).
    """
    h = scale * (n * ratio / m)
    both = h + 1
    if not absolute.any():
        return x * np.log(psi) + (x + y) * np.log(both / (h * psi + 1))
    d = absolute / ratio
    half = (b + d) / 2
    s = h * (psi * half + d / 2) + half
    top = both * psi * (2 * half)
    k = top / (s + np.sqrt(np.maximum(s * s - h * d * top, 0)))
    less = 1 - k
    j = np.maximum(h * less + 1, TINY)
    result: Floats = x * np.log(k) + y * np.log(j) + scale * (n * absolute) * less
    return result
