"""What the guardrails found, in words and numbers: reasons first, then the descriptions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from serinus_contracts.events import Label, MetricsCollected, Reason
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import duration, names

from serinus_judging.arrays import Floats
from serinus_judging.assessment import Fields
from serinus_judging.guardrails import findings, gauge_growth, load, pod_anomaly, sample_ratio
from serinus_judging.guardrails.liveness import Liveness
from serinus_judging.guardrails.memory import GuardrailMemory, PodAnomaly
from serinus_judging.guardrails.watched import Watched
from serinus_judging.histogram import quantiles
from serinus_judging.plan_metrics import GAUGE_SHARE

TOLD_QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class GuardrailResult:
    """What was found in one snapshot; `hold` and `doubt` are reasons with their words.

    hold: nothing proceeds, and this is why; doubt: only stands in the way of proceeding; missing: gauges without
    values; young: pods that are warming up.
    """

    plan: AnalysisPlan
    watched: Watched
    snapshot: MetricsCollected
    memory: GuardrailMemory
    liveness: Liveness
    young: frozenset[str]
    hold: tuple[Reason, str] | None
    doubt: tuple[Reason, str] | None
    missing: tuple[str, ...]


def reported(report: Callable[[], tuple[Fields, ...]], result: GuardrailResult) -> tuple[Fields, ...]:
    """The judge's metrics, latencies with what they are in seconds, and the gauges that it has not judged itself."""
    known = _with_durations(report(), result)
    if not result.watched.gauges:
        return known
    names = {metric["name"] for metric in known}
    return (*known, *(gauge for gauge in _gauges(result) if gauge["name"] not in names))


def _with_durations(known: tuple[Fields, ...], result: GuardrailResult) -> tuple[Fields, ...]:
    """What the histograms of this stage say in seconds, beside what is tested of them."""
    added = {}
    for i, (canary, stable) in zip(result.watched.durations, result.memory.samples.buckets, strict=True):
        metric = result.plan.metrics[i]
        edges = getattr(result.snapshot.metrics.get(metric.name), "edges", ())
        told = {"allowed_slowdown": metric.margin.ratio, "durations": _durations(edges, canary, stable)}
        added[metric.name] = told
    return tuple([one | added[one["name"]] if one["name"] in added else one for one in known])


def _durations(edges: Sequence[float], canary: Floats, stable: Floats) -> list[Fields]:
    own, other = (quantiles(edges, arm.astype(np.int64).tolist(), TOLD_QUANTILES) for arm in (canary, stable))
    return [
        {"quantile": wanted, "canary": one, "stable": another}
        for wanted, one, another in zip(TOLD_QUANTILES, own, other, strict=False)
    ]


def _gauges(result: GuardrailResult) -> list[Fields]:
    plan, watched = result.plan, result.watched
    told = []
    may = sum(plan.metrics[i].may_abort for i in watched.gauges)
    for g, i in enumerate(watched.gauges):
        metric = plan.metrics[i]
        measured = result.snapshot.metrics.get(metric.name)
        status = "no_data" if measured is None else measured.status
        label: Label = "ok"
        if result.memory.latched and result.memory.latched.regressed in (
            metric.name,
            *(x.name for x in watched.limits if x.metric == metric.name),
        ):
            label = "worse"
        elif metric.name in result.missing:
            label = "error" if status in ("error", "ok") else "no_data"
        elif g < len(result.memory.growth) and result.memory.growth[g].exceeds:
            label = "warning"
        told.append(
            {
                "name": metric.name,
                "label": label,
                "status": status,
                "better": metric.better,
                "share": GAUGE_SHARE / may if metric.may_abort else 0.0,
                "log_eprocess": 0.0,
                "run": (),
            }
        )
    return told


def all_findings(known: Callable[[], tuple[Fields, ...]], result: GuardrailResult) -> tuple[Fields, ...]:
    """What the judge found, and what the guardrails did."""
    return (*known(), *_reasons(result))


