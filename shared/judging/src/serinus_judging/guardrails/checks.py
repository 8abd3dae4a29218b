"""What runs beside every judge: limits on gauges, liveness, growth, anomalies, and descriptions (docs/judging.md).

A limit on a gauge aborts before all else, growth where the policy lets it. Pods that crash or do not serve hold, as
do gauges without data; growth and anomalies stand in the way of proceeding only. Descriptions change nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from serinus_contracts.events import Gauge, MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.arrays import Floats
from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import gauges, liveness, pod_anomaly, pod_series
from serinus_judging.guardrails.memory import Fallen, Memory
from serinus_judging.guardrails.pod_series import Scheme, scheme_of
from serinus_judging.guardrails.report import Beside, descriptions, found_of, growing, reported, unlike
from serinus_judging.plan_metrics import GAUGE_SHARE
from serinus_judging.snapshot import stage_seconds, young_pods
from serinus_judging.wording import clock, duration, false_abort_rate, requests

SIMILAR = 0.25
"""A gauge may be so much higher on the canary's pods, as a share of what pods have, without being an anomaly."""
COMMON = 0.75
"""Pods are compared in what so many of them have; those that lack it are left out."""
EARLIEST = 4
"""Looks into a stage before the first check."""
_FAULTS = ("provider_error", "no_data", "sample_ratio_mismatch", "settling", "awaiting_baseline")


def open(plan: AnalysisPlan) -> Memory:  # noqa: A001 - as a judge's
    """What is remembered before the first look."""
    scheme = scheme_of(plan)
    return Memory.empty(len(scheme.gauges), len(scheme.counted), len(scheme.durations))


def look(plan: AnalysisPlan, memory: Memory, snapshot: MetricsCollected) -> tuple[Memory, Beside]:
    """The memory after the look, and what was found. Looks must come in their order, each once."""
    scheme = scheme_of(plan)
    memory = _entered(plan, memory, snapshot)
    ids = {pod.name: pod_series.identity(pod.name) for pod in snapshot.pods if pod.arm == "canary"}
    troubles, alive = liveness.after(memory.troubles, plan, snapshot, ids)
    young = young_pods(plan, snapshot)
    over = gauges.beyond(scheme.limits, snapshot, young)
    fallen = memory.fallen or _beyond_twice(scheme, memory, over, snapshot)
    memory = replace(memory, troubles=troubles, fallen=fallen,
                     beyond=gauges.remembered(memory.beyond, over, scheme.limits, snapshot))  # fmt: skip
    if 0 <= snapshot.stage < len(plan.stages):
        memory = pod_series.followed(memory, plan, scheme, snapshot, young)
        if _is_due(plan, memory, snapshot):
            memory = _checked(plan, scheme, memory)
            memory = replace(memory, fallen=memory.fallen or _grown(plan, scheme, memory))
    fault, missing = _faults(plan, scheme, snapshot, young)
    if alive.text:
        fault = "liveness", f"{alive.text}; a canary that does not serve hides its errors"
    return memory, Beside(plan, snapshot, memory, alive, young, fault, _doubt(plan, scheme, memory), missing)


def settled(assessment: Assessment, found: Beside) -> Assessment:
    """The judge's assessment with what was found beside it."""
    verdict, reason, sentence, blame = assessment.verdict, assessment.reason, assessment.sentence, assessment.regressed
    harm = f"; {requests(assessment.evaluated_requests)} exposed"
    fallen = found.memory.fallen
    if fallen is not None and (fallen.reason == "limit" or verdict != "abort"):
        verdict, reason, blame = "abort", fallen.reason, (fallen.regressed,)
        sentence = f"abort: {fallen.text}{harm}"
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
        found=partial(found_of, assessment.found, found),
        described=partial(descriptions, found),
    )


def _outranks(reason: Reason, verdict: Verdict, told: Reason) -> bool:
    """Whether a reason to hold is told instead of the judge's: the dead come first, data of counts before gauges'."""
    return reason == "liveness" or verdict == "proceed" or told not in _FAULTS


