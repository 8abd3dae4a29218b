"""Whether the canary's pods differ from stable's in several metrics at once (docs/explanation/judging.md, "Anomalies").

Only what is worse than its tolerance counts, in units of how pods differ among themselves: Mahalanobis' distance by a
covariance that is shrunk as Ledoit and Wolf do, since pods are few and metrics many. How unlikely the distance is
tells a permutation test: with the pods' labels permuted it is as large by chance only in a share p of the permutations.
That holds for any number of pods and any distribution; it needs pods that would be alike but for the release. It
explains and holds, it never aborts.
"""

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import names

from serinus_judging.arrays import Bools, Floats
from serinus_judging.guardrails.findings import p_value
from serinus_judging.guardrails.memory import PodAnomaly, StageSamples
from serinus_judging.guardrails.watched import Watched, display_name

PERMUTATIONS = 4_999
"""Permutations that are tried where there are more than so many."""
MIN_PODS = 4
"""Pods below which no covariance is estimated."""
SIMILAR = 0.25
"""A gauge may be so much higher on the canary's pods, as a share of what pods have, without being an anomaly."""
COMMON = 0.75
"""Pods are compared in what so many of them have; those that lack it are left out."""


class PodDistance(NamedTuple):
    """How far the canary's pods are from stable's beyond tolerance.

    distance: of the canary's mean; p: of a permutation test; min_p: the smallest p that so many pods can give;
    canary_pods, pods: pods compared; parts: what each metric contributes to the distance, from 0.
    """

    distance: float
    p: float
    min_p: float
    canary_pods: int
    pods: int
    parts: tuple[float, ...]


def of_stage(plan: AnalysisPlan, watched: Watched, samples: StageSamples, check: int) -> PodAnomaly | None:
    """How unlike the canary's pods are by a stage's check (from 0); None as in `pod_distance`."""
    values, tolerance = _means(plan, watched, samples)
    distance = pod_distance(values, np.arange(len(values)) < samples.own, tolerance)
    level = plan.false_abort_rate / len(plan.stages) * 0.5 ** (check + 1)
    return None if distance is None else PodAnomaly(*distance[:-1], level, distance.parts)


def doubt(plan: AnalysisPlan, watched: Watched, anomaly: PodAnomaly | None) -> str:
    """The anomaly in words; empty if there is none."""
    return sentence(plan, watched, anomaly) if anomaly is not None and anomaly.exceeds else ""


def sentence(plan: AnalysisPlan, watched: Watched, anomaly: PodAnomaly) -> str:
    """The canary's pods are unlike stable's, mostly in memory (3 of 12 pods, distance 4.2, p 0.0005)."""
    parts = anomaly.parts
    most = [f for f in sorted(range(len(parts)), key=lambda f: -parts[f]) if parts[f] >= 0.25 * sum(parts)]
    of = names([display_name(plan.metrics[watched.features[f]]) for f in most])
    pods = f"{anomaly.canary_pods:.0f} of {anomaly.pods:.0f} pods"
    how = f"{pods}, distance {anomaly.distance:.1f}, {p_value(anomaly.p)}"
    return f"the canary's pods are unlike stable's, mostly in {of} ({how})"


def _means(plan: AnalysisPlan, watched: Watched, samples: StageSamples) -> tuple[Floats, Floats]:
    """Each pod's mean distance from the others (P, F), growing with harm, NaN: unknown; what is tolerated (F,).

    A metric that most pods do not have is left out: it is 0 for all.
    """
    snapshots = np.maximum(samples.seen, 1)
    level = np.abs(samples.levels[0]) / np.maximum(samples.levels[1], 1)
    values, tolerance = samples.sums / snapshots, np.zeros(len(level))
    for f, i in enumerate(watched.features):
        metric = plan.metrics[i]
        if metric.source.kind == "gauge":
            tolerance[f] = SIMILAR * level[f]
        else:
            tolerance[f] = abs(metric.margin.ratio - 1) * level[f] + metric.margin.absolute
        if metric.better == "higher":
            values[f] = -values[f]
    known = samples.seen > 0
    values[~known] = np.nan
    values[known.mean(axis=1) < COMMON if known.size else []] = 0.0
    return values.T, tolerance


