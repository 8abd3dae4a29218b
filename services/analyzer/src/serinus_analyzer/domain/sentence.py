"""Every verdict in one line, for a person at three in the morning (docs/judging.md, "The sentence").

The order is: verdict, what decides it with rates and counts of both arms over one and the same span, how sure it is,
how much harm it may have done. Instants are hours and minutes in UTC.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serinus_contracts.events import Channel, Counts, MetricsCollected, MetricVerdict, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan, PlanStage

from serinus_analyzer.domain.counting import Counted
from serinus_analyzer.domain.evidence import Evidence
from serinus_analyzer.domain.findings import Findings


@dataclass(frozen=True)
class Context:
    """All that a sentence may speak of; `started` are the metrics for which this look only set the baseline."""

    plan: AnalysisPlan
    snapshot: MetricsCollected
    evidence: Evidence
    counted: Counted
    found: Findings
    metrics: tuple[MetricVerdict, ...]
    started: tuple[int, ...]

    @property
    def stage(self) -> PlanStage:
        return self.plan.stages[self.snapshot.stage]

    @property
    def elapsed(self) -> float:
        return (self.snapshot.end - self.snapshot.stage_started) / 1000


def say(verdict: Verdict, reason: Reason, context: Context) -> str:
    """The sentence of a verdict."""
    return f"{verdict}: {_SAYS[reason](context, verdict)}"


def percent(rate: float) -> str:
    """A share as a person writes it: three digits from 10 %, else two places, below 0.1 % two digits."""
    value = 100 * rate
    if value == 0:
        return "0 %"
    if value >= 0.1:
        return f"{value:.1f} %" if value >= 10 else f"{value:.2f} %"
    return f"{float(f'{value:.2g}'):f}".rstrip("0").rstrip(".") + " %"


def duration(seconds: float) -> str:
    """Seconds as a person says them: 45 s, 5 min, 1 h 30 min; half a minute more or less is not told."""
    if seconds < 90:
        return f"{seconds:g} s" if seconds < 1 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def clock(millis: int) -> str:
    """An instant as HH:MM, UTC."""
    minutes = millis // 60_000 % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def edge(seconds: float) -> str:
    """A latency edge: 250 ms, 2.5 s."""
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


def requests(count: int) -> str:
    """So many requests."""
    return "1 request" if count == 1 else f"{count:,} requests"


def names(parts: list[str]) -> str:
    """a; a and b; a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _budget(probability: float) -> str:
    return f"{float(f'{100 * probability:.2g}'):g} % budget"


def _rates(metric: MetricVerdict, channel: Channel, canary: Counts, stable: Counts, span: str = "") -> str:
    """errors 0.61 % against 0.20 % on stable (66 of 10,810; 41 of 20,400)."""
    name, canary_edge, stable_edge = metric.name, "", ""
    if channel.canary_edge is not None and not metric.limit:
        canary_edge = f" over {edge(channel.canary_edge)}"
        if channel.stable_edge != channel.canary_edge and channel.stable_edge is not None:
            stable_edge = f" over {edge(channel.stable_edge)}"
    if not canary.trials or not stable.trials:
        return f"{name} without counts in this stage yet"
    counts = f"{canary.events:,} of {canary.trials:,}; {stable.events:,} of {stable.trials:,}{span}"
    if metric.limit:
        side = "under" if metric.better == "higher" else "over"
        what = metric.name
        return (
            f"{what} {percent(canary.events / canary.trials)}, limit {side} {percent(channel.margin.absolute)} "
            f"({canary.events:,} of {canary.trials:,}{span})"
        )
    here, there = canary.events / canary.trials, stable.events / stable.trials
    return f"{name} {percent(here)}{canary_edge} against {percent(there)}{stable_edge} on stable ({counts})"


def _strongest(metric: MetricVerdict) -> int:
    """The channel with the most evidence of harm."""
    return max(range(len(metric.run)), key=lambda i: metric.run[i].log_abort)


def _weakest(metric: MetricVerdict) -> int:
    """The channel that is least shown to be within its margin."""
    able = [i for i in range(len(metric.run)) if metric.run[i].log_proceed is not None]
    return min(able or [0], key=lambda i: metric.run[i].log_proceed or 0.0)


