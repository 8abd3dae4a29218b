"""Argo's rules for an AnalysisRun, each case worked out from them by hand."""

import itertools
from math import inf, nan
from typing import Any

import pytest
from serinus_contracts.metric import Conditions
from serinus_judging.argo_analysis.analysis_run import Outcome, Phase, Tally, added, due, outcome, phase, wanted

OUTCOMES: dict[str, Outcome] = {"s": "Successful", "f": "Failed", "i": "Inconclusive", "e": "Error"}


def conditions(**fields: Any) -> Conditions:
    return Conditions.model_validate(
        {"success": "result[0] >= 0.95", "interval": 30, "over": "run"} | fields, by_name=True
    )


def measured(rule: Conditions, letters: str) -> list[Phase]:
    """The metric's phase after each of these measurements."""
    tallies = itertools.accumulate(
        letters, lambda tally, letter: added(rule, tally, OUTCOMES[letter], 0, "", ""), initial=Tally()
    )
    return [tally.phase for tally in tallies][1:]


@pytest.mark.parametrize(
    ("success", "failure", "result", "expected"),
    [
        ("result[0] >= 0.95", None, (0.95,), "Successful"),
        ("result[0] >= 0.95", None, (0.94,), "Failed"),
        (None, "result[0] > 0.05", (0.06,), "Failed"),
        (None, "result[0] > 0.05", (0.05,), "Successful"),
        ("result[0] > 0.9", "result[0] < 0.8", (0.85,), "Inconclusive"),
        ("result[0] > 0.9", "result[0] < 0.8", (0.95,), "Successful"),
        ("result[0] > 0.9", "result[0] < 0.97", (0.95,), "Failed"),
        (None, None, (), "Successful"),
        ("result[0] > 0.9", None, (), "Error"),
        ("result > 0.9", None, (1.0,), "Error"),
        ("result > 0.9", None, 1.0, "Successful"),
        ("result[0] > 0.9", None, (nan,), "Failed"),
        (None, "result[0] > 0.9", (nan,), "Successful"),
        (None, "result[0] > 0.9", (inf,), "Failed"),
    ],
)
def test_a_measurement_ends_as_its_conditions_say(success: Any, failure: Any, result: Any, expected: str) -> None:
    assert outcome(conditions(success=success, failure=failure), result)[0] == expected


@pytest.mark.parametrize(
    ("fields", "letters", "last"),
    [
        ({"count": 3}, "sss", "Successful"),
        ({"count": 3}, "sf", "Failed"),
        ({"count": 3, "failure_limit": 1}, "fss", "Successful"),
        ({"count": 3, "failure_limit": 1}, "fsf", "Failed"),
        ({"count": 3, "failure_limit": 2, "inconclusive_limit": 1}, "fis", "Successful"),
        ({"count": 3, "inconclusive_limit": 1}, "ii", "Inconclusive"),
        ({"interval": None}, "s", "Successful"),
        ({"interval": None}, "i", "Inconclusive"),
        ({"count": 2}, "eeees" + "eeees", "Successful"),
        ({"count": 2}, "eeeee", "Error"),
        ({"count": 2, "consecutive_error_limit": 0}, "e", "Error"),
        ({"count": 9, "consecutive_success_limit": 2, "failure_limit": 2}, "sfss", "Successful"),
        ({"count": 4, "consecutive_success_limit": 2, "failure_limit": 2}, "sfsf", "Inconclusive"),
        ({"count": 4, "consecutive_success_limit": 3, "failure_limit": -1}, "ffsf", "Failed"),
        ({"consecutive_success_limit": 2, "failure_limit": -1}, "ffffffss", "Successful"),
        ({"count": 9, "consecutive_success_limit": 2}, "ses" + "s", "Successful"),
    ],
)
def test_a_metric_ends_with_the_measurement_at_which_argo_ends_it(
    fields: dict[str, Any], letters: str, last: str
) -> None:
    found = measured(conditions(**fields), letters)
    assert found == ["Running"] * (len(letters) - 1) + [last]


def test_a_metric_with_an_interval_and_no_count_goes_on_for_ever() -> None:
    assert wanted(conditions()) is None
    assert set(measured(conditions(failure_limit=1), "ssfsss" + 100 * "s")) == {"Running"}


def test_the_worst_metric_tells_and_ends_the_run_and_a_dry_one_is_only_waited_for() -> None:
    rule, dry = conditions(), conditions(dry_run=True)
    order: list[Phase] = ["Running", "Successful", "Inconclusive", "Error", "Failed"]
    ended = {name: Tally(phase=name) for name in order}
    for left, right in itertools.product(order, order):
        worst = max(left, right, key=order.index)
        expected = worst if worst not in ("Running", "Successful") else min(left, right, key=order.index)
        assert phase([(rule, ended[left]), (rule, ended[right])]) == expected
        if left != "Running":
            waited = "Running" if right == "Running" and left == "Successful" else left
            assert phase([(rule, ended[left]), (dry, ended[right])]) == waited
    assert phase([]) == "Successful"


def test_a_metric_is_due_after_its_delay_then_by_its_interval_and_after_an_error_in_ten_seconds() -> None:
    rule = conditions(initial_delay=60, interval=30)
    assert [due(rule, Tally(), 1000, now, 5) for now in (60_999, 61_000)] == [False, True]
    for last, earliest in (("Successful", 100_000 + 25_000), ("Error", 100_000 + 5_000)):
        tally = Tally(at=100_000, last=OUTCOMES[last[0].lower()])
        assert [due(rule, tally, 1000, now, 5) for now in (earliest - 1, earliest)] == [False, True]
    assert not due(rule, Tally(phase="Successful"), 0, 10**9, 5)
