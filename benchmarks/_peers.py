"""The rules that others decide by, on the same counts. To add one, write a function and name it in PEERS.

A rule gets what was drawn, the same world drawn with a healthy canary, and the share of those that Serinus aborted
(for rules that are set to an equal actual false-abort rate). It says for each run at which look it aborts. Whoever is
not aborted at the end is promoted.
"""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks._serinus import ALPHA, Outcome
from benchmarks._worlds import Bools, Drawn, Floats

Rule = Callable[[Drawn, Drawn, float], Outcome]

WINDOW = 10
"""Looks of 30 s in the five minutes over which Argo's and Flagger's queries take rates."""
SUCCESS, CONVERSION, SLOWER = 0.95, 0.85, 1.2
"""The seed's AnalysisTemplates: success rate, conversion rate, ratio of p95."""
FLAGGER = 0.99
"""Flagger's usual minimum of request-success-rate."""
KAYENTA_RUNS = 300
"""The rank test is slow: it is tried on the first runs only."""


def outcome(over: Bools) -> Outcome:
    """Aborted at the first look that is over, else promoted."""
    aborted = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)
    return Outcome(aborted, aborted == 0)


def z_scores(drawn: Drawn) -> Floats:
    """Stratified z of all looks so far (Cochran, Mantel, Haenszel), positive where the canary is worse: (runs, T)."""
    theta = drawn.n / (drawn.n + drawn.m)
    events, trials = drawn.x + drawn.y, drawn.n + drawn.m
    rate = np.clip(events / trials, 0, 1)
    excess = (drawn.x - events * theta) * drawn.valid * (-1 if drawn.world.higher else 1)
    variance = events * theta * (1 - theta) * (1 - rate) * drawn.valid
    return np.cumsum(excess, axis=1) / np.sqrt(np.maximum(np.cumsum(variance, axis=1), 1e-9))


def naive_z(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """One-sided z-test at 5 %, made for one look and taken at every look."""
    return outcome(z_scores(drawn) > 1.645)


def obrien_fleming(drawn: Drawn, null: Drawn, rate: float) -> Outcome:
    """Boundary c sqrt(T / t), c such that exactly this share of these healthy canaries is aborted.

    It is set on the truth: nobody knows the noise of his own traffic so well.
    """
    looks = drawn.x.shape[1]
    scale = np.sqrt(np.arange(1, looks + 1) / looks)
    c = np.quantile((z_scores(null) * scale).max(axis=1), 1 - rate)
    return outcome(z_scores(drawn) * scale > c)


def obrien_fleming_at_budget(drawn: Drawn, null: Drawn, _: float) -> Outcome:
    """The same at the whole budget of 1 %, of which Serinus uses less."""
    return obrien_fleming(drawn, null, ALPHA)


def _trailing(events: Floats, trials: Floats) -> Floats:
    """Rate over the last five minutes at each look."""
    sums = [np.cumsum(v, axis=1) for v in (events, trials)]
    for v in sums:
        v[:, WINDOW:] = v[:, WINDOW:] - v[:, :-WINDOW].copy()
    return sums[0] / np.maximum(sums[1], 1)


def _failures(failed: Bools, limit: int) -> Outcome:
    return outcome(np.cumsum(failed, axis=1) > limit)


def argo_template(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """The seed's templates: success rate at least 95 %, failureLimit 3; conversion at least 85 %, no failure; p95 at
    most 1.2 times stable's, failureLimit 5."""
    if drawn.p95 is not None:
        return _failures(drawn.p95[0] > SLOWER * drawn.p95[1], 5)
    rate = _trailing(drawn.x * drawn.valid, drawn.n * drawn.valid)
    known = _trailing(drawn.n * drawn.valid, np.ones_like(drawn.n)) > 0
    if drawn.world.higher:
        return _failures((rate < CONVERSION) & known, 0)
    return _failures((1 - rate < SUCCESS) & known, 3)


def flagger(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """Each look below the minimum counts, and counts are never reset; the default threshold rolls back at the first."""
    if drawn.p95 is not None:
        return _failures(drawn.p95[0] > 0.5, 0)
    success = drawn.x / drawn.n if drawn.world.higher else 1 - drawn.x / drawn.n
    return _failures((success < (CONVERSION if drawn.world.higher else FLAGGER)) & drawn.valid, 0)


def kayenta(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """Mann-Whitney at 98 %, tolerance 0.25, at the end of every stage (or fifth of the run), on all points so far."""
    if drawn.p95 is not None:
        canary, stable = (v[:KAYENTA_RUNS] for v in drawn.p95)
    else:
        canary, stable = (drawn.x / drawn.n)[:KAYENTA_RUNS], (drawn.y / drawn.m)[:KAYENTA_RUNS]
    sign = -1.0 if drawn.world.higher else 1.0
    over = np.zeros(canary.shape, dtype=bool)
    fifth = canary.shape[1] // 5
    for run in range(len(canary)):
        for end in range(fifth, canary.shape[1] + 1, fifth):
            use = drawn.valid[run, :end]
            if _high(sign * canary[run, :end][use], sign * stable[run, :end][use]):
                over[run, end - 1 :] = True
                break
    return outcome(over)


def _high(canary: Floats, stable: Floats) -> bool:
    """Kayenta's label High: the interval of the shift lies above a quarter of its estimate (`notes`: classifier)."""
    n, m = len(canary), len(stable)
    if not n or not m or len(np.unique(np.concatenate([canary, stable]))) == 1:
        return False
    shifts = np.sort((canary[:, None] - stable).ravel())
    rank = n * m / 2 - 2.326 * np.sqrt(n * m * (n + m + 1) / 12) - 0.5
    low, estimate = shifts[max(int(rank), 0)], np.median(shifts)
    return bool(low > 0.25 * abs(estimate))


PEERS: Mapping[str, Rule] = {
    "naive z": naive_z,
    "O'B.-F. at ours": obrien_fleming,
    "O'B.-F. at 1 %": obrien_fleming_at_budget,
    "Argo template": argo_template,
    "Flagger": flagger,
    "Kayenta": kayenta,
}
"""By the name in the tables."""
