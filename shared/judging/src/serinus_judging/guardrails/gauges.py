"""Gauges: values that pods have, such as memory (docs/explanation/judging.md, "Gauges").

A limit on a gauge is a fact about a pod: beyond it at two snapshots in a row on the same pod. Growth is an estimate:
pods are its units, so it compares the slopes of the canary's pods with those of stable's.
"""

from collections.abc import Sequence
from math import log, sqrt
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import Gauge, MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanLimit, PlanMetric

from serinus_judging import classical
from serinus_judging.arrays import Floats
from serinus_judging.guardrails.pod_series import identity
from serinus_judging.plan_metrics import GAUGE_SHARE

GROWTH = log(1.05)
"""By so much more than on stable may a gauge grow on the canary in an hour (in ln)."""
STEADY = 0.005
"""Slopes of stable's pods are taken to differ by at least so much (ln per hour), however few pods agree."""
MAX_OVER_LIMIT = 32
"""Pods beyond a limit that are remembered, the furthest first."""
MIN_POINTS = 4


class OverLimit(NamedTuple):
    """A pod of the canary that is beyond a limit on a gauge."""

    limit: int
    pod: str
    value: float


def over_limits(limits: Sequence[PlanLimit], snapshot: MetricsCollected, young: frozenset[str]) -> list[OverLimit]:
    """Canary pods beyond each limit in this snapshot, the furthest first; what is not finite is no value."""
    over_all: list[OverLimit] = []
    for number, limit in enumerate(limits):
        measured = snapshot.metrics.get(limit.metric)
        if not isinstance(measured, Gauge) or measured.status != "ok":
            continue
        sign = -1.0 if limit.better == "higher" else 1.0
        over = [
            OverLimit(number, pod, value)
            for pod, value in measured.canary.items()
            if sign * value > sign * limit.share and abs(value) < np.inf and pod not in young
        ]
        over_all += sorted(over, key=lambda one: (-sign * one.value, one.pod))[:MAX_OVER_LIMIT]
    return over_all


def remembered(
    before: frozenset[tuple[int, int]],
    found: Sequence[OverLimit],
    limits: Sequence[PlanLimit],
    snapshot: MetricsCollected,
) -> frozenset[tuple[int, int]]:
    """What to compare the next snapshot with: this one's pods, or those before where a gauge was not measured now."""
    unknown = {i for i, limit in enumerate(limits) if not _measured(snapshot, limit.metric)}
    return frozenset({(one.limit, identity(one.pod)) for one in found} | {one for one in before if one[0] in unknown})


def _measured(snapshot: MetricsCollected, name: str) -> bool:
    measured = snapshot.metrics.get(name)
    return measured is not None and measured.status == "ok"


def growth(times: Floats, logs: Floats, own: int) -> tuple[float, float, float, int, int]:
    """Growth per hour of canary and stable (in ln), and the p-value of "the canary's is at most GROWTH larger";
    pods of canary and stable that tell.

    times (T,) in seconds, logs (T, P) with the canary's pods first. Slopes are Theil and Sen's, so single wild values
    do no harm; Student's t with stable's spread alone, so that one canary pod is enough. NaN where too little is known.
    """
    whole = np.isfinite(logs).sum(axis=0) >= MIN_POINTS
    slopes = classical.slopes(times / 3600, logs)
    canary, stable = slopes[:own][whole[:own]], slopes[own:][whole[own:]]
    if len(canary) == 0 or len(stable) < 2:
        return np.nan, np.nan, np.nan, len(canary), len(stable)
    here, there = float(canary.mean()), float(stable.mean())
    spread = max(float(stable.std(ddof=1)), STEADY)
    t = (here - there - GROWTH) / (spread * sqrt(1 / len(canary) + 1 / len(stable)))
    return here, there, classical.student_tail(t, len(stable) - 1), len(canary), len(stable)


def level(plan: AnalysisPlan, metric: PlanMetric, check: int) -> float:
    """At which p-value growth is found at a stage's check (from 0), so that all checks of a run together keep the
    false-abort rate.

    Where a gauge may abort, a tenth of the rate is for such gauges; one that only holds has a rate of its own.
    """
    gauges = [one for one in plan.metrics if one.source.kind == "gauge" and one.may_abort == metric.may_abort]
    share = GAUGE_SHARE if metric.may_abort else 1.0
    return share * plan.false_abort_rate / (len(gauges) * len(plan.stages)) * 0.5 ** (check + 1)