def _of_stage(metric: MetricVerdict, i: int) -> str:
    return _rates(metric, metric.run[i], metric.stage[2 * i], metric.stage[2 * i + 1])


def _excess(channel: Channel, canary: Counts, stable: Counts, falling: bool) -> float:
    """How far the counts are beyond the margin, in expected events: what a span contributes to the evidence."""
    if not canary.trials or not stable.trials:
        return 0.0
    allowed = canary.trials * (channel.margin.ratio * stable.events / stable.trials + channel.margin.absolute)
    more = allowed - canary.events if falling else canary.events - allowed
    return more / max(allowed, 1.0) ** 0.5


def _harm(metric: MetricVerdict) -> str:
    """The counts that carry the evidence: of this stage if they show the harm at least half as clearly as the run's.

    A stage has one split of the traffic, so its rates compare what happened at the same time. Over a run the canary's
    counts are mostly of late stages and stable's of early ones: if the service's own rate changed meanwhile, pooled
    rates mislead (Simpson). The run is told only where this stage has not seen enough.
    """
    i = _strongest(metric)
    channel, falling = metric.run[i], metric.better == "higher"
    stage = metric.stage[2 * i], metric.stage[2 * i + 1]
    here = _excess(channel, *stage, falling)
    over_run = _excess(channel, channel.canary, channel.stable, falling)
    if stage[0].trials and (here >= over_run / 2 or over_run <= 0):
        return _rates(metric, channel, *stage)
    return _rates(metric, channel, channel.canary, channel.stable, " since the start")


def _how_sure(context: Context, metric: MetricVerdict) -> str:
    channel = metric.run[_strongest(metric)]
    falling = metric.better == "higher" and not metric.limit
    bound, far = (channel.high, "at most") if falling else (channel.low, "at least")
    what = "limit" if metric.limit else "margin"
    if bound is None or bound == 1.0:
        text = f"beyond the {what}"
    elif metric.limit and metric.better == "higher":
        text = f"at least {bound:g} times as many failing as the limit allows"
    else:
        text = f"{far} {bound:g} times the {what}"
    return f"{text}, at {_budget(context.plan.budget.false_abort)}"


def _abort(context: Context, _: Verdict) -> str:
    blamed = [context.metrics[i] for i in context.found.blame]
    others = f"; so {'is' if len(blamed) == 2 else 'are'} {names([m.name for m in blamed[1:]])}" if blamed[1:] else ""
    return (
        f"{_harm(blamed[0])}; {_how_sure(context, blamed[0])}{others}; {requests(context.evidence.exposed)} exposed"
    )


def _interval(channel: Channel) -> str:
    if channel.low is not None and channel.high is not None:
        return f"between {channel.low:g} and {channel.high:g} times the margin"
    if channel.high is not None:
        return f"at most {channel.high:g} times the margin"
    if channel.low is not None:
        return f"at least {channel.low:g} times the margin"
    return "anything possible yet"


def _shown(context: Context, _: Verdict) -> str:
    gating = [i for i, metric in enumerate(context.plan.metrics) if metric.critical] or range(len(context.plan.metrics))
    proven = [context.metrics[i] for i in gating]
    tightest = min(proven, key=lambda metric: metric.log_proceed or 0.0)
    i = _weakest(tightest)
    which = "within its margin" if len(proven) == 1 else f"all {len(proven)} metrics within their margins"
    if len(proven) < len(context.plan.metrics) and len(proven) > 1:
        which = f"all {len(proven)} critical metrics within their margins"
    return f"{_of_stage(tightest, i)}; {which}, at {_budget(context.plan.budget.false_proceed)}"


def _worst(context: Context) -> MetricVerdict:
    """The metric that looks worst so far, limits left out."""
    return max((m for m in context.metrics if not m.limit), key=lambda m: m.log_abort)


def _at(context: Context) -> str:
    return f"{duration(context.elapsed)} at {context.snapshot.weight} %"


def _quiet(context: Context, _: Verdict) -> str:
    worst = _worst(context)
    return f"{_at(context)} without evidence of harm; {_of_stage(worst, _strongest(worst))}"


def _unsure(context: Context) -> str:
    open_ = [m for m in context.metrics if not m.limit and m.label != "ok"]
    metric = max(open_, key=lambda m: m.log_abort, default=_worst(context))
    i = _weakest(metric)
    return f"{_of_stage(metric, i)}, {_interval(metric.run[i])}"


