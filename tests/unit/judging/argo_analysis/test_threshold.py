"""The judge that runs AnalysisTemplates, by itself and held against what Argo did with the same measurements."""

import json
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import AnalysisPlan, MetricsCollected, PlanMetric, Queried, Scalar
from serinus_contracts.judge import ThresholdRule
from serinus_contracts.metric import Conditions, Margin
from serinus_judging.argo_analysis.analysis_run import Phase, Tally, added, outcome, phase
from serinus_judging.argo_analysis.threshold import Evidence, ThresholdJudge
from serinus_judging.judges import JUDGES
from serinus_judging.packing import EvidenceError

from tests.contract.simulator.recordings import recording
from tests.support import plan as any_plan
from tests.support import snapshot, stage
from tests.unit.judging.told import Told

STEP: dict[str, Any] = {"success": "result[0] >= 0.95", "interval": 10, "count": 3, "failure_limit": 1}
BEGUN = 1_000_000
Values = Sequence[float | None] | str


def metric(name: str = "success", **conditions: Any) -> PlanMetric:
    source = Queried(query="up", conditions=Conditions.model_validate(STEP | conditions, by_name=True))
    return PlanMetric(name=name, source=source, margin=Margin())


def plan(*metrics: PlanMetric, **other: Any) -> AnalysisPlan:
    stages = (stage(5, 0, minimum=20.0, maximum=120.0), stage(25, 2, minimum=20.0, maximum=120.0))
    fields = {"judge": ThresholdRule(name="threshold"), "interval": 10.0, "stages": stages}
    return any_plan(metrics=metrics or (metric(),), **(fields | other))


def at(seconds: float, stage: int = 0, **values: Values) -> MetricsCollected:
    """A look so long after its stage began; a text is what the provider complained of."""
    measured = {
        name: Scalar(status="error", detail=value) if isinstance(value, str) else Scalar(status="ok", values=value)
        for name, value in values.items()
    }
    began = BEGUN + 1_000_000 * stage
    end = began + round(1000 * seconds)
    return snapshot(end=end, stage=stage, stage_started=began, weight=(5, 25)[stage], metrics=measured)


def judged(made: AnalysisPlan, snapshots: Sequence[MetricsCollected]) -> Iterator[Told]:
    """Through bytes at every look, as the service does it."""
    judge = JUDGES["threshold"]
    packed = judge.start(made).pack()
    for one in snapshots:
        evidence, assessment = judge.judge([(made, judge.load(packed), one)])[0]
        packed = evidence.pack()
        yield Told(assessment)


def told(made: AnalysisPlan, snapshots: Sequence[MetricsCollected]) -> list[str]:
    return [assessment.sentence for assessment in judged(made, snapshots)]


def test_a_stage_is_measured_after_its_minimum_and_proceeds_when_its_analysis_has_succeeded() -> None:
    snapshots = [at(second, success=(value,)) for second, value in ((10, 0.2), (20, 0.99), (30, 0.93), (40, 0.971234))]
    found = list(judged(plan(), snapshots))
    assert [one.sentence for one in found] == [
        "hold: analysing, 10 s of at least 20 s at 5 %, then its metrics are measured",
        "hold: success 0.99, 1 of 3 measurements at 5 %",
        "hold: success 0.93, 2 of 3 measurements, 1 failed, failureLimit 1 at 5 %",
        "proceed: successful at 5 %: success 0.971234 after 3 times",
    ]
    assert [one.reason for one in found] == ["before_minimum", "insufficient_evidence", "insufficient_evidence", "rule"]
    assert found[-1].metrics[0].label == "ok"


def test_one_failure_more_than_its_limit_aborts_for_good_and_names_value_condition_and_limit() -> None:
    snapshots = [at(second, success=(value,)) for second, value in ((20, 0.9), (30, 0.91), (40, 1.0))]
    snapshots.append(at(50, stage=1, success=(1.0,)))
    found = list(judged(plan(), snapshots))
    sentence = "abort: success 0.91, wanted result[0] >= 0.95; failed 2 times, failureLimit 1"
    assert [one.sentence for one in found[1:]] == [sentence] * 3
    assert {(one.verdict, one.reason, one.regressed) for one in found[1:]} == {("abort", "rule", ("success",))}
    assert found[-1].metrics[0].label == "worse"


