"""The rules that others decide by, on the same counts. To add one, write a function and name it in PEERS.

A rule gets what was drawn, the same world drawn with a healthy canary, and the share of those that Serinus aborted
(for rules that are set to an equal actual false-abort rate). It says for each run at which evaluation it aborts.
Whoever is not aborted at the end is promoted.
"""

from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np
from serinus_contracts.judge import KayentaRule, RecommendationRule, ScorecardRule
from serinus_judging import classical
from serinus_judging.rules.kayenta import MAX_SNAPSHOTS, Direction, classify
from serinus_judging.rules.scorecard import RISING

from benchmarks._durations import quantile
from benchmarks._serinus import ALPHA, Outcome
from benchmarks._worlds import SECONDS, Bools, Drawn, Floats

Rule = Callable[[Drawn, Drawn, float], Outcome]

WINDOW = 10
"""Evaluations of 30 s in the five minutes over which Argo's and Flagger's queries take rates."""
SUCCESS, CONVERSION, SLOWER = 0.95, 0.85, 1.2
"""The seed's AnalysisTemplates: success rate, conversion rate, ratio of p95."""
FLAGGER = 0.99
"""Flagger's usual minimum of request-success-rate."""
KAYENTA_RUNS = 300
"""The rank test is slow: it is tried on the first runs only."""


def outcome(over: Bools) -> Outcome:
    """Aborted at the first evaluation that is over, else promoted."""
    aborted = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 0)
    return Outcome(aborted, aborted == 0)


def scores(drawn: Drawn) -> tuple[Floats, Floats]:
    """Events in excess, positive where the canary is worse, and their variance, of all so far: (runs, T) each."""
    theta = drawn.n / (drawn.n + drawn.m)
    events, trials = drawn.x + drawn.y, drawn.n + drawn.m
    rate = np.clip(events / trials, 0, 1)
    excess = (drawn.x - events * theta) * drawn.valid * (-1 if drawn.world.higher else 1)
    variance = events * theta * (1 - theta) * (1 - rate) * drawn.valid
    return np.cumsum(excess, axis=1), np.cumsum(variance, axis=1)


def z_scores(drawn: Drawn) -> Floats:
    """Stratified z of all evaluations so far (Cochran, Mantel, Haenszel): (runs, T)."""
    excess, variance = scores(drawn)
    z: Floats = excess / np.sqrt(np.maximum(variance, 1e-9))
    return z


