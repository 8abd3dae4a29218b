"""What one snapshot is worth where rates are not small: the Bernoulli form of the law in `evalue`.

The null's edge is c = r p + d. At a point (c, p) of it let an event of the canary count 1 + (1 - c) v and a trial
without one 1 - c v, of stable 1 - (1 - p) w and 1 + p w, with n r v = m w. The logarithm of the expectation of their
product is concave along the edge, and at this very point its slope is 0 and so is it: the expectation is at most 1 on
the edge, and with the right sign of v inside the null, for any point and any v. At the projection of the alternative
(a, b) the factors are those of the likelihood ratio of (a, b) against (c, p). So how precisely the projection is found
decides how much is gained, never whether the law holds.

Rates and their complements are calculated apart: 1 - c of a c near 1 has no digits left. Shapes as in `evalue`: r, d
and psi have rows before the columns of the others.
"""

import numpy as np

from serinus_judging.arrays import Floats

TINY = 1e-300
BELOW_ONE = float(np.nextafter(1.0, 0.0))
MAX_LOSS = 1 - 1e-9
"""No trial takes more of the evidence: a factor of 0 would be final."""
ROUNDING = 1e-15
"""What rounding may add to ln e per trial: given away."""


def proportional(x: Floats, n: Floats, y: Floats, m: Floats, b: Floats, r: Floats, d: Floats, psi: Floats) -> Floats:
    """`affine` where d is 0: there the projection is the root of a quadratic, and the factors are simpler."""
    theta, other, not_b = n / (n + m), m / (n + m), 1 - b
    rest = 1 - r
    not_edge = np.maximum(rest + r * not_b, TINY)
    not_a = not_edge / (psi * (r * b) + not_edge)
    q = _root(other * not_b, theta * not_a, r, rest)
    p = 1 - q
    not_c = np.maximum(rest + r * q, TINY)
    pull = not_b / q - not_a / not_c
    pull *= (pull > 0) == (psi > 1)
    parts = np.empty((4, *pull.shape))
    np.multiply(-other, pull, out=parts[1])
    np.multiply(theta, pull, out=parts[3])
    pull /= p
    np.multiply(-theta * pull, q, out=parts[2])
    pull *= other
    pull *= not_c
    np.divide(pull, r, out=parts[0])
    value = _log_product(x, n, y, m, parts)
    below = not_edge > TINY
    return value if below.all() else np.where(below, value, 0.0)


def affine(x: Floats, n: Floats, y: Floats, m: Floats, b: Floats, r: Floats, d: Floats, psi: Floats) -> Floats:
    """ln e against c <= r p + d, or >= for psi < 1, of shares; 0 where the edge at b is not below 1.

    What no share can exceed cannot be exceeded: nothing is shown against it.
    """
    theta, other, not_b = n / (n + m), m / (n + m), 1 - b
    rest = 1 - (r + d)
    edge, not_edge = r * b + d, rest + r * not_b
    below = not_edge > 0
    if not below.all():
        half = np.where(below, 1.0, 0.5 / edge)
        return np.where(below, affine(x, n, y, m, b, r * half, d * half, psi), 0.0)
    total = psi * edge + not_edge
    a, not_a = psi * edge / total, not_edge / total
    p, q = _projection(theta, other, b, not_b, a, not_a, r, d, rest)
    c, not_c = r * p + d, np.maximum(rest + r * q, TINY)
    pull = r * (not_c - not_a) / (c * not_c) + (not_b - q) / (p * q)
    pull *= (pull > 0) == (psi > 1)
    v, w = other * pull / r, theta * pull
    return _log_product(x, n, y, m, np.array([v * not_c, -v * c, -w * q, w * p]))


def _log_product(x: Floats, n: Floats, y: Floats, m: Floats, parts: Floats) -> Floats:
    """ln of the product of 1 + parts (4, ...) to the powers x, n - x, y, m - y, less what rounding may have added."""
    if parts.min() < -MAX_LOSS:  # not found to the last digit, or an alternative at the end of the scale
        parts *= MAX_LOSS / np.maximum(-parts.min(axis=0), MAX_LOSS)
    np.log1p(parts, out=parts)
    counts = np.array([x, n - x, y, m - y])
    parts *= counts.reshape(4, *(1,) * (parts.ndim - counts.ndim), *counts.shape[1:])
    result: Floats = parts.sum(axis=0)
    result -= ROUNDING * (n + m)
    return result


def _root(stable: Floats, canary: Floats, r: Floats, d: Floats) -> Floats:
    """The p > 0 of r p^2 + (d - canary - r stable) p - stable d = 0, with its digits where p is near 0."""
    product = stable * d
    half = (d - canary - r * stable) / 2
    size = np.sqrt(np.maximum(half * half + r * product, 0))
    p = np.where(half > 0, product / np.maximum(size + half, TINY), (size - half) / r)
    return np.minimum(np.maximum(p, TINY, out=p), BELOW_ONE, out=p)


def _projection(
    theta: Floats,
    other: Floats,
    b: Floats,
    not_b: Floats,
    a: Floats,
    not_a: Floats,
    r: Floats,
    d: Floats,
    rest: Floats,
) -> tuple[Floats, Floats]:
    """p and 1 - p where theta r (a - c) / (c (1 - c)) + other (b - p) / (p (1 - p)) = 0.

    By k = theta r (1 - p) / (1 - c) it is `_root` with other b / (other + k) and k a / (other + k). It is sought from
    the end of the edge that it is nearer to, where k hardly changes with p: the sign of the left side at the middle
    says which, and what holds of rates holds of their complements.
    """
    middle = np.minimum(1, (1 - d) / r) / 2
    c = r * middle + d
    high = theta * r * (a - c) / (c * (1 - c)) + other * (b - middle) / (middle * (1 - middle)) > 0
    b, a = np.where(high, not_b, b), np.where(high, not_a, a)
    d, rest = np.where(high, rest, d), np.where(high, d, rest)
    p = np.where(high, (1 - middle) / 2, middle / 2)
    for _ in range(2):
        k = theta * r * (1 - p) / (rest + r * (1 - p))
        p = _root(other * b / (other + k), k * a / (other + k), r, d)
    for _ in range(2):
        q, c, not_c = 1 - p, r * p + d, rest + r * (1 - p)
        canary, stable, spread, own = a - c, b - p, p * q, c * not_c
        left = theta * r * canary * spread + other * stable * own
        slope = theta * r * (canary * (q - p) - r * spread) + other * (r * stable * (not_c - c) - own)
        p = np.clip(p - left / slope, p / 2, (1 + p) / 2)
    return np.where(high, 1 - p, p), np.where(high, p, 1 - p)