def _lean(context: Context) -> str:
    return "leans towards an abort" if context.found.leans else "no answer yet"


def _insufficient(context: Context, _: Verdict) -> str:
    return f"{_lean(context)} after {_at(context)}; {_unsure(context)}"


def _time_spent(context: Context, verdict: Verdict) -> str:
    rule = {"hold": "", "abort": ", and the policy aborts then", "proceed": ", and the policy proceeds then"}[verdict]
    return f"{duration(context.stage.maximum)} at {context.snapshot.weight} % are spent{rule}; {_unsure(context)}"


def _minimum(context: Context, _: Verdict) -> str:
    worst = _worst(context)
    lean = "leaning towards an abort" if context.found.leans else "nothing against it so far"
    waited = f"{duration(context.elapsed)} of at least {duration(context.stage.minimum)}"
    return f"{waited} at {context.snapshot.weight} %, {lean}; {_of_stage(worst, _strongest(worst))}"


def _settling(context: Context, _: Verdict) -> str:
    if not 0 <= context.snapshot.stage < len(context.plan.stages):
        return "waiting for the first change of weight"
    names_ = [m.name for m in context.metrics if m.status == "settling" and not m.limit]
    which = "" if len(names_) == len(context.plan.metrics) else f" of {names(names_)}"
    started = clock(context.snapshot.stage_started)
    return f"waiting for the counts{which} to settle after the change to {context.snapshot.weight} % at {started}"


def _baseline(context: Context, _: Verdict) -> str:
    metrics = [context.metrics[i] for i in context.started]
    stable = metrics[0].stage[1]
    return (
        f"first look, it sets what is normal for {names([m.name for m in metrics])} "
        f"({requests(stable.trials)} on stable)"
    )


def _since(context: Context, index: int) -> str:
    end = context.evidence.seen[index][0]
    return f"since {clock(end)}" if end else f"since the start at {clock(context.snapshot.stage_started)}"


def _faulty(context: Context, *statuses: str) -> tuple[int, str]:
    found = [i for i, reading in enumerate(context.counted.readings) if reading.status in statuses]
    return found[0], names([context.plan.metrics[i].name for i in found])


def _no_data(context: Context, verdict: Verdict) -> str:
    i, which = _faulty(context, "no_data", "partial")
    reading, expected = context.counted.readings[i], context.evidence.seen[i][1]
    measured = reading.measured
    arms = (bool(measured.canary), bool(measured.stable)) if measured is not None else (False, False)
    if reading.status == "partial":
        what = "incomplete data"
    elif reading.without_requests:
        what = reading.detail
    else:
        what = {(False, True): "no canary data", (True, False): "no stable data"}.get(arms, "no data")
    about = f" for {which}" if len(context.plan.metrics) > 1 else ""
    series = measured.series if measured is not None else 0
    seen = f", {series} of {expected} expected series" if expected else f", {series} series found"
    if measured is None:
        seen = ", not measured"
    wait = f", {context.evidence.missing} looks in a row" if verdict == "abort" else ""
    detail = f" ({reading.detail})" if reading.detail and not reading.without_requests else ""
    return f"{what}{about} {_since(context, i)}, Prometheus answered{seen}{detail}{wait}"


def _error(context: Context, _: Verdict) -> str:
    i, which = _faulty(context, "error")
    detail = context.counted.readings[i].detail or "no reason given"
    return f"{which} cannot be judged {_since(context, i)}: {detail}"


def _traffic(context: Context, _: Verdict) -> str:
    canary, stable = context.evidence.traffic.canary, context.evidence.traffic.stable
    share = percent(canary / max(canary + stable, 1))
    return (
        f"the canary gets {share} of the requests where its weight says {context.snapshot.weight} % "
        f"({canary:,} of {canary + stable:,} in this stage)"
    )


_SAYS: Mapping[Reason, Callable[[Context, Verdict], str]] = {
    "shown": _shown,
    "quiet": _quiet,
    "evidence": _abort,
    "limit": _abort,
    "insufficient_evidence": _insufficient,
    "awaiting_baseline": _baseline,
    "settling": _settling,
    "before_minimum": _minimum,
    "no_data": _no_data,
    "provider_error": _error,
    "time_spent": _time_spent,
    "traffic_mismatch": _traffic,
}
