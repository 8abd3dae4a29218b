"""One metric in words: the counts of both arms over one and the same span, their rates, and how sure the ratio is."""

from math import sqrt

from serinus_contracts.metric import Margin
from serinus_contracts.plan import PlanLimit
from serinus_contracts.wording import edge, plain

from serinus_judging.sequential.report_rows import Counts, Row
from serinus_judging.sequential.sentence_context import Context, Phrase

HALF = 2**0.5
"""Evidence grows with the square of the distance, so this much less distance is half the evidence."""


def worse_than_allowed(context: Context, i: int) -> str:
    """A metric that is worse than its margin allows, with at least how much."""
    row, falling = context.strongest(i), context.falling(i)
    assert row is not None  # what has no channel has no evidence
    bound, side = (row.high, "most") if falling else (row.low, "least")
    how = "worse than allowed" if bound in (None, 1.0) else f"at {side} {bound:g}× the allowed rate"
    return f"{compared(context, i, row, *carrying(row, falling))}; {how}"


def over_limit(context: Context, i: int) -> str:
    """A limit of the plan that the canary is beyond; `i` counts on behind the metrics."""
    limit, row = context.plan.limits[i - len(context.metrics)], context.report.rows(i)[0]
    phrase = context.phrase(context.report.limited(i))
    canary, stable, span = carrying(row, limit.better == "higher")
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


def carrying(row: Row, falling: bool) -> tuple[Counts, Counts, str]:
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


def compared(context: Context, i: int, row: Row, canary: Counts, stable: Counts, span: str = "") -> str:
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


def in_stage(context: Context, i: int, row: Row | None) -> str:
    """The counts of this stage alone."""
    if row is None:
        return f"{context.metrics[i].name} not counted in this stage yet"
    return compared(context, i, row, row.canary_now, row.stable_now)


def ratio_bounds(row: Row | None) -> str:
    """Between what the ratio to the allowed rate is; empty where nothing is known of it."""
    low, high = (row.low, row.high) if row else (None, None)
    if low is not None and high is not None:
        return f", between {low:g} and {high:g}× the allowed rate"
    if high is not None:
        return f", at most {high:g}× the allowed rate"
    return "" if low is None else f", at least {low:g}× the allowed rate"