def naive_z(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """One-sided z-test at 5 %, made for one evaluation and taken at every evaluation."""
    return outcome(z_scores(drawn) > 1.645)


def obrien_fleming(drawn: Drawn, null: Drawn, rate: float) -> Outcome:
    """Boundary c sqrt(T / t), c such that exactly this share of these healthy canaries is aborted.

    It is set on the truth: nobody knows the noise of his own traffic so well.
    """
    evaluations = drawn.x.shape[1]
    scale = np.sqrt(np.arange(1, evaluations + 1) / evaluations)
    c = np.quantile((z_scores(null) * scale).max(axis=1), 1 - rate)
    return outcome(z_scores(drawn) * scale > c)


def obrien_fleming_at_alpha(drawn: Drawn, null: Drawn, _: float) -> Outcome:
    """The same at the whole false-abort rate of 1 %, of which Serinus uses less."""
    return obrien_fleming(drawn, null, ALPHA)


def _trailing(events: Floats, trials: Floats) -> Floats:
    """Rate over the last five minutes at each evaluation."""
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
    """Each evaluation below the minimum counts, and counts are never reset; by default the first rolls back."""
    if drawn.p95 is not None:
        return _failures(drawn.p95[0] > 0.5, 0)
    success = drawn.x / drawn.n if drawn.world.higher else 1 - drawn.x / drawn.n
    return _failures((success < (CONVERSION if drawn.world.higher else FLAGGER)) & drawn.valid, 0)


def decided_at(drawn: Drawn) -> tuple[tuple[int, int], ...]:
    """Evaluations (begin, end) of the stages, at whose end rules decide that are asked once a stage; of a run with one
    weight its fifths."""
    fifth = drawn.x.shape[1] // 5
    return tuple((fifth * i, fifth * (i + 1)) for i in range(5))


def _at_ends(drawn: Drawn, decide: Callable[[int, int], tuple[Bools, Bools]]) -> Outcome:
    """decide(begin, end) says which runs are aborted at the end of a stage, and which are held there."""
    runs, evaluations = drawn.x.shape
    over, held = np.zeros((runs, evaluations), dtype=bool), np.zeros(runs, dtype=bool)
    for begin, end in decided_at(drawn):
        over[:, end - 1], held = decide(begin, end)
    found = outcome(over)
    return Outcome(found.aborted, found.promoted & ~held)


def _shares(drawn: Drawn, begin: int, end: int) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """Share that went well of canary and stable in these evaluations, and the counts x, n, y, m."""
    use = drawn.valid[:, begin:end]
    x, n, y, m = ((v[:, begin:end] * use).sum(axis=1) for v in (drawn.x, drawn.n, drawn.y, drawn.m))
    own, other = x / np.maximum(n, 1), y / np.maximum(m, 1)
    return (own, other, (x, n, y, m)) if drawn.world.higher else (1 - own, 1 - other, (x, n, y, m))


def _quantiles(drawn: Drawn, begin: int, end: int, q: float) -> tuple[Floats, Floats]:
    assert drawn.buckets is not None
    canary, stable = (quantile(v[:, begin:end].sum(axis=1), q) for v in drawn.buckets)
    return canary, stable


def scorecard(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """The guide's stage decision (judges/scorecard.py): any issue at the end of a stage; immediate issues at once."""
    rule = ScorecardRule(name="scorecard")

    def decide(begin: int, end: int) -> tuple[Bools, Bools]:
        nothing = np.zeros(len(drawn.x), dtype=bool)
        if drawn.p95 is not None:
            own, other = _quantiles(drawn, begin, end, 0.95)
            return own > rule.latency_ratio_above * other, nothing
        own, other, counts = _shares(drawn, begin, end)
        if drawn.world.higher:
            return own < rule.conversion_ratio_below * other, nothing
        low = (own < rule.success_below) | (own < rule.success_ratio_below * other)
        return low | (_rising(drawn, begin, end, counts) > RISING), nothing

    found = _at_ends(drawn, decide)
    if drawn.world.higher or drawn.p95 is not None:  # durations here are far from 5 s
        return found
    at_once = outcome(1 - _recent(drawn) < rule.abort_success_below)
    first = np.where(at_once.aborted > 0, at_once.aborted, drawn.x.shape[1] + 1)
    aborted = np.where((found.aborted == 0) | (first < found.aborted), first % (drawn.x.shape[1] + 1), found.aborted)
    return Outcome(aborted, aborted == 0)


def _recent(drawn: Drawn) -> Floats:
    """Share of errors in the last one to two minutes of the stage, two evaluations to the minute (runs, T)."""
    share = np.zeros_like(drawn.x)
    for begin, end in decided_at(drawn):
        for t in range(begin, end):
            back = max(begin, t - (t - begin) % 2 - 2)
            use = drawn.valid[:, back : t + 1]
            x, n = ((v[:, back : t + 1] * use).sum(axis=1) for v in (drawn.x, drawn.n))
            share[:, t] = x / np.maximum(n, 1)
    return share


def _rising(drawn: Drawn, begin: int, end: int, counts: tuple[Floats, ...]) -> Floats:
    t = (np.arange(end - begin) + 1) * SECONDS / 60
    slopes, errors = [], []
    for events, trials, x, n in ((drawn.x, drawn.n, *counts[:2]), (drawn.y, drawn.m, *counts[2:])):
        use = drawn.valid[:, begin:end]
        weight = trials[:, begin:end] * use
        spread = (weight * t * t).sum(axis=1) - (weight * t).sum(axis=1) ** 2 / np.maximum(n, 1)
        rise = (events[:, begin:end] * use * t).sum(axis=1) - (weight * t).sum(axis=1) / np.maximum(n, 1) * x
        p = np.minimum(x / np.maximum(n, 1), 1)
        slopes.append(rise / spread)
        errors.append(p * (1 - p) / spread)
    error = np.sqrt(errors[0] + errors[1])
    z: Floats = np.divide(slopes[0] - slopes[1], error, out=np.zeros_like(error), where=error > 0)
    return z


def recommendation(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """The guide's analysis engine (judges/recommendation.py) at the end of each stage."""
    rule = RecommendationRule(name="recommendation")

    def decide(begin: int, end: int) -> tuple[Bools, Bools]:
        nothing = np.zeros(len(drawn.x), dtype=bool)
        if drawn.buckets is not None:
            medians, p95, p99 = (_quantiles(drawn, begin, end, q) for q in (0.5, 0.95, 0.99))
            slower = (medians[0] > medians[1]) & (_rank_p(drawn, begin, end) < rule.significance)
            back = slower & (medians[0] >= rule.latency_ratio_rollback * medians[1])
            back |= (p95[0] > rule.p95_maximum) | (p99[0] > rule.p99_maximum)
            for own, other in (p95, p99):
                back |= own > rule.latency_ratio_critical * other
            return back, slower & ~back
        own, other, (x, n, y, m) = _shares(drawn, begin, end)
        if drawn.world.higher:
            return own < rule.conversion_ratio_critical * other, nothing
        pooled = (x + y) / np.maximum(n + m, 1)
        error = np.sqrt(pooled * (1 - pooled) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1)))
        z = np.divide(other - own, error, out=np.zeros_like(error), where=error > 0)
        bound = NormalDist().inv_cdf(1 - rule.significance / 2)
        return (z > bound) | (own < rule.success_minimum) | (own < rule.success_ratio_critical * other), nothing

    return _at_ends(drawn, decide)


def _rank_p(drawn: Drawn, begin: int, end: int) -> Floats:
    assert drawn.buckets is not None
    canary, stable = (v[:, begin:end].sum(axis=1).astype(int) for v in drawn.buckets)
    found = [classical.ranks(own.tolist(), other.tolist()) for own, other in zip(canary, stable, strict=True)]
    return np.array([1.0 if one is None else one.p for one in found])


def kayenta(drawn: Drawn, _: Drawn, __: float) -> Outcome:
    """Kayenta's classifier (judges/kayenta.py) at the end of every stage, on all points so far (the last 120)."""
    rule = KayentaRule(name="kayenta")
    if drawn.p95 is not None:
        canary, stable = (v[:KAYENTA_RUNS] for v in drawn.p95)
    else:
        canary, stable = (drawn.x / drawn.n)[:KAYENTA_RUNS], (drawn.y / drawn.m)[:KAYENTA_RUNS]
    direction: Direction = "decrease" if drawn.world.higher else "increase"
    over = np.zeros(canary.shape, dtype=bool)
    for run in range(len(canary)):
        for stage in decided_at(drawn):
            end = stage[1]
            some = slice(max(end - MAX_SNAPSHOTS, 0), end)
            use = drawn.valid[run, some]
            found = classify(canary[run, some][use], stable[run, some][use], direction, rule.tolerance, rule.confidence)
            if found.label != "Pass":
                over[run, end - 1] = True
                break
    return outcome(over)


PEERS: Mapping[str, Rule] = {
    "naive z": naive_z,
    "O'B.-F. at ours": obrien_fleming,
    "O'B.-F. at 1 %": obrien_fleming_at_alpha,
    "Argo template": argo_template,
    "Flagger": flagger,
    "Kayenta": kayenta,
    "scorecard": scorecard,
    "recommendation": recommendation,
}
"""By the name in the tables."""
