"""The guardrails beside every judge: limits on gauges, liveness, growth, anomalies, and descriptions
(docs/explanation/judging.md).

A limit on a gauge aborts before all else, growth where the policy lets it. Pods that crash or do not serve hold, as
do gauges without data; growth and anomalies stand in the way of proceeding only. Descriptions change nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from serinus_contracts.events import Gauge, MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import duration, minute, requests

from serinus_judging.arrays import Floats
from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import gauges, liveness, pod_anomaly, pod_series
from serinus_judging.guardrails.memory import GaugeGrowth, GuardrailMemory, LatchedAbort, PodAnomaly
from serinus_judging.guardrails.pod_series import Watched, watched_by
from serinus_judging.guardrails.report import GuardrailResult, all_findings, descriptions, differing, growing, reported
from serinus_judging.plan_metrics import GAUGE_SHARE
from serinus_judging.snapshot import stage_seconds, young_pods
from serinus_judging.wording import false_abort_rate

SIMILAR = 0.25
"""A gauge may be so much higher on the canary's pods, as a share of what pods have, without being an anomaly."""
COMMON = 0.75
"""Pods are compared in what so many of them have; those that lack it are left out."""
MIN_SNAPSHOTS = 4
"""Snapshots of a stage before its first check."""
_FAULTS = ("provider_error", "no_data", "sample_ratio_mismatch", "settling", "awaiting_baseline")


def start(plan: AnalysisPlan) -> GuardrailMemory:
    """What is remembered before the first snapshot."""
    watched = watched_by(plan)
    return GuardrailMemory.empty(len(watched.gauges), len(watched.counted), len(watched.durations))


def evaluate(
    plan: AnalysisPlan, memory: GuardrailMemory, snapshot: MetricsCollected
) -> tuple[GuardrailMemory, GuardrailResult]:
    """The memory after a snapshot, and what was found. Snapshots must come in their order, each once."""
    watched = watched_by(plan)
    memory = _entered(plan, memory, snapshot)
    ids = {pod.name: pod_series.identity(pod.name) for pod in snapshot.pods if pod.arm == "canary"}
    troubles, alive = liveness.after(memory.troubles, plan, snapshot, ids)
    young = young_pods(plan, snapshot)
    over = gauges.over_limits(watched.limits, snapshot, young)
    latched = memory.latched or _over_limit_twice(watched, memory, over, snapshot)
    memory = replace(memory, troubles=troubles, latched=latched,
                     over_limit=gauges.remembered(memory.over_limit, over, watched.limits, snapshot))  # fmt: skip
    if 0 <= snapshot.stage < len(plan.stages):
        memory = pod_series.with_snapshot(memory, plan, watched, snapshot, young)
        if _is_due(plan, memory, snapshot):
            memory = _checked(plan, watched, memory)
            memory = replace(memory, latched=memory.latched or _grown(plan, watched, memory))
    fault, missing = _faults(plan, watched, snapshot, young)
    if alive.text:
        fault = "liveness", f"{alive.text}; a canary that does not serve hides its errors"
    return memory, GuardrailResult(plan, snapshot, memory, alive, young, fault, _doubt(plan, watched, memory), missing)


def apply_guardrails(assessment: Assessment, found: GuardrailResult) -> Assessment:
    """The judge's assessment with what the guardrails found."""
    verdict, reason, sentence, blame = assessment.verdict, assessment.reason, assessment.sentence, assessment.regressed
    harm = f"; {requests(assessment.evaluated_requests)} evaluated"
    latched = found.memory.latched
    if latched is not None and (latched.reason == "limit" or verdict != "abort"):
        verdict, reason, blame = "abort", latched.reason, (latched.regressed,)
        sentence = f"abort: {latched.text}{harm}"
    elif verdict != "abort":
        why = found.hold if found.hold and _outranks(found.hold[0], verdict, reason) else None
        if why is None and verdict == "proceed":
            why = found.doubt
        if why is not None:
            verdict, reason, sentence = "hold", why[0], f"hold: {why[1]}"
    return replace(
        assessment,
        verdict=verdict,
        reason=reason,
        sentence=sentence,
        regressed=blame,
        missing=tuple(dict.fromkeys(assessment.missing + found.missing)),
        report=partial(reported, assessment.report, found),
        found=partial(all_findings, assessment.found, found),
        described=partial(descriptions, found),
    )


def _outranks(reason: Reason, verdict: Verdict, told: Reason) -> bool:
    """Whether a reason to hold is told instead of the judge's: the dead come first, data of counts before gauges'."""
    return reason == "liveness" or verdict == "proceed" or told not in _FAULTS


def _entered(plan: AnalysisPlan, memory: GuardrailMemory, snapshot: MetricsCollected) -> GuardrailMemory:
    """A new stage begins anew; one that was left and entered again gets no more checks."""
    if (snapshot.stage, snapshot.stage_started) == (memory.stage, memory.stage_started):
        return memory
    checks = 0 if snapshot.stage > memory.top else -1
    return replace(
        start(plan),
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        top=max(memory.top, snapshot.stage),
        checks=checks,
        troubles=memory.troubles,
        over_limit=memory.over_limit,
        latched=memory.latched,
    )


