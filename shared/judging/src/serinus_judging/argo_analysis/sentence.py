"""What the judge `threshold` says: metric, value, condition and limit, in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from serinus_contracts.events import MetricsCollected, Reason
from serinus_contracts.metric import Conditions
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import names

from serinus_judging.argo_analysis.analysis_run import Phase, Tally, wanted

MAX_SHOWN = 3


@dataclass(frozen=True)
class Context:
    """All that a sentence may speak of; `worst` is the worst phase of a metric that is no dry run, `lacking` are those
    without which no gate opens."""

    plan: AnalysisPlan
    conditions: Sequence[Conditions]
    tallies: Sequence[Tally]
    snapshot: MetricsCollected
    worst: Phase
    lacking: Sequence[int]

    def first(self, phase: Phase) -> int:
        """The first metric that ended so and counts."""
        found = zip(self.conditions, self.tallies, strict=True)
        return next(i for i, (one, tally) in enumerate(found) if tally.phase == phase and not one.dry_run)

    def told(self, i: int) -> str:
        """success-rate 0.93"""
        return " ".join(filter(None, (self.plan.metrics[i].name, self.tallies[i].value)))

    @property
    def here(self) -> Sequence[int]:
        """The metrics that this stage waits for."""
        weight = self.plan.stages[self.snapshot.stage].weight
        asked = enumerate(self.conditions)
        return [i for i, one in asked if one.over == "stage" and (one.weights is None or weight in one.weights)]


def say(context: Context, reason: Reason) -> str:
    """What the measurements say, under the reason of the verdict."""
    if context.worst in ("Failed", "Error", "Inconclusive"):
        return _ended(context, context.first(context.worst))
    if reason == "before_minimum":
        return _before_minimum(context)
    at = weight_text(context.snapshot.weight)
    if reason == "rule":
        return _succeeded(context, at)
    return f"{_under_way(context, _behind(context))} at {at}"


def progress(conditions: Conditions, tally: Tally) -> str:
    """How far a metric is, for a table."""
    count = wanted(conditions)
    parts = [tally.phase.lower() + (" (dry run)" if conditions.dry_run else "")]
    parts += [tally.value] if tally.value else []
    parts.append(f"{tally.count} measured" if count is None else f"{tally.count} of {count} measured")
    if tally.failed:
        parts.append(f"{tally.failed} failed, failureLimit {conditions.failure_limit}")
    if tally.inconclusive:
        parts.append(f"{tally.inconclusive} inconclusive, inconclusiveLimit {conditions.inconclusive_limit}")
    if tally.errors_in_a_row:
        limit = conditions.consecutive_error_limit
        parts.append(f"{tally.errors_in_a_row} errors in a row, consecutiveErrorLimit {limit}: {tally.message}")
    return "; ".join(parts)


def shown(result: Any) -> str:
    """A result as a person reads it."""
    if not isinstance(result, tuple):
        return "nothing" if result is None else _number(result)
    if len(result) == 1:
        return _number(result[0])
    more = f" and {len(result) - MAX_SHOWN} more" if len(result) > MAX_SHOWN else ""
    return f"[{', '.join(map(_number, result[:MAX_SHOWN]))}{more}]"


def _number(value: float) -> str:
    return f"{value:.6g}"


def _ended(context: Context, i: int) -> str:
    one, tally, what = context.conditions[i], context.tallies[i], context.told(i)
    if tally.phase == "Error":
        limit = f"consecutiveErrorLimit {one.consecutive_error_limit}"
        name = context.plan.metrics[i].name
        return f"{name} could not be measured {_times(tally.errors_in_a_row)} in a row, {limit}: {tally.message}"
    if 0 <= one.failure_limit < tally.failed and tally.phase == "Failed":
        return f"{what}, {_broken(one)}; failed {_times(tally.failed)}, failureLimit {one.failure_limit}"
    if tally.inconclusive > one.inconclusive_limit:
        neither = f"neither success ({one.success}) nor failure ({one.failure})"
        limit = f"inconclusiveLimit {one.inconclusive_limit}"
        return f"{what} is {neither}; inconclusive {_times(tally.inconclusive)}, {limit}: a person decides"
    rows = f"{one.consecutive_success_limit} successes in a row, consecutiveSuccessLimit"
    return f"{what}: {_times(tally.count)} measured without {rows}"


def _broken(conditions: Conditions) -> str:
    return f"failure {conditions.failure}" if conditions.failure else f"wanted {conditions.success}"


def _succeeded(context: Context, at: str) -> str:
    if not context.here:
        return f"nothing is to be measured at {at}, its minimum has passed"
    told = [f"{context.told(i)} after {_times(context.tallies[i].count)}" for i in context.here]
    return f"successful at {at}: {names(told)}"


def _before_minimum(context: Context) -> str:
    """What is measured meanwhile, where something is."""
    if all(context.conditions[i].start_after is None for i in context.here):
        return ", then its metrics are measured"
    if all(context.tallies[i].completed for i in context.here):
        return f"; successful: {names([context.told(i) for i in context.here])}"
    return f"; {_under_way(context, _behind(context)).rstrip(',')}"


def _behind(context: Context) -> int:
    """The metric that most speaks against going on: an error, then failures, then what is least measured."""

    def bad(i: int) -> tuple[bool, int, int]:
        tally = context.tallies[i]
        return tally.last == "Error", tally.failed + tally.inconclusive, -tally.count

    waited = {i for i in context.here if not context.tallies[i].completed}
    return max(sorted(waited | set(context.lacking)), key=bad)


def _under_way(context: Context, i: int) -> str:
    one, tally = context.conditions[i], context.tallies[i]
    if tally.last is None:
        return f"{context.plan.metrics[i].name} not measured yet"
    if tally.last == "Error":
        limit = f"consecutiveErrorLimit {one.consecutive_error_limit}"
        name = context.plan.metrics[i].name
        return f"{name} could not be measured {_times(tally.errors_in_a_row)}, {limit}: {tally.message},"
    count = wanted(one)
    failed = f", {tally.failed} failed, failureLimit {one.failure_limit}" if tally.failed else ""
    unclear = f", {tally.inconclusive} inconclusive" if tally.inconclusive else ""
    return f"{context.told(i)}, {tally.count} of {count or 'any number of'} measurements{failed}{unclear}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
