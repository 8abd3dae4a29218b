"""Every verdict in one line, for a person at three in the morning (docs/explanation/judging.md, "The sentence").

First the verdict, then what decides it with the counts of both arms over one and the same span, then how sure it is,
then how much harm may have been done. Instants are hours and minutes in UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

from serinus_contracts.events import MetricsCollected, Reason
from serinus_contracts.metric import Margin
from serinus_contracts.plan import AnalysisPlan, PlanLimit, PlanMetric
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import duration, edge, names, percent, plain, requests

from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.latency import BLIND
from serinus_judging.sequential.report import Report
from serinus_judging.sequential.report_rows import Counts, Row
from serinus_judging.snapshot import stage_seconds
from serinus_judging.wording import confidence, false_abort_rate

Phrase = Callable[[float, float | None], str]

HALF = 2**0.5
"""Evidence grows with the square of the distance, so this much less distance is half the evidence."""


@dataclass(frozen=True)
class Context:
    """All that a sentence may speak of; `started` are the metrics for which this snapshot only set the baseline."""

    report: Report
    snapshot: MetricsCollected
    started: tuple[int, ...]
    gating: tuple[int, ...]

    @property
    def plan(self) -> AnalysisPlan:
        """Without its gauges."""
        return self.report.plan

    @property
    def metrics(self) -> Sequence[PlanMetric]:
        """Of the plan."""
        return self.report.plan.metrics

    @property
    def evidence(self) -> Evidence:
        """After the snapshot."""
        return self.report.evidence

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return stage_seconds(self.snapshot)

    @property
    def weight(self) -> str:
        """Of the canary, such as 5 %."""
        return weight_text(self.snapshot.weight)

    def phrase(self, i: int) -> Phrase:
        """How the rate of a metric is written: a share in percent, a rate as a number."""
        return plain if self.metrics[i].count == "rate" else percent

    def falling(self, i: int) -> bool:
        """Whether higher is better."""
        return self.metrics[i].better == "higher"


def say(context: Context, reason: Reason) -> str:
    """What the counts say, under the reason of the verdict."""
    return _SAYS[reason](context)


def _abort(context: Context) -> str:
    first, *others = context.report.found.regressed
    also = ""
    if others:
        also = f"; {names([context.report.name(i) for i in others])} {'is' if len(others) == 1 else 'are'} worse too"
    what = _over_limit if first >= len(context.metrics) else _worse
    sure = false_abort_rate(context.plan.false_abort_rate)
    return f"{what(context, first)}, {sure}{also}; {requests(context.evidence.progress.evaluated_requests)} evaluated"


def _worse(context: Context, i: int) -> str:
    row, falling = _strongest(context, i), context.falling(i)
    assert row is not None  # what has no channel has no evidence
    bound, side = (row.high, "most") if falling else (row.low, "least")
    how = "worse than allowed" if bound in (None, 1.0) else f"at {side} {bound:g}× the allowed rate"
    return f"{_compared(context, i, row, *_carrying(row, falling))}; {how}"


def _over_limit(context: Context, i: int) -> str:
    limit, row = context.plan.limits[i - len(context.metrics)], context.report.rows(i)[0]
    phrase = context.phrase(context.report.limited(i))
    canary, stable, span = _carrying(row, limit.better == "higher")
    slow = f" over {edge(limit.edge)}" if limit.edge is not None else ""
    side = "under" if limit.better == "higher" else "over"
    bound = plain(limit.share) if phrase is plain else f"{100 * limit.share:.4g} %"
    how = "beyond it"
    if row.low is not None and row.low > 1:
        times = "times as many fail as the limit allows" if limit.better == "higher" else "times the limit"
        how = f"at least {row.low:g} {times}"
    counts = f"{canary.events:,} of {canary.trials:,}{span}"
    rate = phrase(canary.events / max(canary.trials, 1), limit.share)
    too = _as_stable(limit, stable, phrase)
    return f"{limit.metric} {rate}{slow}, {side} the limit of {bound} ({counts}){too}; {how}"


def _as_stable(limit: PlanLimit, stable: Counts, phrase: Phrase) -> str:
    """A limit is absolute, so a canary may be beyond it by no fault of its own: whoever is woken has to know."""
    if not stable.trials:
        return ""
    rate = stable.events / stable.trials
    beyond = rate < limit.share if limit.better == "higher" else rate > limit.share
    return f", as is stable with {phrase(rate, limit.share)}" if beyond else ""


def _carrying(row: Row, falling: bool) -> tuple[Counts, Counts, str]:
    """The counts that carry the evidence: of this stage if half of what the run's show can be seen in them.

    A stage has one split of the traffic, so its rates compare what happened at the same time. Over a run the canary's
    counts are mostly of late stages and stable's of early ones: if the service's own rate changed meanwhile, pooled
    rates mislead (Simpson). The run is told only where this stage has not seen enough.
    """
    here = _excess(row.margin, row.canary_now, row.stable_now, falling)
    over_run = _excess(row.margin, row.canary, row.stable, falling)
    if row.canary_now.trials and row.stable_now.trials and here * HALF >= over_run:
        return row.canary_now, row.stable_now, ""
    return row.canary, row.stable, " since the start"


def _excess(margin: Margin, canary: Counts, stable: Counts, falling: bool) -> float:
    """How clearly counts are beyond the margin, in standard deviations of what it allows."""
    if not canary.trials or not stable.trials:
        return 0.0
    allowed = canary.trials * (margin.ratio * stable.events / stable.trials + margin.absolute)
    more = allowed - canary.events if falling else canary.events - allowed
    return more / sqrt(max(allowed, 1.0))


def _compared(context: Context, i: int, row: Row, canary: Counts, stable: Counts, span: str = "") -> str:
    """errors 0.61 % against 0.20 % on stable (66 of 10,810; 41 of 20,400).

    Where the arms get another mix of segments: on stable at the canary's mix, since that is what is compared.
    """
    name, phrase = context.metrics[i].name, context.phrase(i)
    if row.segment is not None:
        name = f"{name} of {row.segment}:"
    if not canary.trials or not stable.trials:
        return f"{name} not counted in this stage yet"
    own = other = ""
    slow, slow_on_stable = row.edges.canary, row.edges.stable
    if slow is not None and slow_on_stable is not None:
        own = f" over {edge(slow)}"
        other = f" over {edge(slow_on_stable)}" if slow_on_stable != slow else ""
    at_mix = None if row.segment is not None else context.report.stable_at_mix(i, in_stage=not span)
    rates = canary.events / canary.trials, stable.events / stable.trials if at_mix is None else at_mix
    here, there = phrase(*rates), phrase(*rates[::-1])
    counts = f"{canary.events:,} of {canary.trials:,}; {stable.events:,} of {stable.trials:,}"
    where = "stable"
    if at_mix is not None:
        where, counts = "stable at the canary's mix", f"{counts} at its own"
    return f"{name} {here}{own} against {there}{other} on {where} ({counts}{span})"


def _in_stage(context: Context, i: int, row: Row | None) -> str:
    if row is None:
        return f"{context.metrics[i].name} not counted in this stage yet"
    return _compared(context, i, row, row.canary_now, row.stable_now)


def _strongest(context: Context, i: int) -> Row | None:
    """The channel with the most evidence of harm; None before latency's edges are known."""
    rows = context.report.rows(i)
    return max(
        rows, key=lambda row: -inf if row.log_eprocess is None else row.log_eprocess + row.log_share, default=None
    )