def _over_limit_twice(
    watched: Watched, memory: GuardrailMemory, over: Sequence[gauges.OverLimit], snapshot: MetricsCollected
) -> LatchedAbort | None:
    for one in over:
        if (one.limit, pod_series.identity(one.pod)) in memory.over_limit:
            limit = watched.limits[one.limit]
            side = "under" if limit.better == "higher" else "over"
            text = f"{limit.metric} {one.value:.4g} on {one.pod}, {side} the limit of {limit.share:g}"
            return LatchedAbort(
                "limit", limit.name, f"{text} in two snapshots in a row, the last at {minute(snapshot.end)}"
            )
    return None


def _is_due(plan: AnalysisPlan, memory: GuardrailMemory, snapshot: MetricsCollected) -> bool:
    """Checks are made at a stage's minimum and each time its age has doubled since."""
    if memory.checks < 0 or memory.snapshots < MIN_SNAPSHOTS:
        return False
    first = max(plan.stages[snapshot.stage].minimum, MIN_SNAPSHOTS * plan.interval)
    return stage_seconds(snapshot) >= first * 2.0**memory.checks


def _checked(plan: AnalysisPlan, watched: Watched, memory: GuardrailMemory) -> GuardrailMemory:
    """The memory with growth and anomalies looked at."""
    kept, check = memory.samples, memory.checks
    growth = [
        GaugeGrowth(*gauges.growth(kept.times, kept.logs[:, g], kept.own), gauges.level(plan, plan.metrics[i], check))
        for g, i in enumerate(watched.gauges)
    ]
    level = plan.false_abort_rate / len(plan.stages) * 0.5 ** (check + 1)
    values, tolerance = _means(plan, watched, memory)
    found = pod_anomaly.pod_distance(values, np.arange(len(values)) < kept.own, tolerance)
    anomaly = None if found is None else PodAnomaly(*found[:-1], level, found.parts)
    return replace(memory, checks=check + 1, growth=tuple(growth), anomaly=anomaly)


def _means(plan: AnalysisPlan, watched: Watched, memory: GuardrailMemory) -> tuple[Floats, Floats]:
    """Each pod's mean distance from the others (P, F), growing with harm, NaN: unknown; what is tolerated (F,).

    A metric that most pods do not have is left out: it is 0 for all.
    """
    kept = memory.samples
    snapshots = np.maximum(kept.seen, 1)
    level = np.abs(kept.levels[0]) / np.maximum(kept.levels[1], 1)
    values, tolerance = kept.sums / snapshots, np.zeros(len(level))
    for f, i in enumerate(watched.features):
        metric = plan.metrics[i]
        if metric.source.kind == "gauge":
            tolerance[f] = SIMILAR * level[f]
        else:
            tolerance[f] = abs(metric.margin.ratio - 1) * level[f] + metric.margin.absolute
        if metric.better == "higher":
            values[f] = -values[f]
    known = kept.seen > 0
    values[~known] = np.nan
    values[known.mean(axis=1) < COMMON if known.size else []] = 0.0
    return values.T, tolerance


def _grown(plan: AnalysisPlan, watched: Watched, memory: GuardrailMemory) -> LatchedAbort | None:
    """An abort by growth, of gauges that may."""
    for i, growth in zip(watched.gauges, memory.growth, strict=False):
        if plan.metrics[i].may_abort and growth.exceeds:
            sure = false_abort_rate(GAUGE_SHARE * plan.false_abort_rate)
            return LatchedAbort("evidence", plan.metrics[i].name, f"{growing(plan, i, growth)}, {sure}")
    return None


def _doubt(plan: AnalysisPlan, watched: Watched, memory: GuardrailMemory) -> tuple[Reason, str] | None:
    """Growth or an anomaly at the last check."""
    for i, growth in zip(watched.gauges, memory.growth, strict=False):
        if growth.exceeds:
            return "anomaly", growing(plan, i, growth)
    if memory.anomaly is not None and memory.anomaly.exceeds:
        return "anomaly", differing(plan, watched, memory.anomaly)
    return None


def _faults(
    plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected, young: frozenset[str]
) -> tuple[tuple[Reason, str] | None, tuple[str, ...]]:
    """What is wrong with the gauges' data: never zero, never a pass."""
    found: list[tuple[Reason, str]] = []
    missing = []
    for i in watched.gauges:
        name = plan.metrics[i].name
        measured = snapshot.metrics.get(name)
        if measured is not None and measured.status in ("waiting", "settling"):
            continue
        if measured is not None and measured.status == "ok" and isinstance(measured, Gauge):
            if measured.canary.keys() - young:
                continue
            if measured.canary:
                found.append(("settling", f"{name}: the canary's pods are younger than {duration(plan.warmup)}"))
                continue
        missing.append(name)
        detail = (measured.detail if measured else "not measured") or "no canary pod has a value"
        if measured is not None and measured.status in ("ok", "error") and not isinstance(measured, Gauge):
            found.append(("provider_error", f"{name} cannot be judged: measured as {measured.kind}, planned as gauge"))
        elif measured is not None and measured.status == "error":
            found.append(("provider_error", f"{name} cannot be judged: {detail}"))
        else:
            found.append(("no_data", f"{name}: {detail}"))
    order = ("provider_error", "no_data", "settling")
    return min(found, key=lambda one: order.index(one[0]), default=None), tuple(missing)
