"""The law of `evalue` for a count that is known by strata (docs/explanation/judging.md, "Segments").

Strata are parts of the traffic that are compared apart: routes, clients. Each has its own point (c, p) on the null's
edge and the factors of `bernoulli` there, all with the same stake v: ln of the expectation of their product is at most
v times the sum over strata of n (p_canary - r p_stable - d), by ln(1 + u) <= u. So it is at most 1 where the canary
keeps its margin on average over its own traffic, whatever the mix of stable's is. Of rates, the Poisson form likewise.

Requests of the canary that no stratum has are compared with all of stable's: each is dealt to the strata by their
parts w of stable's requests, which is fair since prod f^w <= sum w f.

A stratum in which stable has so little that its factors would come near 0 stakes less. How much follows from trials
alone, so it stays fair; the average then counts that stratum for less.
"""

import numpy as np

from serinus_judging.arrays import Bools, Floats
from serinus_judging.sequential import baseline
from serinus_judging.sequential.bernoulli import ROUNDING
from serinus_judging.sequential.channels import Channels
from serinus_judging.sequential.eprocess import PROCEED_ROWS

UNLIKE = 30.0
"""Times stable's part of its requests that a stratum may be of the canary's: beyond, it would stake next to nothing, so
that for an abort its requests are compared with all of stable's."""
ROUNDS = 6
"""Steps towards the projection, which is never needed exactly."""
STAKE, MAX_STAKE = 0.5, 0.999
"""A stratum may lose as much of the evidence by one trial as the whole does, or STAKE; never more than MAX_STAKE."""
TINY = 1e-300


def log_evalue(
    counts: Floats,
    b: Floats,
    share: bool,
    ratio: float,
    absolute: float,
    scale: Floats,
    psi: Floats,
    one_stake: bool = False,
) -> Floats:
    """ln e (J, ...) of one snapshot: counts (4, ..., K) as x, n, y, m of K strata; b (..., K): stable's predicted rate.

    share: events are at most trials; scale (J,): of the margin; psi (J, ...): alternatives. A stratum without trials in
    both arms must have none at all. one_stake: all stake as little as the one that may stake least, so that the average
    counts each of the canary's requests alike, as a proof has to.
    """
    x, n, y, m = counts
    canary, stable = np.maximum(n.sum(axis=-1), 1.0), np.maximum(m.sum(axis=-1), 1.0)
    mean = np.maximum((n * b).sum(axis=-1) / canary, TINY)
    one, scale = float(share), scale.reshape(-1, *(1,) * mean.ndim)
    r, d = scale * ratio, scale * absolute
    edge = r * mean + d
    fair = (edge < 1) & (d < 1) if share else np.ones(edge.shape, dtype=bool)
    r, d, edge = np.where(fair, r, 0.5), np.where(fair, d, 0.0), np.where(fair, edge, 0.5 * mean)
    a = psi * edge / (1 + one * edge * (psi - 1))
    most = np.minimum((1 - d) / np.maximum(r, TINY), 1.0) * (1 - 1e-9) if share else np.full(edge.shape, np.inf)
    p = _projection(canary, stable, mean, one, r, d, a, edge, most)
    c = r * p + d
    v = (a - c) / (c * (1 - one * c))
    v *= (v > 0) == (psi > 1)
    allowed = np.clip(_worst(_parts(v, r * canary / stable, p, c, share)), STAKE, MAX_STAKE)[..., None]
    r, d, rows = r[..., None], d[..., None], v[..., None]
    places = np.clip(p[..., None] * (b / mean[..., None]), TINY, most[..., None])
    parts = _parts(rows, r * (n / np.maximum(m, 1.0)), places, r * places + d, share)
    stake = np.minimum(1.0, allowed / np.maximum(_worst(parts), TINY))
    if one_stake:
        stake = np.minimum(stake, np.where(n > 0, stake, 1.0).min(axis=-1, keepdims=True))
    logs = np.log1p(parts * stake)
    if share:
        value = x * logs[0] + (n - x) * logs[1] + y * logs[2] + (m - y) * logs[3]
    else:
        value = x * logs[0] + y * logs[1] - n * d * rows * stake
    result: Floats = np.where(fair, (value - ROUNDING * (n + m)).sum(axis=-1), 0.0)
    return result


