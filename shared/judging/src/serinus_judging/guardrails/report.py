"""What was found beside the judge, in words and numbers: reasons first, then the descriptions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import expm1, isnan, log

import numpy as np
from serinus_contracts.events import Finding, Label, MetricsCollected, MetricVerdict, Reason
from serinus_contracts.plan import AnalysisPlan, Gauged

from serinus_judging.guardrails import findings, sample_ratio
from serinus_judging.guardrails.findings import Fields
from serinus_judging.guardrails.liveness import Liveness
from serinus_judging.guardrails.memory import Memory
from serinus_judging.guardrails.pod_series import Scheme, scheme_of
from serinus_judging.plan_metrics import GAUGE_SHARE
from serinus_judging.wording import duration, names, percent

MOST_GROWTH = log(100)
"""Growth an hour (in ln) of which no more is told: a few seconds of it do not last an hour."""


@dataclass(frozen=True)
class Beside:
    """What was found in one look; `hold` and `doubt` are reasons with their words.

    hold: nothing proceeds, and this is why; doubt: only stands in the way of proceeding; missing: gauges without
    values; young: pods that are warming up.
    """

    plan: AnalysisPlan
    snapshot: MetricsCollected
    memory: Memory
    liveness: Liveness
    young: frozenset[str]
    hold: tuple[Reason, str] | None
    doubt: tuple[Reason, str] | None
    missing: tuple[str, ...]


def growing(plan: AnalysisPlan, i: int, row: Sequence[float]) -> str:
    """memory grows 42 % an hour on the canary's pods, 1 % on stable's (3 and 9 pods, p 0.0001)."""
    here, there, p, own, others, _ = row
    grow = f"{_named(plan, i)} grows {_hourly(here)} an hour on the canary's pods, {_hourly(there)}"
    return f"{grow} on stable's ({own:.0f} and {others:.0f} pods, {findings.p_value(p)})"


def _hourly(slope: float) -> str:
    return percent(expm1(slope)) if slope < MOST_GROWTH else f"more than {percent(expm1(MOST_GROWTH))}"


def _named(plan: AnalysisPlan, i: int) -> str:
    metric = plan.metrics[i]
    per_request = isinstance(metric.source, Gauged) and metric.source.rate
    return f"{metric.name} per request" if per_request else metric.name


def unlike(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> str:
    """The canary's pods are unlike stable's, mostly in memory (3 of 12 pods, distance 4.2, p 0.0005)."""
    distance, p, _, own, every, _, *parts = memory.unlike.tolist()
    most = [f for f in sorted(range(len(parts)), key=lambda f: -parts[f]) if parts[f] >= 0.25 * sum(parts)]
    of = names([_named(plan, scheme.features[f]) for f in most])
    how = f"{own:.0f} of {every:.0f} pods, distance {distance:.1f}, {findings.p_value(p)}"
    return f"the canary's pods are unlike stable's, mostly in {of} ({how})"


def reported(report: Callable[[], tuple[MetricVerdict, ...]], found: Beside) -> tuple[MetricVerdict, ...]:
    """The judge's metrics, and the gauges that it has not judged itself."""
    known = report()
    if not scheme_of(found.plan).gauges:
        return known
    names = {metric.name for metric in known}
    return (*known, *(gauge for gauge in _gauges(found) if gauge.name not in names))


def _gauges(found: Beside) -> list[MetricVerdict]:
    plan, scheme = found.plan, scheme_of(found.plan)
    told = []
    may = sum(plan.metrics[i].may_abort for i in scheme.gauges)
    for g, i in enumerate(scheme.gauges):
        metric = plan.metrics[i]
        measured = found.snapshot.metrics.get(metric.name)
        status = "no_data" if measured is None else measured.status
        label: Label = "ok"
        if found.memory.fallen and found.memory.fallen.regressed in (
            metric.name,
            *(x.name for x in scheme.limits if x.metric == metric.name),
        ):
            label = "worse"
        elif metric.name in found.missing:
            label = "error" if status in ("error", "ok") else "no_data"
        elif g < len(found.memory.growth) and found.memory.growth[g, 2] <= found.memory.growth[g, 5]:
            label = "warning"
        told.append(
            MetricVerdict(
                name=metric.name,
                label=label,
                status=status,
                better=metric.better,
                share=GAUGE_SHARE / may if metric.may_abort else 0.0,
                log_eprocess=0.0,
                run=(),
            )
        )
    return told


