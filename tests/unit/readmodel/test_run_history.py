import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import Channel, Counts, DecisionTaken, Margin, MetricVerdict
from serinus_contracts.events import Action
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.run_view import RunView
from serinus_readmodel.series import MAX_POINTS, Series

from tests.support import RUN, command, observed, plan, verdict

NOTHING = Counts(events=0, trials=0)


def metric(
    name: str = "errors",
    canary: Counts = Counts(events=4, trials=100),  # noqa: B008 - immutable
    stable: Counts = Counts(events=2, trials=100),  # noqa: B008
) -> MetricVerdict:
    channel = Channel(canary=canary, stable=stable, margin=Margin(ratio=1.25, absolute=0.0))
    counts = (canary, stable)
    return MetricVerdict(name=name, label="ok", status="ok", share=1, log_eprocess=0.5, run=(channel,), stage=counts)


def decision(cause: str, decided: int, action: Action = "hold") -> DecisionTaken:
    return DecisionTaken(
        run=RUN, step=1, action=action, cause=cause, detail="d", mode="enforce", state="confirmed", decided=decided
    )


def look(number: int, **other: Any) -> Any:
    return verdict(**{"end": 1000 * number, "evaluation": number, "changed": False, "metrics": (metric(),), **other})


def test_the_course_of_a_metric_is_its_rates_its_evidence_and_its_ratio_to_the_margin() -> None:
    series = Series()
    series.add(look(1))
    point = next(iter(series)).metrics["errors"]
    assert [round(value, 6) for value in point] == [0.04, 0.02, 0.5, 1.6]


def test_a_metric_that_appears_later_is_not_a_number_before() -> None:
    series = Series()
    series.add(look(1))
    series.add(look(2, metrics=(metric(), metric("latency", NOTHING, NOTHING))))
    first, second = series
    assert "latency" not in first.metrics
    assert math.isnan(second.metrics["latency"].canary)


@given(st.lists(st.integers(1, 5000), unique=True, min_size=1, max_size=900))
def test_a_course_is_short_and_in_order_and_keeps_its_last_evaluation(ends: list[int]) -> None:
    series = Series()
    for end in ends:
        series.add(look(end))
    kept = [point.end for point in series]
    assert kept == sorted(set(kept))
    assert len(kept) <= MAX_POINTS + 1


def test_a_long_course_spans_the_whole_run() -> None:
    series = Series()
    for number in range(1, 2001):
        series.add(look(number))
    ends = [point.end for point in series]
    assert MAX_POINTS / 3 < len(ends) <= MAX_POINTS
    assert ends[0] == 1000
    assert ends[-1] > 1_950_000


def test_the_past_may_be_read_after_the_present() -> None:
    history = RunHistory(RunView(observed(), plan()))
    for event in (look(3, changed=True), decision("c", 30), look(2), look(1, changed=True), decision("b", 20)):
        history.apply(event)
    assert history.view.verdict is not None
    assert history.view.verdict.evaluation == 3
    assert [change.evaluation for change in history.changes] == [1, 3]
    assert [point.end for point in history.series] == [1000, 2000, 3000]
    assert [one.cause for one in history.decisions] == ["b", "c"]
    assert history.view.decision == history.decisions[-1]
    assert history.first_evaluation == 1


def test_what_is_told_twice_is_kept_once() -> None:
    history = RunHistory(RunView(observed(), plan()))
    for _ in range(2):
        history.apply(look(1, changed=True))
        history.apply(decision("a", 1))
        history.apply(command("abort"))
    assert (len(history.changes), len(history.decisions), len(history.commands), len(history.series)) == (1, 1, 1, 1)


def test_a_command_is_pending_until_a_decision_names_it() -> None:
    history = RunHistory(RunView(observed(), plan()))
    history.apply(command("abort"))
    assert [one.verb for one in history.pending] == ["abort"]
    history.apply(decision(command("abort").id, 5, "abort"))
    assert history.pending == []