def test_errors_in_a_row_abort_and_until_then_are_told_as_what_they_are() -> None:
    away = "Prometheus answered HTTP 503"
    found = list(judged(plan(metric(consecutive_error_limit=1)), [at(20, success=away), at(30, success=away)]))
    assert [(one.verdict, one.reason) for one in found] == [("hold", "provider_error"), ("abort", "rule")]
    assert found[0].missing == ("success",)
    assert found[1].sentence == (
        f"abort: success could not be measured 2 times in a row, consecutiveErrorLimit 1: {away}"
    )
    (empty,) = judged(plan(), [at(20, success=())])
    assert (empty.verdict, empty.reason) == ("hold", "no_data")


def test_what_is_neither_holds_for_a_person_who_may_go_on_to_the_next_stage() -> None:
    made = plan(metric(failure="result[0] < 0.9"))
    found = told(made, [at(20, success=(0.92,)), at(30, success=(0.99,)), at(20, stage=1, success=(0.99,))])
    neither = "neither success (result[0] >= 0.95) nor failure (result[0] < 0.9)"
    assert (
        found[:2] == [f"hold: success 0.92 is {neither}; inconclusive once, inconclusiveLimit 0: a person decides"] * 2
    )
    assert found[2] == "hold: success 0.99, 1 of 3 measurements at 25 %"


def test_each_stage_is_measured_anew_and_only_by_what_is_for_its_weight() -> None:
    made = plan(metric(count=1, weights=(5,)), metric("latency", count=1, weights=(25,)))
    both = [at(20 + 10 * i, i, success=(1.0,), latency=(1.0,)) for i in (0, 1)]
    found = told(made, [both[0], at(20, stage=1, success=(0.0,)), both[1]])
    assert found == [
        "proceed: successful at 5 %: success 1 after once",
        "hold: latency not measured yet at 25 %",
        "proceed: successful at 25 %: latency 1 after once",
    ]
    assert told(plan(metric(weights=(25,))), [at(20)]) == [
        "proceed: nothing is to be measured at 5 %, its minimum has passed"
    ]