def _weakest(context: Context, i: int) -> Row | None:
    """The channel that is least shown to be within its margin; None before latency's edges are known."""
    rows = context.report.rows(i)
    return min(
        rows,
        key=lambda row: inf if row.log_eprocess_non_inferior is None else row.log_eprocess_non_inferior,
        default=None,
    )


def _looks_worst(context: Context) -> str:
    """The metric that looks worst, in this stage."""
    i = _worst(context, range(len(context.metrics)))
    return _in_stage(context, i, _strongest(context, i))


def _worst(context: Context, among: Sequence[int]) -> int:
    """The metric that looks worst: by the evidence that it is worse than allowed less that it is not."""
    report = context.report
    return max(among, key=lambda i: report.found.groups[i] - report.log_eprocess_non_inferior(i))


def _harmful(context: Context) -> int:
    """The metric or limit with the most evidence of harm: of those that are worse by themselves, if any is."""
    found = context.report.found
    return max(found.worse or range(len(found.groups)), key=lambda i: found.groups[i])


def _interval(row: Row | None) -> str:
    low, high = (row.low, row.high) if row else (None, None)
    if low is not None and high is not None:
        return f", between {low:g} and {high:g}× the allowed rate"
    if high is not None:
        return f", at most {high:g}× the allowed rate"
    return "" if low is None else f", at least {low:g}× the allowed rate"


