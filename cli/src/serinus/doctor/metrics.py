"""What Prometheus has for a plan: live counts of both arms, the scrape interval, and what this traffic can show."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf
from typing import Any

from serinus_collector.use_cases.collect_snapshot import counted
from serinus_collector.use_cases.ports import Provider, ProviderError
from serinus_contracts import AnalysisPlan, Bucketed, Counted, PlanMetric, Queried, Selector
from serinus_contracts.base import Millis
from serinus_contracts.plan import any_of
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, percent
from serinus_counting.resets import Span, increase, processes
from serinus_counting.series import Series, scrape_interval
from serinus_judging.plan_metrics import gating_metrics, without_gauges
from serinus_judging.sequential.bucket_reach import bucket_reach
from serinus_judging.sequential.power import forecast

from serinus.doctor.checks import Check

REACH_MS = 300_000


@dataclass(frozen=True)
class Live:
    """Counts of one arm in the last minutes; of a histogram its edges in seconds and counts per bucket, one more."""

    series: int = 0
    events: int = 0
    trials: int = 0
    edges: tuple[float, ...] = ()
    buckets: tuple[int, ...] = ()


@dataclass(frozen=True)
class Seen:
    """One metric as it is now. `seconds` is the time in which its counts came."""

    metric: str
    canary: Live
    stable: Live
    scrape_ms: int | None
    seconds: float


def count(plan: AnalysisPlan, metric: PlanMetric, series: Sequence[Series], now: Millis) -> Seen:
    """The counts of both arms; of a histogram its events are those above its middle edge."""
    arms: dict[str, Live] = {}
    first = min((one.times[0] for one in series), default=now)
    for arm in ("canary", "stable"):
        ours = [one for one in series if plan.arm(one.labels, metric) == arm]
        arms[arm] = _live(metric, ours, Span(0, first, now))
    return Seen(metric.name, arms["canary"], arms["stable"], scrape_interval(series), max(1.0, (now - first) / 1000))


def _live(metric: PlanMetric, ours: Sequence[Series], window: Span) -> Live:
    found = processes(ours, {})
    counts = [(one, round(increase(one, found[one.target], window))) for one in ours]
    source = metric.source
    if isinstance(source, Counted):
        events = sum(number for one, number in counts if any_of(source.events, one.labels))
        return Live(len(ours), events, sum(number for one, number in counts if any_of(source.trials, one.labels)))
    if not isinstance(source, Bucketed):
        return Live(len(ours))
    edges, buckets = histogram([(one.labels.get("le", ""), number) for one, number in counts])
    return Live(len(ours), 0, sum(buckets), tuple(edge * source.scale for edge in edges), buckets)


def histogram(cumulative: Iterable[tuple[str, int]]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Edges and counts per bucket, one more, of what series with the label `le` counted."""
    total: dict[float, int] = defaultdict(int)
    for le, number in cumulative:
        with suppress(ValueError):
            total[float(le)] += number
    bounds = sorted(total)
    if not bounds or bounds[-1] != inf:
        return (), ()
    # series of which one was born or reset in between may not grow with their bounds
    rising = list(accumulate((total[bound] for bound in bounds), max))
    return tuple(bounds[:-1]), tuple(after - before for before, after in pairwise((0, *rising)))


async def metrics(
    plan: AnalysisPlan, provider: Provider, now: Millis, releasing: bool
) -> tuple[list[Check], list[Seen]]:
    """A check for each metric of the plan, and the counts of those that were found."""
    checks, found = [], []
    for metric in plan.metrics:
        if isinstance(metric.source, Queried):
            continue
        name = f"metric {metric.name}"
        try:
            answer = (await provider.samples(metric.source.query, now, REACH_MS)).read()
            one = count(plan, metric, counted(plan, metric, answer), now)
            arms = [one.canary, one.stable] if releasing else [one.stable]
            if all(arm.series for arm in arms):
                checks.append(Check(name, "ok", _said(metric, one, releasing)))
                found.append(one)
            else:
                checks.append(await _missing(plan, metric, provider, now, one))
        except ProviderError as error:
            checks.append(Check(name, "failed", str(error), "fix the provider's address by --prometheus"))
    return checks, found


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