def _reasons(result: GuardrailResult) -> list[Fields]:
    plan, memory, watched = result.plan, result.memory, result.watched
    told: list[Fields] = []
    if result.memory.latched:
        kind = "threshold" if result.memory.latched.reason == "limit" else "trend"
        told.append({"kind": kind, "metric": result.memory.latched.regressed, "severity": "critical", "decides": True,
                     "text": result.memory.latched.text})  # fmt: skip
    if result.liveness.text:
        told.append({"kind": "liveness", "severity": "critical", "decides": True, "text": result.liveness.text,
                     "pods": result.liveness.pods})  # fmt: skip
    if 0 < result.snapshot.weight < 100 and (why := sample_ratio.untested(plan, result.snapshot)):
        told.append({"kind": "traffic", "severity": "info", "text": f"the split of the traffic is not tested: {why}; "
                     "the source's exclude can leave them out (docs/how-to/sources.md)"})  # fmt: skip
    if (more := load.heavier(plan, result.snapshot, result.young)) is not None:
        told.append({"kind": "traffic", "severity": "info", "values": {"ratio": more.ratio},
                     "text": f"{more.text}; what follows load is worse for that reason alone"})  # fmt: skip
    for i, growth in zip(watched.gauges, memory.growth, strict=False):
        if not isnan(growth.p):
            values = {"canary_per_hour": growth.canary, "stable_per_hour": growth.stable, "p": growth.p,
                      "level": growth.level}  # fmt: skip
            told.append({"kind": "trend", "metric": plan.metrics[i].name,
                         "severity": "warning" if growth.exceeds else "none", "decides": growth.exceeds,
                         "text": gauge_growth.sentence(plan, i, growth), "values": values})  # fmt: skip
    if memory.anomaly is not None:
        told.append(_anomaly(plan, watched, memory.anomaly))
    young = sorted(result.young)  # of counts each metric's detail says what was left out
    without = [plan.metrics[i].name for i in sorted((*watched.durations, *watched.gauges))]
    if young and without:
        pods = "pod" if len(young) == 1 else "pods"
        text = f"{len(young)} {pods} younger than {duration(plan.warmup)} left out of {names(without)}"
        told.append({"kind": "liveness", "severity": "none", "text": text, "pods": tuple(young[:16])})
    return told


def _anomaly(plan: AnalysisPlan, watched: Watched, anomaly: PodAnomaly) -> Fields:
    values = {"distance": anomaly.distance, "p": anomaly.p, "min_p": anomaly.min_p, "level": anomaly.level}
    if anomaly.distance == 0:
        text = "no metric is worse on the canary's pods than pods differ and margins allow"
    else:
        text = pod_anomaly.sentence(plan, watched, anomaly)
        if anomaly.min_p > anomaly.level:
            pods = f"{anomaly.canary_pods:.0f} of {anomaly.pods:.0f} pods"
            text += f"; {pods} can give no p below {anomaly.min_p:.2g}, so it only describes"
    return {"kind": "anomaly", "severity": "warning" if anomaly.exceeds else "none", "decides": anomaly.exceeds,
            "text": text, "values": values}  # fmt: skip


def descriptions(result: GuardrailResult) -> tuple[Fields, ...]:
    """Classical statistics of the stage's counts: nothing is decided by them."""
    plan, watched, kept = result.plan, result.watched, result.memory.samples
    told: list[Fields | None] = []
    hours = (kept.times / 3600).tolist()
    for k, (i, total) in enumerate(zip(watched.counted, kept.totals.tolist(), strict=True)):
        metric, (x, n, y, m, seconds) = plan.metrics[i], total
        canary, stable = (int(x), int(n)), (int(y), int(m))
        told.append(findings.of_proportions(metric.name, canary, stable, metric.better))
        told.append(findings.of_trend(metric.name, hours, kept.rates[:, k].tolist(), metric.better))
        if metric.better == "higher":
            told.append(findings.of_business(metric.name, canary, stable, seconds))
    for i, buckets in zip(watched.durations, kept.buckets, strict=True):
        measured = result.snapshot.metrics.get(plan.metrics[i].name)
        edges = getattr(measured, "edges", ())
        told.append(findings.of_durations(plan.metrics[i].name, edges, *buckets.astype(np.int64).tolist()))
    return tuple([one for one in told if one is not None])