def _non_inferior(context: Context) -> str:
    tightest = min(context.gating, key=context.report.log_eprocess_non_inferior)
    row = _weakest(context, tightest)
    assert row is not None  # what has no channel is not shown
    bound, side = (row.low, "least") if context.falling(tightest) else (row.high, "most")
    how = "no worse than allowed" if bound in (None, 1.0) else f"at {side} {bound:g}× the allowed rate"
    count, which = len(context.gating), "critical " if len(context.gating) < len(context.metrics) else ""
    every = "both" if count == 2 else f"all {count}"
    also = f" on {every} {which}metrics" if count > 1 else ""
    sure = confidence(context.plan.false_promote_rate)
    return f"{_in_stage(context, tightest, row)}; {how}{also}, {sure}{_beside(context)}"


def _beside(context: Context) -> str:
    """The worst of the metrics that the gate does not wait for, unless they are within what is allowed too."""
    others = [i for i in range(len(context.metrics)) if i not in context.gating and context.report.label(i) != "ok"]
    if not others:
        return ""
    i = _worst(context, others)
    row = _weakest(context, i)
    return f"; inconclusive, and not critical: {_in_stage(context, i, row)}{_interval(row)}"


def _no_regression(context: Context) -> str:
    if context.report.found.quarter:
        return f"{_stayed(context)}, a slight regression, too little to hold; {_leaning(context)}"
    return f"{_stayed(context)}, no regression seen; {_looks_worst(context)}"


def _stayed(context: Context) -> str:
    return f"{duration(context.elapsed)} at {context.weight}"


def _unsure(context: Context) -> str:
    unclear = [i for i in context.gating if context.report.label(i) != "ok"] or list(context.gating)
    i = _worst(context, unclear)
    row = _weakest(context, i)
    return _in_stage(context, i, row) + _interval(row)


def _spent(context: Context) -> str:
    return _unsure(context) if context.report.found.may_proceed else _leaning(context)


def _insufficient(context: Context) -> str:
    found = context.report.found
    if found.worse and not found.halfway:
        listed = names([context.report.name(i) for i in found.worse])
        state = f"a regression of {listed}, too little over all metrics to abort"
        return f"{state} after {_stayed(context)}; {_leaning(context)}"
    state = "possible regression, inconclusive" if found.halfway else "inconclusive"
    return f"{state} after {_stayed(context)}; {_leaning(context) if found.halfway else _unsure(context)}"


def _leaning(context: Context) -> str:
    """What speaks for an abort, which may be a limit."""
    i = _harmful(context)
    if i >= len(context.metrics):
        return _over_limit(context, i)
    if i in context.report.found.worse:
        return _worse(context, i)
    row = _strongest(context, i)
    assert row is not None
    return _compared(context, i, row, *_carrying(row, context.falling(i)))


def _minimum(context: Context) -> str:
    if not context.report.found.may_proceed:
        return f", possible regression; {_leaning(context)}"
    if context.report.found.quarter:
        return f", weak signs of a regression; {_leaning(context)}"
    return f", no regression so far; {_looks_worst(context)}"


def _baseline(context: Context) -> str:
    blind = [context.metrics[i].name for i in context.started if context.report.blind(i)]
    if blind:
        return f"{names(blind)}: {BLIND}"
    listed = names([context.metrics[i].name for i in context.started])
    rows = context.report.rows(context.started[0])
    trials = requests(rows[0].stable_now.trials if rows else 0)
    return f"the first snapshot sets the baseline of {listed} ({trials} on stable), the next one is evaluated"


def _no_gate(context: Context) -> str:
    i, reading = next((i, each) for i, each in enumerate(context.report.counted.readings) if each.no_gate)
    metric = context.metrics[i]
    return f"{metric.name} cannot be compared by {metric.segment}, so no gate opens: {reading.no_gate}"


_SAYS: Mapping[Reason, Callable[[Context], str]] = {
    "non_inferior": _non_inferior,
    "no_regression": _no_regression,
    "evidence": _abort,
    "limit": _abort,
    "insufficient_evidence": _insufficient,
    "awaiting_baseline": _baseline,
    "provider_error": _no_gate,
    "before_minimum": _minimum,
    "time_spent": _spent,
}