def test_a_metric_over_the_run_counts_through_stages_aborts_at_any_time_and_is_waited_for_by_none() -> None:
    made = plan(metric(over="run", count=None))
    found = list(judged(made, [at(10, success=(0.9,)), at(20, success=(1.0,)), at(10, stage=1, success=(0.9,))]))
    assert [(one.verdict, one.reason) for one in found] == [
        ("hold", "before_minimum"), ("proceed", "rule"), ("abort", "rule"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("missing", "reason", "said"),
    [
        ("away", "provider_error", "success could not be measured once, consecutiveErrorLimit 4: away, at 5 %"),
        ((), "no_data", "success could not be measured once, consecutiveErrorLimit 4: no data, at 5 %"),
        (None, "insufficient_evidence", "success not measured yet at 5 %"),
    ],
)
@pytest.mark.parametrize("rule", ["hold", "proceed"])
def test_no_gate_opens_while_a_metric_over_the_run_is_missing(
    missing: Values | None, reason: str, said: str, rule: Any
) -> None:
    made = plan(metric(over="run", count=None), on_time_spent=rule)
    lost: dict[str, Any] = {} if missing is None else {"success": missing}
    found = list(judged(made, [at(20, **lost), at(121, **lost), at(131, success=(1.0,))]))
    assert (found[0].verdict, found[0].reason, found[0].sentence) == ("hold", reason, f"hold: {said}")
    assert (found[1].verdict, found[1].reason) == ("hold", "time_spent")
    assert found[2].verdict == "proceed"


def test_a_metric_over_the_run_that_is_not_due_yet_or_decides_nothing_holds_no_gate() -> None:
    later, dry = metric(over="run", count=None, initial_delay=60), metric(over="run", count=None, dry_run=True)
    assert [one.verdict for one in judged(plan(later), [at(20), at(60)])] == ["proceed", "hold"]
    assert [one.verdict for one in judged(plan(dry), [at(20, success="away")])] == ["proceed"]


def test_a_metric_over_the_run_that_was_inconclusive_begins_anew_when_somebody_went_on() -> None:
    made = plan(metric(over="run", count=None, failure="result[0] < 0.5"))
    snapshots = [at(10, success=(0.7,)), at(20, success=(1.0,)), at(10, stage=1, success=(1.0,))]
    assert [one.verdict for one in judged(made, snapshots)] == ["hold", "hold", "hold"]
    assert told(made, snapshots)[2] == "hold: analysing, 10 s of at least 20 s at 25 %, then its metrics are measured"


def test_a_metric_over_the_run_begins_when_the_first_of_its_weights_is_set_and_counts_its_delay_from_there() -> None:
    made = plan(metric(over="run", count=None, initial_delay=30, weights=(25,), failure_limit=0))
    bad = [at(900, success=(0.0,)), at(20, stage=1, success=(0.0,)), at(30, stage=1, success=(0.0,))]
    assert [one.verdict for one in judged(made, bad)] == ["proceed", "proceed", "abort"]
    midway = plan(metric(over="run", count=None, start_after=40, failure_limit=0))
    assert [one.verdict for one in judged(midway, [at(30, success=(0.0,)), at(40, success=(0.0,))])] == [
        "proceed", "abort",
    ]  # fmt: skip


def test_a_metric_with_a_start_of_its_own_is_measured_before_the_minimum_and_the_gate_waits_for_both() -> None:
    made = plan(metric(start_after=0, interval=5, count=2, failure_limit=0), interval=5.0)
    looks = [at(0), at(5, success=(1.0,)), at(10, success=(0.99,)), at(20)]
    assert told(made, looks) == [
        "hold: analysing, 0 s of at least 20 s at 5 %; success not measured yet",
        "hold: analysing, 5 s of at least 20 s at 5 %; success 1, 1 of 2 measurements",
        "hold: analysing, 10 s of at least 20 s at 5 %; successful: success 0.99",
        "proceed: successful at 5 %: success 0.99 after 2 times",
    ]
    (away,) = told(made, [at(5, success="away")])
    assert away.endswith("; success could not be measured once, consecutiveErrorLimit 4: away")
    assert [one.verdict for one in judged(made, [at(5, success=(0.2,))])] == ["abort"]


def test_a_dry_run_is_waited_for_and_never_decides() -> None:
    made = plan(metric(count=1), metric("tried", count=2, failure_limit=0, dry_run=True))
    found = list(judged(made, [at(20, success=(1.0,), tried=(1.0,)), at(30, success=(1.0,), tried=(0.1,))]))
    assert [one.verdict for one in found] == ["hold", "proceed"]
    assert found[1].regressed == ()
    assert "failed (dry run)" in found[1].metrics[1].detail


@pytest.mark.parametrize("rule", ["hold", "abort", "proceed"])
def test_a_stage_whose_time_is_spent_does_what_the_policy_says(rule: Any) -> None:
    (found,) = judged(plan(on_time_spent=rule), [at(121, success=(1.0,))])
    assert (found.verdict, found.reason) == (rule, "time_spent")
    assert "2 min at 5 % without a conclusion" in found.sentence
    assert found.sentence.endswith("; success 1, 1 of 3 measurements at 5 %")


def test_snapshots_that_come_a_little_early_are_taken_and_snapshots_between_two_measurements_are_not() -> None:
    made = plan(metric(interval=20, failure_limit=0), interval=10.0)
    snapshots = [at(20, success=(1.0,)), at(30, success=(0.0,)), at(39.9, success=(1.0,)), at(49.9, success=(0.0,))]
    assert [one.verdict for one in judged(made, [*snapshots, at(60, success=(1.0,))])] == ["hold"] * 4 + ["proceed"]


def test_infinite_values_and_bare_numbers_are_what_prometheus_said() -> None:
    made = plan(metric(success=None, failure="result > 2", count=1, failure_limit=0))
    infinite = at(20).model_copy(update={"metrics": {"success": Scalar(status="ok", values=("+Inf",), vector=False)}})
    assert told(made, [infinite]) == ["abort: success inf, failure result > 2; failed once, failureLimit 0"]
    unknown = at(20).model_copy(update={"metrics": {"success": Scalar(status="ok", values=(None,), vector=False)}})
    assert told(made, [unknown]) == ["proceed: successful at 5 %: success nan after once"]


@pytest.mark.parametrize(
    "packed", [b"", b"\x01{}", b"\x02{}", b"\x02[", b'\x02{"tallies":[[1,2,3,4,5,6,7,8,9,0,1]],"begun":[0]}']
)
def test_bytes_that_are_no_evidence_are_refused(packed: bytes) -> None:
    with pytest.raises(EvidenceError):
        Evidence.unpack(packed)


def test_evidence_of_another_plan_is_refused() -> None:
    with pytest.raises(EvidenceError, match="does not fit the plan"):
        ThresholdJudge().judge([(plan(), Evidence((), ()), at(20))])


@given(
    st.lists(st.sampled_from("sfie"), max_size=30),
    st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(1, 3),
)  # fmt: skip
def test_the_verdict_of_a_stage_is_the_phase_of_argos_run(
    letters: list[str], failures: int, unclear: int, errors: int, successes: int | None
) -> None:
    asked: dict[str, Any] = {
        "failure": "result[0] < 0.5", "count": 8, "failure_limit": failures, "inconclusive_limit": unclear,
        "consecutive_error_limit": errors, "consecutive_success_limit": successes,
    }  # fmt: skip
    rule = metric(**asked)
    values: dict[str, Values] = {"s": (1.0,), "f": (0.0,), "i": (0.7,), "e": "away"}
    found = judged(plan(rule), [at(20 + 10 * i, success=values[letter]) for i, letter in enumerate(letters)])
    tally = Tally()
    for letter, one in zip(letters, found, strict=True):
        if not tally.completed:
            ended = {"s": "Successful", "f": "Failed", "i": "Inconclusive", "e": "Error"}[letter]
            tally = added(rule.source.conditions, tally, ended, 0, "", "")  # type: ignore[union-attr, arg-type]
        expected = {"Failed": "abort", "Error": "abort", "Successful": "proceed"}.get(tally.phase, "hold")
        assert one.verdict == expected


RECORDED = ("analysis-fails", "analysis-inconclusive", "analysis-pull", "analysis-pull-1.9.1")


def recorded_runs(name: str) -> list[tuple[Conditions, list[dict[str, Any]]]]:
    """Of each AnalysisRun of a recording its metric's conditions, and its status whenever that changed."""
    runs: dict[str, tuple[Conditions, list[dict[str, Any]]]] = {}
    for event in recording(name):
        if event.get("event") != "watch" or event["kind"] != "AnalysisRun" or event["type"] == "DELETED":
            continue
        run = event["object"]
        if event["type"] == "ADDED":
            (written,) = run["spec"]["metrics"]
            runs[run["name"]] = (read(written), [])
        elif (run.get("status") or {}).get("metricResults"):
            runs[run["name"]][1].append(run["status"])
    return list(runs.values())


def read(written: dict[str, Any]) -> Conditions:
    alike = (
        "failureLimit",
        "inconclusiveLimit",
        "consecutiveErrorLimit",
        "count",
        "consecutiveSuccessLimit",
        "interval",
    )
    ours = {"successCondition": "success", "failureCondition": "failure"} | {name: name for name in alike}
    return Conditions(over="run", **{ours[name]: value for name, value in written.items() if name in ours})


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_measurements_bring_the_recorded_phases_at_the_same_measurements(name: str) -> None:
    phases: set[Phase] = set()
    for conditions, statuses in recorded_runs(name):
        tally, seen = Tally(), 0
        for status in statuses:
            (result,) = status["metricResults"]
            total = result.get("count", 0) + result.get("error", 0)
            for taken in result["measurements"][seen - total :] if total > seen else []:
                ended, _ = _measured(name, conditions, taken)
                assert ended == taken["phase"]
                tally = added(conditions, tally, ended, 0, "", "")
            seen = total
            assert tally.phase == result["phase"]
            assert phase([(conditions, tally)]) == status["phase"]
            phases.add(tally.phase)
    assert len(phases) > (name == "analysis-fails")


def _measured(name: str, conditions: Conditions, taken: dict[str, Any]) -> tuple[Any, str]:
    """A measurement by its recorded value; what has none did not come to be compared."""
    if "value" not in taken:
        return "Error", ""
    try:
        value = json.loads(taken["value"])
    except ValueError:
        # Up to 1.9.1 an answer that is no JSON is Successful whatever the conditions say; Serinus reads no such answer.
        assert name == "analysis-pull-1.9.1"
        return "Successful", ""
    return outcome(conditions, value)


def test_conditions_of_one_snapshot_share_their_operations_so_that_none_holds_the_judge() -> None:
    costly = "all(result, " + " && ".join(["# >= 0"] * 20) + ")"
    metrics = [metric(f"m{number}", success=costly, count=5) for number in range(50)]
    values: Any = {one.name: [1.0] * 100 for one in metrics}
    began = time.process_time()
    (assessment,) = judged(plan(*metrics), [at(21, **values)])
    # It was 5 s, and twice that with conditions for both.
    assert time.process_time() - began < 2
    errors = [one for one in assessment.metrics if one.label == "error"]
    assert len(errors) == 49
