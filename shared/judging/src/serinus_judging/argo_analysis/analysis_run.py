"""Argo Rollouts' rules for an AnalysisRun: of one measurement, of a metric's measurements, of a run's metrics.

Source: `utils/evaluate/evaluate.go` and `analysis/analysis.go` of argoproj/argo-rollouts, master of 2026-08-17.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from serinus_contracts.base import Millis
from serinus_contracts.metric import Conditions

from serinus_judging.argo_analysis.conditions import ExpressionError, parse

Outcome = Literal["Successful", "Inconclusive", "Error", "Failed"]
Phase = Literal["Running", "Successful", "Inconclusive", "Error", "Failed"]

WORSE: tuple[Phase, ...] = get_args(Phase)
"""From the best to the worst, behind what still runs."""
ERROR_RETRY = 10.0
"""Seconds from an error to the next try, whatever the interval."""


@dataclass(frozen=True)
class Tally:
    """What was measured of one metric. `at`: when last (ms); `last`, `value`, `message`: how that ended."""

    phase: Phase = "Running"
    at: Millis = 0
    last: Outcome | None = None
    value: str = ""
    message: str = ""
    count: int = 0
    failed: int = 0
    inconclusive: int = 0
    errors_in_a_row: int = 0
    successes_in_a_row: int = 0

    @property
    def completed(self) -> bool:
        """Whether it has ended."""
        return self.phase != "Running"


def outcome(conditions: Conditions, result: Any, operations: list[int] | None = None) -> tuple[Outcome, str]:
    """How one measurement ends, with a message for an error; the others are those of `Expression.holds`."""
    try:
        failed = parse(conditions.failure).holds(result, operations) if conditions.failure else None
        succeeded = parse(conditions.success).holds(result, operations) if conditions.success else None
    except ExpressionError as error:
        return "Error", "no data" if result == () else str(error)
    if failed or (failed is None and succeeded is False):
        return "Failed", ""
    return ("Inconclusive", "") if succeeded is False else ("Successful", "")


def due(conditions: Conditions, tally: Tally, begun: Millis, now: Millis, slack: float) -> bool:
    """Whether it is to be measured now; `slack`: seconds by which snapshots may come early."""
    if tally.completed:
        return False
    if tally.last is None:
        return now >= begun + 1000 * conditions.initial_delay
    wait = ERROR_RETRY if tally.last == "Error" or conditions.interval is None else conditions.interval
    return now >= tally.at + 1000 * (wait - slack)


def added(conditions: Conditions, tally: Tally, ended: Outcome, at: Millis, value: str, message: str) -> Tally:
    """The tally with one more measurement, and the phase that it brings. An error does not count towards `count`."""
    error = ended == "Error"
    made = replace(
        tally,
        at=at,
        last=ended,
        value=value,
        message=message,
        count=tally.count + (not error),
        failed=tally.failed + (ended == "Failed"),
        inconclusive=tally.inconclusive + (ended == "Inconclusive"),
        errors_in_a_row=tally.errors_in_a_row + 1 if error else 0,
        successes_in_a_row=tally.successes_in_a_row + 1 if ended == "Successful" else 0,
    )
    return replace(made, phase=_phase(conditions, made))


def wanted(conditions: Conditions) -> int | None:
    """How many measurements there are to be, None for as long as the run lasts."""
    return conditions.count or (1 if conditions.interval is None else None)


def _phase(conditions: Conditions, tally: Tally) -> Phase:
    if tally.errors_in_a_row > conditions.consecutive_error_limit:
        return "Error"
    if tally.inconclusive > conditions.inconclusive_limit:
        return "Inconclusive"
    if 0 <= conditions.failure_limit < tally.failed:
        return "Failed"
    successes = conditions.consecutive_success_limit
    if successes is not None and tally.successes_in_a_row >= successes:
        return "Successful"
    count = wanted(conditions)
    if count is None or tally.count < count:
        return "Running"
    if successes is None:
        return "Successful"
    return "Inconclusive" if conditions.failure_limit >= 0 else "Failed"


def phase(metrics: Iterable[tuple[Conditions, Tally]]) -> Phase:
    """Of the run of these metrics: the first that does not succeed ends it, and of those that ended the worst tells.

    A dry run is waited for and decides nothing. Without metrics there is nothing to wait for.
    """
    pairs: Sequence[tuple[Conditions, Tally]] = list(metrics)
    worst = max((tally.phase for conditions, tally in pairs if not conditions.dry_run), key=WORSE.index, default=None)
    if worst is not None and WORSE.index(worst) > WORSE.index("Successful"):
        return worst
    return "Successful" if all(tally.completed for _, tally in pairs) else "Running"
