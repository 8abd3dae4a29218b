from dataclasses import replace
from typing import Any

from serinus_contracts import Finding, VerdictReached
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


def test_a_verdict_is_current_for_its_step_only() -> None:
    view = RunView(observed(), plan(), verdict())
    assert view.current == verdict()
    assert replace(view, observed=observed(step=2)).current is None
