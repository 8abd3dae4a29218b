from dataclasses import replace
from typing import Any

import pytest
from serinus_contracts import Finding, MetricVerdict, VerdictReached
from serinus_readmodel.metrics import rows
from serinus_readmodel.run_view import RunView, apply

from tests.support import observed, plan, verdict


def test_what_is_told_of_a_run_that_was_never_observed_is_dropped() -> None:
    assert apply(None, verdict()) is None
    assert apply(None, observed()) == RunView(observed())


def test_a_verdict_never_goes_back() -> None:
    now = verdict(end=2_000)
    view = RunView(observed(), plan(), now, described=now)
    assert apply(view, verdict(end=1_000)) == view
    later = verdict(end=2_000, sentence="again")
    assert apply(view, later) == replace(view, verdict=later, described=later)


def finding(kind: str, text: str, **other: Any) -> Finding:
    return Finding.model_validate({"kind": kind, "metric": "errors", "text": text} | other)


def of(*said: VerdictReached) -> list[str]:
    """The findings of a run of which this was told, in any order."""
    view: RunView | None = RunView(observed())
    for one in said:
        view = apply(view, one)
    assert view is not None
    return [one.text for one in view.findings]


def test_the_newest_descriptions_are_kept_beside_a_verdict_without_any() -> None:
    first = verdict(end=1_000, findings=(finding("statistics", "z 1"),))
    second = verdict(end=2_000, findings=(finding("statistics", "z 2"),))
    silent = verdict(end=3_000, described=False, findings=(finding("liveness", "restarts", metric="", decides=True),))
    assert of(first, second, silent) == ["restarts", "z 2"]
    assert of(silent, second, first) == ["restarts", "z 2"]


def test_what_decided_once_is_not_told_again_when_the_verdict_is_silent_of_it() -> None:
    decided = finding("trend", "memory grows", decides=True)
    before = verdict(end=1_000, findings=(decided, finding("anomaly", "unlike"), finding("trend", "rises")))
    newer = finding("trend", "rises more")
    assert of(before, verdict(end=2_000, described=False)) == ["rises"]
    assert of(before, verdict(end=2_000, described=False, findings=(newer,))) == ["rises more"]


def test_descriptions_of_another_stage_are_not_told_of_this_one() -> None:
    before = verdict(end=1_000, findings=(finding("statistics", "z 1"),))
    assert of(before, verdict(end=2_000, described=False, stage_started=1_500)) == []


def latency(*events: int, described: bool = True) -> MetricVerdict:
    """Tested at so many edges, with so many slow requests of the canary over each."""
    run = [
        {"canary": {"events": one, "trials": 100}, "stable": {"events": 1, "trials": 900}, "margin": {},
         "canary_edge": edge, "stable_edge": edge, "log_eprocess": one}
        for edge, one in enumerate(events, 1) if one
    ]  # fmt: skip
    stage = [counts for channel in run for counts in (channel["canary"], channel["stable"])]
    seldom = {"dispersion": 1.5} if described else {}
    fields = {"name": "latency", "label": "ok", "status": "ok", "share": 1, "log_eprocess": max(events)}
    return MetricVerdict.model_validate({**fields, "run": run, "stage": stage, **seldom})


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1)])
def test_what_a_verdict_leaves_out_is_shown_as_it_was_told_last_in_whatever_order_it_is_read(
    order: tuple[int, ...],
) -> None:
    told = [
        verdict(end=1_000, metrics=(latency(3, 2),)),
        verdict(end=2_000, metrics=(latency(4, 0, described=False),), described=False, changed=False),
        verdict(end=3_000, metrics=(latency(5, 0, described=False),), described=False, changed=False),
    ]
    view: RunView | None = RunView(observed())
    for which in order:
        view = apply(view, told[which])
    assert view is not None
    assert view.whole is not None
    (metric,) = view.whole.metrics
    assert view.whole.end == 3_000
    assert [channel.canary.events for channel in metric.run] == [5, 2]
    assert [counts.events for counts in metric.stage] == [5, 1, 2, 1]
    assert metric.dispersion == 1.5
    assert len(rows(view.whole, None)[0].others) == 2


def test_a_verdict_is_current_for_its_step_only() -> None:
    view = RunView(observed(), plan(), verdict())
    assert view.current == verdict()
    assert replace(view, observed=observed(step=2)).current is None
