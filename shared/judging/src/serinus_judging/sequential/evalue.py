"""The law that everything rests on: what one snapshot is worth as evidence (docs/explanation/judging.md).

The null is `p_canary <= ratio * p_stable + absolute`, or >=: the side of the alternative decides. An alternative
(a, b), fixed before the snapshot, is compared with its projection (c0, p0) on the null's edge. The likelihood ratio
against the projection has expectation at most 1 on the whole null, for Bernoulli counts of any size: the projection
is stationary along the edge, so the expectation is constant there, and inside the null it only falls. This is the
reverse information projection of Grünwald, de Heide and Koolen, "Safe testing" (2024), theorem 1.

Shapes: counts and rates are columns (...,), one per tested count; what differs per alternative has rows before them
(J, ...). Everything broadcasts.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from serinus_judging.arrays import Bools, Floats

RARE = 0.05
"""Below this rate the Poisson form is used: it loses little there, costs less and has a closed form."""


ATTAINABLE = 0.999
"""The largest edge that a share is tested against."""
TINY = 1e-300
BELOW_ONE = float(np.nextafter(1.0, 0.0))


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
    result: Floats = np.where(edge < ATTAINABLE, psi / (1 - np.minimum(edge, 1) * (1 - psi)), psi)
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
    above) is worth 0; a scaled one that no share can reach is tested at ATTAINABLE instead.
    """
    if kind == Form.POISSON:
        return poisson(x, n, y, m, b, ratio, absolute, scale, psi)
    if kind == Form.POISSON_LIMIT:
        return x * np.log(psi) - scale * (n * absolute) * (psi - 1)
    edge = ratio * b + absolute
    scale = np.minimum(scale, ATTAINABLE / edge)
    if kind == Form.RATIO:
        value = bernoulli_ratio(x, n, y, m, b, ratio, scale, psi)
    else:
        scaled = scale * edge
        a = psi * scaled / (1 - scaled + psi * scaled)
        if kind == Form.LIMIT:
            value = x * np.log(a / scaled) + (n - x) * np.log((1 - a) / (1 - scaled))
        else:
            value = bernoulli_affine(x, n, y, m, b, scale * ratio, scale * absolute, a)
    above = edge >= 1
    return np.where(above, 0.0, value) if above.any() else value


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


def bernoulli_ratio(
    x: Floats, n: Floats, y: Floats, m: Floats, b: Floats, ratio: Floats, scale: Floats, psi: Floats
) -> Floats:
    """ln e with the projection in Bernoulli divergence for a margin without absolute part.

    With c = r p, the slope theta r (a - c) / (c (1 - c)) + (1 - theta) (b - p) / (p (1 - p)) is 0 at the lesser root
    of r p^2 - 2 s p + mean = 0, mean = theta a + (1 - theta) b, 2 s = mean + theta r + (1 - theta) (1 - b + r b):
    exact to rounding, so that nothing of it has to be given away.
    """
    theta = n / (n + m)
    rest = 1 - theta
    r = scale * ratio
    edge = r * b
    other = 1 - edge
    worse = psi * edge
    total = other + worse
    mean = theta * (worse / total) + rest * b
    s = mean / 2 + scale * (ratio * (theta + rest * b) / 2) + rest * (1 - b) / 2
    p = np.minimum(mean / (s + np.sqrt(np.maximum(s * s - r * mean, 0))), BELOW_ONE)
    parts = np.empty((4, *p.shape))  # a / c, (1 - a) / (1 - c), b / p, (1 - b) / (1 - p)
    np.divide(b, p, out=parts[2])
    np.divide(psi * parts[2], total, out=parts[0])
    np.divide(other, total * (1 - r * p), out=parts[1])
    np.divide(1 - b, 1 - p, out=parts[3])
    counts = np.array([x, n - x, y, m - y])
    np.log(parts, out=parts)
    parts *= counts.reshape(4, *(1,) * (p.ndim - np.ndim(x)), *np.shape(x))
    result: Floats = parts.sum(axis=0)
    return result


def bernoulli_affine(x: Floats, n: Floats, y: Floats, m: Floats, b: Floats, r: Floats, d: Floats, a: Floats) -> Floats:
    """The same for c = r p + d: the root of a cubic, less what it leaves of stationarity.

    With slope s of the logarithm of the expectation along the edge, at the root found, that logarithm is at most
    max(0, s (P - p), -s p) on the edge, P being its far end: given away, this keeps the law valid for a root of any
    precision, and a precise root keeps it sharp.
    """
    theta = n / (n + m)
    p = _middle_root(theta, b, r, d, a)
    c = r * p + d
    s = n * r * (a - c) / (c * (1 - c)) + m * (b - p) / (p * (1 - p))
    end = np.minimum(1, (1 - d) / r)
    lost = np.maximum(np.maximum(s * (end - p), -s * p), 0)
    result: Floats = x * np.log(a / c) + (n - x) * np.log((1 - a) / (1 - c)) - lost
    result += y * np.log(b / p) + (m - y) * np.log((1 - b) / (1 - p))
    return result


def _middle_root(theta: Floats, b: Floats, r: Floats, d: Floats, a: Floats) -> Floats:
    """Of the cubic's three real roots the middle one lies on the edge; trigonometric formula, two Newton steps."""
    r2, rest = r * r, 1 - theta
    c2 = (theta * r * (r + a - d) + rest * (r * (1 - 2 * d) + b * r2)) / r2
    c1 = (theta * r * (d - a) + rest * (d * (1 - d) - b * r * (1 - 2 * d))) / r2
    c0 = -rest * b * d * (1 - d) / r2
    shift = c2 / 3
    half = shift * shift * shift + (shift * c1 + c0) / 2
    size = np.sqrt(np.maximum(shift * shift + c1 / 3, 1e-30))
    angle = np.arccos(np.clip(half / (size * size * size), -1, 1)) / 3
    p: Floats = shift + 2 * size * np.cos(angle - 2 * np.pi / 3)
    other = (a - d) / r
    low, high = np.maximum(np.minimum(b, other), 0), np.minimum(np.maximum(b, other), np.minimum(1, (1 - d) / r))
    inside = (high - low) * 1e-9
    low, high = low + inside, np.minimum(high - inside, BELOW_ONE)
    p = np.clip(p, low, high)
    for _ in range(2):
        c = r * p + d
        s = theta * r * (a - c) / (c * (1 - c)) + rest * (b - p) / (p * (1 - p))
        bend = theta * r2 * (a / (c * c) + (1 - a) / ((1 - c) * (1 - c)))
        bend = bend + rest * (b / (p * p) + (1 - b) / ((1 - p) * (1 - p)))
        p = np.clip(p + s / bend, low, high)
    return p
