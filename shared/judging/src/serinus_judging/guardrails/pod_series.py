"""Pods and counts over a stage: what anomalies, growth and descriptions are made of.

A stage has one split of the traffic, so only within it are pods compared; everything begins again with the next. Of
many pods some are followed, chosen by a hash of their name, which knows nothing of how they fare.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import Distribution, Gauge, Measurement, MetricsCollected, Proportion
from serinus_contracts.plan import AnalysisPlan, Gauged, PlanMetric

from serinus_judging.arrays import Floats
from serinus_judging.guardrails.memory import GuardrailMemory, StageSamples, identity
from serinus_judging.guardrails.watched import Watched
from serinus_judging.plan_metrics import is_rate
from serinus_judging.snapshot import stage_seconds, summed

MAX_CANARY_PODS, MAX_PODS = 6, 16
"""Pods followed of the canary, and in all."""
MAX_VALUE = 1e30
"""A gauge whose value is larger, or no number, is not compared: sums would leave single precision."""
MAX_POINTS = 8
"""Points kept of a series: when it is full every second one is dropped, and half as many are taken from then on."""


class Sample(NamedTuple):
    """One snapshot of the pods: names by identity and arm, and each feature's values by name and arm."""

    canary: dict[int, str]
    stable: dict[int, str]
    values: tuple[tuple[dict[str, float], dict[str, float]], ...]


def sample(plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected, young: frozenset[str]) -> Sample:
    """What the snapshot says of each warm pod. A gauge that is a rate, such as CPU, is taken per request of the pod,
    since pods of the arms may serve more or less each."""
    loads = _loads(plan, watched, snapshot)
    values = []
    for i in watched.features:
        metric, measured = plan.metrics[i], snapshot.metrics.get(plan.metrics[i].name)
        values.append((_values(metric, measured, "canary", loads[0]), _values(metric, measured, "stable", loads[1])))
    canary, stable = (
        {identity(name): name for name in {name for both in values for name in both[arm]} - young if name}
        for arm in (0, 1)
    )
    return Sample(canary, stable, tuple(values))


def _loads(plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected) -> tuple[dict[str, int], dict[str, int]]:
    """Trials per pod of the first counted metric without lag."""
    for i in watched.counted:
        measured = snapshot.metrics.get(plan.metrics[i].name)
        if not plan.metrics[i].lag and isinstance(measured, Proportion) and measured.status == "ok":
            return (
                {name: trials for name, (_, trials) in measured.canary.items()},
                {name: trials for name, (_, trials) in measured.stable.items()},
            )
    return {}, {}


def _values(metric: PlanMetric, measured: Measurement | None, arm: str, loads: Mapping[str, int]) -> dict[str, float]:
    if measured is None or measured.status != "ok":
        return {}
    of_pods = getattr(measured, arm)
    if isinstance(measured, Proportion):
        rate = is_rate(metric)
        return {
            name: events / trials
            for name, (events, trials) in of_pods.items()
            if trials > 0 and events >= 0 and (rate or events <= trials)
        }
    if not isinstance(measured, Gauge):
        return {}
    if isinstance(metric.source, Gauged) and metric.source.rate:
        of_pods = {name: value / loads[name] for name, value in of_pods.items() if loads.get(name, 0) > 0}
    return {name: value for name, value in of_pods.items() if abs(value) < MAX_VALUE}


def with_snapshot(
    memory: GuardrailMemory, plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected, young: frozenset[str]
) -> GuardrailMemory:
    """The memory after a snapshot within a stage. Pods are read where a point is taken: ever more seldom."""
    old, stride = memory.samples, memory.stride
    fresh = [_counts(snapshot.metrics.get(plan.metrics[i].name)) for i in watched.counted]
    durations = [snapshot.metrics.get(plan.metrics[i].name) for i in watched.durations]
    after = replace(
        old,
        totals=old.totals + np.array(fresh).reshape(-1, 5),
        buckets=tuple([_added(*each) for each in zip(old.buckets, durations, strict=True)]),
    )
    if memory.snapshots % stride == 0 and len(old.times) == MAX_POINTS:
        stride *= 2
        after = replace(after, times=after.times[::2], rates=after.rates[::2], logs=after.logs[::2])
    if memory.snapshots % stride == 0:
        after = _with_point(after, plan, watched, snapshot, fresh, sample(plan, watched, snapshot, young))
    return replace(memory, samples=after, snapshots=memory.snapshots + 1, stride=stride)


