"""Every verdict in one line, for a person at three in the morning (docs/explanation/judging.md, "The sentence").

First the verdict, then what decides it with the counts of both arms over one and the same span, then how sure it is,
then how much harm may have been done. Instants are hours and minutes in UTC.
"""

from collections.abc import Callable, Mapping

from serinus_contracts.events import Reason
from serinus_contracts.wording import duration, names, requests

from serinus_judging.sequential.latency import BLIND
from serinus_judging.sequential.sentence_context import Context
from serinus_judging.sequential.sentence_metric import (
    carrying,
    compared,
    in_stage,
    over_limit,
    ratio_bounds,
    worse_than_allowed,
)
from serinus_judging.wording import confidence, false_abort_rate


def say(context: Context, reason: Reason) -> str:
    """What the counts say, under the reason of the verdict."""
    return _SAYS[reason](context)


def _abort(context: Context) -> str:
    first, *others = context.report.found.regressed
    also = ""
    if others:
        also = f"; {names([context.report.name(i) for i in others])} {'is' if len(others) == 1 else 'are'} worse too"
    what = over_limit if first >= len(context.metrics) else worse_than_allowed
    sure = false_abort_rate(context.plan.false_abort_rate)
    return f"{what(context, first)}, {sure}{also}; {requests(context.evidence.progress.evaluated_requests)} evaluated"


def _looks_worst(context: Context) -> str:
    """The metric that looks worst, in this stage."""
    i = context.worst(range(len(context.metrics)))
    return in_stage(context, i, context.strongest(i))


def _non_inferior(context: Context) -> str:
    tightest = min(context.gating, key=context.report.log_eprocess_non_inferior)
    row = context.weakest(tightest)
    assert row is not None  # what has no channel is not shown
    bound, side = (row.low, "least") if context.falling(tightest) else (row.high, "most")
    how = "no worse than allowed" if bound in (None, 1.0) else f"at {side} {bound:g}× the allowed rate"
    count, which = len(context.gating), "critical " if len(context.gating) < len(context.metrics) else ""
    every = "both" if count == 2 else f"all {count}"
    also = f" on {every} {which}metrics" if count > 1 else ""
    sure = confidence(context.plan.false_promote_rate)
    return f"{in_stage(context, tightest, row)}; {how}{also}, {sure}{_beside(context)}"


def _beside(context: Context) -> str:
    """The worst of the metrics that the gate does not wait for, unless they are within what is allowed too."""
    others = [i for i in range(len(context.metrics)) if i not in context.gating and context.report.label(i) != "ok"]
    if not others:
        return ""
    i = context.worst(others)
    row = context.weakest(i)
    return f"; inconclusive, and not critical: {in_stage(context, i, row)}{ratio_bounds(row)}"


def _no_regression(context: Context) -> str:
    if context.report.found.quarter:
        return f"{_stayed(context)}, a slight regression, too little to hold; {_leaning(context)}"
    return f"{_stayed(context)}, no regression seen; {_looks_worst(context)}"


def _stayed(context: Context) -> str:
    return f"{duration(context.elapsed)} at {context.weight}"


def _unsure(context: Context) -> str:
    unclear = [i for i in context.gating if context.report.label(i) != "ok"] or list(context.gating)
    i = context.worst(unclear)
    row = context.weakest(i)
    return in_stage(context, i, row) + ratio_bounds(row)


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
    i = context.harmful()
    if i >= len(context.metrics):
        return over_limit(context, i)
    if i in context.report.found.worse:
        return worse_than_allowed(context, i)
    row = context.strongest(i)
    assert row is not None
    return compared(context, i, row, *carrying(row, context.falling(i)))


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