def found_of(known: Callable[[], tuple[Finding, ...]], found: Beside) -> tuple[Finding, ...]:
    """What the judge found, and what was found beside it."""
    return (*known(), *findings.models(_reasons(found)))


def _reasons(found: Beside) -> list[Fields]:
    plan, memory, scheme = found.plan, found.memory, scheme_of(found.plan)
    told: list[Fields] = []
    if found.memory.fallen:
        kind = "threshold" if found.memory.fallen.reason == "limit" else "trend"
        told.append({"kind": kind, "metric": found.memory.fallen.regressed, "severity": "critical", "decides": True,
                     "text": found.memory.fallen.text})  # fmt: skip
    if found.liveness.text:
        told.append({"kind": "liveness", "severity": "critical", "decides": True, "text": found.liveness.text,
                     "pods": found.liveness.pods})  # fmt: skip
    if 0 < found.snapshot.weight < 100 and (why := sample_ratio.untested(plan, found.snapshot)):
        told.append({"kind": "traffic", "severity": "info", "text": f"the split of the traffic is not tested: {why}; "
                     "the source's exclude can leave them out (docs/sources.md)"})  # fmt: skip
    for i, row in zip(scheme.gauges, memory.growth.tolist(), strict=False):
        if not isnan(row[2]):
            grown = row[2] <= row[5]
            values = {"canary_per_hour": row[0], "stable_per_hour": row[1], "p": row[2], "level": row[5]}
            told.append({"kind": "trend", "metric": plan.metrics[i].name, "severity": "warning" if grown else "none",
                         "decides": grown, "text": growing(plan, i, row), "values": values})  # fmt: skip
    if memory.unlike.size:
        told.append(_anomaly(plan, scheme, memory))
    young = sorted(found.young)
    if young and (scheme.gauges or scheme.durations):
        of = names([plan.metrics[i].name for i in (*scheme.durations, *scheme.gauges)])
        text = (
            f"{len(young)} {'pod' if len(young) == 1 else 'pods'} younger than {duration(plan.warmup)} left out of {of}"
        )
        told.append({"kind": "liveness", "severity": "none", "text": text, "pods": tuple(young[:16])})
    return told


def _anomaly(plan: AnalysisPlan, scheme: Scheme, memory: Memory) -> Fields:
    distance, p, least, own, every, level, *_ = memory.unlike.tolist()
    values = {"distance": distance, "p": p, "least_p": least, "level": level}
    decides = p <= level
    if distance == 0:
        text = "no metric is worse on the canary's pods than pods differ and margins allow"
    else:
        text = unlike(plan, scheme, memory)
        if least > level:
            text += f"; {own:.0f} of {every:.0f} pods can give no p below {least:.2g}, so it only describes"
    return {"kind": "anomaly", "severity": "warning" if decides else "none", "decides": decides, "text": text,
            "values": values}  # fmt: skip


def descriptions(found: Beside) -> tuple[Finding, ...]:
    """Classical statistics of the stage's counts: nothing is decided by them."""
    plan, scheme, kept = found.plan, scheme_of(found.plan), found.memory.followed
    told: list[Fields | None] = []
    hours = (kept.times / 3600).tolist()
    for k, (i, total) in enumerate(zip(scheme.counted, kept.totals.tolist(), strict=True)):
        metric, (x, n, y, m, seconds) = plan.metrics[i], total
        canary, stable = (int(x), int(n)), (int(y), int(m))
        told.append(findings.of_proportions(metric.name, canary, stable, metric.better))
        told.append(findings.of_trend(metric.name, hours, kept.rates[:, k].tolist(), metric.better))
        if metric.better == "higher":
            told.append(findings.of_business(metric.name, canary, stable, seconds))
    for i, buckets in zip(scheme.durations, kept.buckets, strict=True):
        measured = found.snapshot.metrics.get(plan.metrics[i].name)
        edges = getattr(measured, "edges", ())
        told.append(findings.of_durations(plan.metrics[i].name, edges, *buckets.astype(np.int64).tolist()))
    return findings.models([one for one in told if one is not None])