def _with_point(
    old: StageSamples,
    plan: AnalysisPlan,
    watched: Watched,
    snapshot: MetricsCollected,
    counts: Sequence[tuple[float, ...]],
    seen: Sample,
) -> StageSamples:
    """counts: of each counted metric in this snapshot."""
    old = _kept(old, seen)
    names = [(seen.canary if i < old.own else seen.stable).get(pod, "") for i, pod in enumerate(old.pods.tolist())]
    rows = [[arms[i >= old.own].get(name, np.nan) for i, name in enumerate(names)] for arms in seen.values]
    values = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    sums, snapshots, levels = _gathered(old, values)
    gauges = values[len(watched.counted) :]
    positive = (gauges > 0) & (gauges < np.inf)
    log = np.where(positive, np.log(np.where(positive, gauges, 1.0)), np.nan)
    rates = [x / n if n > 0 else np.nan for x, n, *_ in counts]
    return replace(
        old,
        sums=sums,
        seen=snapshots,
        levels=levels,
        times=np.append(old.times, stage_seconds(snapshot)),
        rates=np.concatenate([old.rates, [rates]]),
        logs=np.concatenate([old.logs, log[None]]),
    )


def _gathered(old: StageSamples, values: Floats) -> tuple[Floats, Floats, Floats]:
    """sums, seen and levels after a snapshot of the features (F, P)."""
    known = np.isfinite(values)
    count = known.sum(axis=1)
    if values.size == 0 or count.max() < 2:
        return old.sums, old.seen, old.levels
    known &= (count >= 2)[:, None]
    row, last = np.arange(len(values)), values.shape[1] - 1
    ordered = np.sort(np.where(known, values, np.inf), axis=1)
    middle = (ordered[row, np.maximum(count - 1, 0) // 2] + ordered[row, np.minimum(count // 2, last)]) / 2
    middle = np.where(count >= 2, middle, 0.0)
    away = np.where(known, values - middle[:, None], 0.0)
    return old.sums + away, old.seen + known, old.levels + np.stack([middle, count >= 2])


def _kept(old: StageSamples, seen: Sample) -> StageSamples:
    """The pods that are followed from now on: as before while all are there and there is no room for more."""
    pods = old.pods.tolist()
    there = [i for i, pod in enumerate(pods) if pod in (seen.canary if i < old.own else seen.stable)]
    total = len(seen.canary) + len(seen.stable)
    if total == 0 or (len(there) == len(pods) and len(pods) in (MAX_PODS, total)):
        return old
    known = {pods[i] for i in there}
    own, others = [i for i in there if i < old.own], [i for i in there if i >= old.own]
    new_own = sorted(seen.canary.keys() - known)[: MAX_CANARY_PODS - len(own)]
    new_others = sorted(seen.stable.keys() - known)[: MAX_PODS - len(own) - len(new_own) - len(others)]
    chosen = [*(pods[i] for i in own), *new_own, *(pods[i] for i in others), *new_others]
    # -1 takes the column that is put behind the others: nothing is known of a new pod
    place = np.array([*own, *(-1 for _ in new_own), *others, *(-1 for _ in new_others)], dtype=np.intp)
    return replace(
        old,
        pods=np.array(chosen, dtype=np.uint32),
        own=len(own) + len(new_own),
        sums=np.pad(old.sums, ((0, 0), (0, 1)))[:, place],
        seen=np.pad(old.seen, ((0, 0), (0, 1)))[:, place],
        logs=np.pad(old.logs, ((0, 0), (0, 0), (0, 1)), constant_values=np.nan)[:, :, place],
    )


def _counts(measured: Measurement | None) -> tuple[float, ...]:
    if not isinstance(measured, Proportion) or measured.status != "ok":
        return (0, 0, 0, 0, 0)
    seconds = measured.window.seconds if measured.window else 0
    return (*summed(measured.canary), *summed(measured.stable), seconds)


def _added(buckets: Floats, measured: Measurement | None) -> Floats:
    """Requests per bucket after the snapshot; they begin again where the edges of a histogram have changed."""
    if not isinstance(measured, Distribution) or measured.status != "ok":
        return buckets
    if len(measured.canary) != len(measured.stable):
        return buckets
    fresh = np.array([measured.canary, measured.stable], dtype=np.float64)
    return fresh + buckets if fresh.shape == buckets.shape else fresh