def pod_distance(values: Floats, canary: Bools, tolerance: Floats) -> PodDistance | None:
    """values (pods, metrics): each pod's mean, larger is worse; canary (pods,); tolerance (metrics,), at least 0.

    Pods with a value that is not finite are left out. None with fewer than four pods, none of an arm, or no metric in
    which pods differ.
    """
    whole = np.isfinite(values).all(axis=1)
    values, canary = values[whole], canary[whole]
    pods, own = len(values), int(canary.sum())
    if pods < MIN_PODS or not 0 < own < pods or not values.size:
        return None
    centred = values - values.mean(axis=0)
    spread = np.sqrt((centred**2).mean(axis=0))
    varied = spread > 1e-12 * np.maximum(np.abs(values).max(axis=0), 1e-300)
    if not varied.any():
        return None
    scaled = np.where(varied, centred / np.where(varied, spread, 1.0), 0.0)
    slack = np.where(varied, tolerance / np.where(varied, spread, 1.0), np.inf)
    inverse = np.linalg.inv(shrunk_covariance(scaled)).astype(np.float64)
    share = pods / (pods - own)  # from the mean of all pods to that of the others

    def beyond(groups: Floats) -> Floats:
        result: Floats = np.maximum(groups @ scaled * share - slack, 0.0)
        return result

    seen = beyond(canary[None] / own)
    distance = _distance(seen, inverse)[0]
    min_p = 1 / min(comb(pods, own), PERMUTATIONS + 1)
    parts = (seen[0] * (inverse @ seen[0])).clip(min=0)
    by_metric = tuple(parts.tolist())
    if distance <= 0:
        return PodDistance(0.0, 1.0, min_p, own, pods, by_metric)
    others = _distance(beyond(_permutations(pods, own) / own), inverse)
    as_far = int((others >= distance * (1 - 1e-9)).sum())
    p = as_far / len(others) if comb(pods, own) <= PERMUTATIONS else (1 + as_far) / (1 + len(others))
    return PodDistance(float(distance), p, min_p, own, pods, by_metric)


def shrunk_covariance(centred: Floats) -> Floats:
    """Covariance (metrics, metrics) of centred values (pods, metrics), drawn towards a multiple of the identity.

    Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices" (2004): by how much
    minimises the expected squared error. Positive definite unless all values are 0.
    """
    pods, metrics = centred.shape
    sample = centred.T @ centred / pods
    mean = float(np.trace(sample)) / metrics
    far = float(((sample - mean * np.eye(metrics)) ** 2).sum()) / metrics
    squares = centred**2
    noise = float((squares.T @ squares / pods - sample**2).sum()) / metrics / pods
    weight = min(max(noise, 0.0) / far, 1.0) if far > 0 else 1.0
    least = 1e-9 * max(mean, 1e-300)  # so that it can be inverted
    result: Floats = (1 - weight) * sample + (weight * mean + least) * np.eye(metrics)
    return result


def _distance(beyond: Floats, inverse: Floats) -> Floats:
    result: Floats = np.sqrt(np.maximum(((beyond @ inverse) * beyond).sum(axis=1), 0.0))
    return result


@lru_cache(maxsize=32)
def _permutations(pods: int, own: int) -> Bools:
    """Which pods play canary (permutations, pods): all where they are few, else so many drawn once and for all."""
    if comb(pods, own) <= PERMUTATIONS:
        chosen = np.array(list(combinations(range(pods), own)), dtype=np.intp)
    else:
        keys = np.random.default_rng(0).random((PERMUTATIONS, pods))
        chosen = np.argpartition(keys, own - 1, axis=1)[:, :own]
    permuted = np.zeros((len(chosen), pods), dtype=bool)
    np.put_along_axis(permuted, chosen, True, axis=1)
    return permuted