def _entered(plan: AnalysisPlan, memory: Memory, snapshot: MetricsCollected) -> Memory:
    """A new stage begins anew; one that was left and entered again gets no more checks."""
    if (snapshot.stage, snapshot.stage_started) == (memory.stage, memory.stage_started):
        return memory
    checks = 0 if snapshot.stage > memory.top else -1
    return replace(
        open(plan),
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        top=max(memory.top, snapshot.stage),
        checks=checks,
        troubles=memory.troubles,
        beyond=memory.beyond,
        fallen=memory.fallen,
    )


def _beyond_twice(
    scheme: Scheme, memory: Memory, over: Sequence[gauges.Beyond], snapshot: MetricsCollected
) -> Fallen | None:
    for one in over:
        if (one.limit, pod_series.identity(one.pod)) in memory.beyond:
            limit = scheme.limits[one.limit]
            side = "under" if limit.better == "higher" else "over"
            text = f"{limit.metric} {one.value:.4g} on {one.pod}, {side} the limit of {limit.share:g}"
            return Fallen("limit", limit.name, f"{text} at two looks in a row, the last at {clock(snapshot.end)}")
    return None


def _is_due(plan: AnalysisPlan, memory: Memory, snapshot: MetricsCollected) -> bool:
    """Checks are made at a stage's minimum and each time its age has doubled since."""
    if memory.checks < 0 or memory.looks < EARLIEST:
        return False
    first = max(plan.stages[snapshot.stage].minimum, EARLIEST * plan.interval)
    return stage_seconds(snapshot) >= first * 2.0**memory.checks


def _checked(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> Memory:
    """The memory with growth and anomalies looked at."""
    kept, check = memory.followed, memory.checks
    growth = [
        (*gauges.growth(kept.times, kept.logs[:, g], kept.own), gauges.level(plan, plan.metrics[i], check))
        for g, i in enumerate(scheme.gauges)
    ]
    level = plan.false_abort_rate / len(plan.stages) * 0.5 ** (check + 1)
    values, tolerance = _means(plan, scheme, memory)
    found = pod_anomaly.unlike(values, np.arange(len(values)) < kept.own, tolerance)
    parts = np.zeros(0) if found is None else np.array([*found[:-1], level, *found.parts])
    return replace(memory, checks=check + 1, growth=np.array(growth).reshape(-1, 6), unlike=parts)


def _means(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> tuple[Floats, Floats]:
    """Each pod's mean distance from the others (P, F), growing with harm, NaN: unknown; what is tolerated (F,).

    A metric that most pods do not have is left out: it is 0 for all.
    """
    kept = memory.followed
    looks = np.maximum(kept.seen, 1)
    level = np.abs(kept.levels[0]) / np.maximum(kept.levels[1], 1)
    values, tolerance = kept.sums / looks, np.zeros(len(level))
    for f, i in enumerate(scheme.features):
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


def _grown(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> Fallen | None:
    """An abort by growth, of gauges that may."""
    for i, row in zip(scheme.gauges, memory.growth.tolist(), strict=False):
        if plan.metrics[i].may_abort and row[2] <= row[5]:
            sure = false_abort_rate(GAUGE_SHARE * plan.false_abort_rate)
            return Fallen("evidence", plan.metrics[i].name, f"{growing(plan, i, row)}, {sure}")
    return None


def _doubt(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> tuple[Reason, str] | None:
    """Growth or an anomaly at the last check."""
    for i, row in zip(scheme.gauges, memory.growth.tolist(), strict=False):
        if row[2] <= row[5]:
            return "anomaly", growing(plan, i, row)
    last = memory.unlike.tolist()
    if last and last[1] <= last[5]:
        return "anomaly", unlike(plan, scheme, memory)
    return None


def _faults(
    plan: AnalysisPlan, scheme: Scheme, snapshot: MetricsCollected, young: frozenset[str]
) -> tuple[tuple[Reason, str] | None, tuple[str, ...]]:
    """What is wrong with the gauges' data: never zero, never a pass."""
    found: list[tuple[Reason, str]] = []
    missing = []
    for i in scheme.gauges:
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
