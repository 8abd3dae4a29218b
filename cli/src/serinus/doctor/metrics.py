"""What Prometheus has for a plan: live counts of both arms, the scrape interval, and what this traffic can show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from serinus_collecting.answers import counted
from serinus_collecting.ports import Provider, ProviderError
from serinus_collecting.prometheus import UnknownNamesError
from serinus_contracts import AnalysisPlan, Counted, PlanMetric, Proportion, Queried, Selector
from serinus_contracts.base import Millis
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, percent
from serinus_counting.series import Series
from serinus_judging.plan_metrics import gating_metrics, without_gauges
from serinus_judging.sequential.bucket_reach import bucket_reach
from serinus_judging.sequential.power import forecast
from serinus_rollouts.instrumentations import rows_of

from serinus.doctor.checks import Check, State
from serinus.doctor.measured import Pods, Seen, count

REACH_MS = 300_000


async def metrics(
    plan: AnalysisPlan,
    provider: Provider,
    now: Millis,
    releasing: bool,
    pods: Pods | None = None,
    grpc: bool = False,
) -> tuple[list[Check], list[Seen]]:
    """A check for each metric of the plan, by one measurement as snapshots take it, and the counts that it gave.

    `grpc`: the canary's Service says that it speaks it.
    """
    checks, found = [], []
    for metric in plan.metrics:
        name = f"metric {metric.name}"
        try:
            if isinstance(metric.source, Queried):
                checks.append(await _asked(name, metric.source, provider, now))
                continue
            answer = (await provider.samples(metric.source.query, now, REACH_MS)).read()
            series = counted(plan, metric, answer)
            one = count(plan, metric, series, now, releasing=releasing, pods=pods, warnings=answer.warnings)
            if not all(arm.series for arm in ([one.canary, one.stable] if releasing else [one.stable])):
                checks.append(await _missing(plan, metric, provider, now, one))
            elif one.measurement.status == "ok":
                checks.append(_with_segments(metric, one, Check(name, "ok", _said(metric, one, releasing))))
                checks += _traps(metric, series, grpc)
                found.append(one)
            else:
                checks.append(_uncounted(name, one))
        except ProviderError as error:
            fix = "" if isinstance(error, UnknownNamesError) else "fix the provider's address by --prometheus"
            checks.append(Check(name, "failed", str(error), fix))
    return checks, found


def _traps(metric: PlanMetric, series: Sequence[Series], grpc: bool) -> Iterator[Check]:
    """What is left out here, or counted otherwise than one may think, by the table of instrumentations.

    That failures of gRPC cannot be told is a failure where the Service speaks it.
    """
    if not isinstance(metric.source, Counted) or not isinstance(metric.source.query, Selector):
        return
    rows = rows_of(metric.source.query.name, [one.labels for one in series])
    traps = [f"{row.name}: {row.traps}" for row in rows if row.traps]
    if any(row.preset in ("pod-name", "opentelemetry") for row in rows):
        traps.append("probes and scrapes are requests too, unless the library leaves their paths out: they thin errors")
    if traps:
        yield Check(f"traps of {metric.name}", "ok", "\n".join(traps))
    for blind in sorted({row.blind for row in rows} - {""}):
        state: State = "failed" if grpc else "warning"
        yield Check(f"traps of {metric.name}", state, blind, "see docs/reference/instrumentations.md")


async def _asked(name: str, source: Queried, provider: Provider, now: Millis) -> Check:
    """A query whose values are compared: does it give any now?"""
    answer = (await provider.values(source.query, now)).read()
    if answer.warnings:
        return Check(name, "failed", "; ".join(answer.warnings), "a partial answer is not judged")
    if not answer.values:
        return Check(name, "warning", f"no value now by {source.query}", "see by your Prometheus what it gives")
    shown = ", ".join("NaN" if value is None else f"{value:g}" for value in map(_number, answer.values[:3]))
    return Check(name, "ok", f"{len(answer.values)} values now: {shown}{', ...' if len(answer.values) > 3 else ''}")


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _uncounted(name: str, one: Seen) -> Check:
    """What each snapshot would say instead of counts."""
    status, detail = one.measurement.status, one.measurement.detail
    said = f"a snapshot says {status}" + (f": {detail}" if detail else "")
    if status in ("settling", "waiting"):
        return Check(name, "warning", said, "try again after the next scrapes")
    return Check(name, "failed", said, "as long as it says so, nothing of this metric is judged")


def _with_segments(metric: PlanMetric, one: Seen, check: Check) -> Check:
    """The check with what the label of the metric's segment has, a warning where no series carries it."""
    if metric.segment is None or not isinstance(one.measurement, Proportion):
        return check
    known = [name for name in one.measurement.segments if name]
    if not known:
        said = f"{check.said}; no series has the label {metric.segment}"
        return Check(check.name, "warning", said, "name a label that the series have, or leave segment out")
    more = ", and more" if one.measurement.other_segments else ""
    return replace(check, said=f"{check.said}; {len(known)} values of {metric.segment}{more}")