def _projection(
    n: Floats, m: Floats, b: Floats, one: float, r: Floats, d: Floats, a: Floats, edge: Floats, most: Floats
) -> Floats:
    """About the point p of the edge that is nearest to the alternative (a, b): weighted least squares, weighed anew."""
    p, c = np.broadcast_to(b, edge.shape), (a + edge) / 2
    for _ in range(ROUNDS):
        pull = n * r * p * (1 - one * p)
        spread = m * c * (1 - one * c)
        found = b + pull * (a - edge) / np.maximum(pull * r + spread, TINY)
        p = (p + np.clip(found, b * 1e-3, most)) / 2
        c = r * p + d
    return p


def _parts(v: Floats, h: Floats, p: Floats, c: Floats, share: bool) -> Floats:
    """What is added to 1 for an event of the canary and, of shares, a trial without one; then likewise for stable."""
    w = h * v
    if share:
        return np.array([v * (1 - c), -v * c, -w * (1 - p), w * p])
    return np.array([np.broadcast_to(v, w.shape), -w])


def _worst(parts: Floats) -> Floats:
    result: Floats = (-parts).max(axis=0)
    return result


def with_rest(
    counts: Floats, past: Floats, valid: Bools, strata: tuple[int, int, int], unlike: float
) -> tuple[Floats, Floats]:
    """Counts (4, ..., K + 1) and stable's predicted rates of a metric's strata and of what none of them has.

    A stratum of which nothing is known yet is predicted as the whole. What none has of the canary's counts is dealt to
    all, by stable's.
    """
    whole, first, end = strata
    _, n, _, m = counts
    alike = n[..., first:end] * m[..., whole, None] <= unlike * m[..., first:end] * n[..., whole, None]
    both = valid[..., first:end] & alike
    own = np.where(both, counts[..., first:end], 0.0)
    rest = np.maximum(counts[..., whole] - own.sum(axis=-1), 0.0)
    stable = np.where(np.array([False, False, True, True]).reshape(-1, *(1,) * (rest.ndim - 1)), rest, 0.0)
    own = np.concatenate((own, stable[..., None]), axis=-1)
    part = own[3] / np.maximum(own[3].sum(axis=-1, keepdims=True), 1.0)
    own[:2] += rest[:2, ..., None] * part
    every = past[..., whole : whole + 1]
    some = np.where(past[1, ..., first:end] > 0, past[..., first:end], every)
    b = baseline.predicted(np.concatenate((some, every), axis=-1))
    return np.where(own[1] > 0, own, 0.0), b


def with_strata(
    channels: Channels, gain: Floats, counts: Floats, past: Floats, valid: Bools, dynamic: Floats
) -> Floats:
    """ln e of all rows (J, ..., S) with those of metrics that have strata by `log_evalue` of their strata's counts.

    counts (4, ..., C), past (2, ..., C), valid (..., C); dynamic (3, ..., P): alternatives of proceeding.
    """
    gain, tests = gain.copy(), channels.tests
    for whole, first, end in channels.strata:
        pairs = [with_rest(counts, past, valid, (whole, first, end), unlike) for unlike in (UNLIKE, np.inf)]
        ratio, absolute, _, rate = channels.constants[whole]
        for test in np.flatnonzero(tests.channel == whole).tolist():
            psi = np.broadcast_to(tests.psi[:, test].reshape(-1, *(1,) * (gain.ndim - 2)), gain.shape[:-1])
            if test >= channels.abort:
                psi = np.concatenate((dynamic[..., test - channels.abort], psi[PROCEED_ROWS:]))
            proof = test >= channels.abort
            own, b = pairs[proof]
            gain[..., test] = log_evalue(own, b, not rate, ratio, absolute, tests.scale[:, test], psi, proof)
    return gain
