"""Growth of gauges, such as a leak of memory (docs/explanation/judging.md, "Gauges").

Growth is an estimate: pods are its units, so it compares the slopes of the canary's pods with those of stable's.
"""

from collections.abc import Iterator, Sequence
from math import expm1, log, sqrt

import numpy as np
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import percent

from serinus_judging import classical
from serinus_judging.arrays import Floats
from serinus_judging.guardrails.findings import p_value
from serinus_judging.guardrails.memory import GaugeGrowth, LatchedAbort, StageSamples
from serinus_judging.guardrails.watched import Watched, display_name
from serinus_judging.plan_metrics import GAUGE_SHARE
from serinus_judging.wording import false_abort_rate

GROWTH = log(1.05)
"""By so much more than on stable may a gauge grow on the canary in an hour (in ln)."""
STEADY = 0.005
"""Slopes of stable's pods are taken to differ by at least so much (ln per hour), however few pods agree."""
MIN_POINTS = 4
MAX_GROWTH = log(100)
"""Growth an hour (in ln) of which no more is told: a few seconds of it do not last an hour."""


def of_stage(plan: AnalysisPlan, watched: Watched, samples: StageSamples, check: int) -> tuple[GaugeGrowth, ...]:
    """How each gauge has grown by a stage's check (from 0)."""
    return tuple([
        GaugeGrowth(*_growth(samples.times, samples.logs[:, g], samples.own), _level(plan, plan.metrics[i], check))
        for g, i in enumerate(watched.gauges)
    ])  # fmt: skip


def abort(plan: AnalysisPlan, watched: Watched, growths: Sequence[GaugeGrowth]) -> LatchedAbort | None:
    """Of the first gauge that has grown and may abort."""
    for i, growth in _exceeding(watched, growths):
        if plan.metrics[i].may_abort:
            sure = false_abort_rate(GAUGE_SHARE * plan.false_abort_rate)
            return LatchedAbort("evidence", plan.metrics[i].name, f"{sentence(plan, i, growth)}, {sure}")
    return None


def doubt(plan: AnalysisPlan, watched: Watched, growths: Sequence[GaugeGrowth]) -> str:
    """The first gauge that has grown, in words; empty if none has."""
    return next((sentence(plan, i, growth) for i, growth in _exceeding(watched, growths)), "")


def sentence(plan: AnalysisPlan, i: int, growth: GaugeGrowth) -> str:
    """memory grows 42 % an hour on the canary's pods, 1 % on stable's (3 and 9 pods, p 0.0001)."""
    here, there = _hourly(growth.canary), _hourly(growth.stable)
    pods = f"{growth.canary_pods:.0f} and {growth.stable_pods:.0f} pods, {p_value(growth.p)}"
    name = display_name(plan.metrics[i])
    return f"{name} grows {here} an hour on the canary's pods, {there} on stable's ({pods})"


def _growth(times: Floats, logs: Floats, own: int) -> tuple[float, float, float, int, int]:
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


def _level(plan: AnalysisPlan, metric: PlanMetric, check: int) -> float:
    """At which p-value growth is found at a stage's check, so that all checks of a run together keep the false-abort
    rate.

    Where a gauge may abort, a tenth of the rate is for such gauges; one that only holds has a rate of its own.
    """
    gauges = [one for one in plan.metrics if one.source.kind == "gauge" and one.may_abort == metric.may_abort]
    share = GAUGE_SHARE if metric.may_abort else 1.0
    return share * plan.false_abort_rate / (len(gauges) * len(plan.stages)) * 0.5 ** (check + 1)


def _exceeding(watched: Watched, growths: Sequence[GaugeGrowth]) -> Iterator[tuple[int, GaugeGrowth]]:
    # No growths before the first check of a stage.
    return ((i, growth) for i, growth in zip(watched.gauges, growths, strict=False) if growth.exceeds)


def _hourly(slope: float) -> str:
    return percent(expm1(slope)) if slope < MAX_GROWTH else f"more than {percent(expm1(MAX_GROWTH))}"