def _said(metric: PlanMetric, one: Seen, releasing: bool) -> str:
    every = f", scraped every {one.scrape_ms / 1000:g} s" if one.scrape_ms else ", scraped once so far"
    if metric.source.kind == "gauge":
        return f"{one.stable.series} series of stable{every}"
    arms = [("canary", one.canary)] * releasing + [("stable", one.stable)]
    kind = metric.source.kind == "proportion"
    parts = [f"{name} {arm.events:,} of {arm.trials:,}" if kind else f"{name} {arm.trials:,}" for name, arm in arms]
    return f"{', '.join(parts)} in {duration(one.seconds)}{every}"


async def _missing(plan: AnalysisPlan, metric: PlanMetric, provider: Provider, now: Millis, one: Seen) -> Check:
    """Why nothing was found: is the metric there at all, and which labels do its series have?"""
    name, query = f"metric {metric.name}", metric.source.query
    assert isinstance(query, Selector)
    everything = query.model_copy(update={"matchers": ()})
    whole = (await provider.samples(everything, now, REACH_MS)).read() if query.name else None
    if whole is None or not whole.series:
        fix = "name the metric that your service has (metric, events and trials, histogram), and see that it is scraped"
        return Check(name, "failed", f"Prometheus has no series of {query.name or query}", fix)
    wanted = " or ".join(rule.label for rule in plan.arms_of(metric))
    labels = sorted({label for series in whole.series for label in series.labels if label not in ("__name__", "le")})
    arm = "canary" if one.stable.series else "either arm"
    said = f"{len(whole.series)} series of {query.name}, none of {arm} by {query}"
    return Check(
        name, "failed", said, f"tell the arms apart by source: {wanted} is looked for; there are {', '.join(labels)}"
    )


def buckets(plan: AnalysisPlan, seen: Sequence[Seen]) -> Iterator[Check]:
    """What the buckets of each latency can show of its margin, and the gates that they keep shut."""
    metrics = {metric.name: metric for metric in plan.metrics}
    counted = without_gauges(plan).metrics
    gating = {counted[i].name for i in gating_metrics(without_gauges(plan))}
    proofs = [weight_text(stage.weight) for stage in plan.stages if stage.gate == "nonInferiority"]
    for one in seen:
        if not sum(one.stable.buckets):
            continue
        reach = bucket_reach(one.stable.edges, one.stable.buckets, metrics[one.metric].margin.ratio)
        said = reach.text
        if reach.shown is None and one.metric in gating and proofs:
            said += f"; the gate at {', '.join(proofs)} can never open"
        yield Check(f"buckets of {one.metric}", "ok" if reach.exact else "warning", said, reach.fix)


def power(plan: AnalysisPlan, seen: Sequence[Seen]) -> Iterator[Check]:
    """What this traffic can show: per stage the smallest regression that is seen, and when an equal canary proceeds."""
    kinds: Mapping[str, Any] = {metric.name: metric.source.kind for metric in plan.metrics}
    usable = [one for one in seen if kinds[one.metric] == "proportion" and one.stable.trials and one.stable.events]
    if not usable:
        yield Check("power", "warning", "no counts yet from which to tell what can be shown", "try again with traffic")
        return
    shares = {metric.name for metric in plan.metrics if metric.count == "share"}
    pace = max((one.canary.trials + one.stable.trials) / one.seconds for one in usable)
    rates = {one.metric: one.stable.events / one.stable.trials for one in usable}
    for found in forecast(plan, pace, rates):
        base = f"stable {percent(found.base)}"
        small = (
            "no worse rate is seen"
            if found.detectable_rate is None
            else f"worse is seen from {percent(found.detectable_rate)} on"
        )
        shown = "never proves equal" if found.seconds == inf else f"equal is proved after {duration(found.seconds)}"
        stage = next(one for one in plan.stages if one.weight == found.weight)
        enough = found.detectable_rate is not None and (found.reachable or stage.gate == "noRegression")
        said = f"{found.metric}: {small} within {duration(stage.maximum)} ({base}); {shown}"
        fix = "" if enough else "more traffic at this weight, a wider margin, or a longer maximum"
        if found.margin >= 1 and found.metric in shares:
            fix = f"a narrower margin: this one allows {percent(found.margin)}, which no share exceeds"
        yield Check(f"power at {weight_text(found.weight)}", "ok" if enough else "warning", said, fix)
