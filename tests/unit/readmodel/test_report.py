from typing import Any

import pytest
from serinus_contracts import DecisionTaken
from serinus_contracts.report import (
    Chapter,
    Concluded,
    Decided,
    Ended,
    Judged,
    Planned,
    Report,
    Staged,
    read_chapter,
)
from serinus_readmodel.report import make_report

from tests.support import RUN, plan, verdict

BEGINNING: list[Chapter] = [Planned(at=1_000_000, run=RUN, plan=plan()), Staged(at=999_000, stage=0, weight=5)]


def decided(action: str, **other: Any) -> Decided:
    fields: dict[str, Any] = {"step": 1, "cause": "c", "detail": "d", "mode": "enforce", "state": "confirmed"}
    decision = DecisionTaken.model_validate({"run": RUN, "action": action, "decided": 5} | fields | other)
    return Decided(decision=decision)


def story(*chapters: Chapter) -> Report:
    return make_report([*BEGINNING, *chapters])


def ended(outcome: Any, *chapters: Chapter) -> Report:
    return story(*chapters, Ended(at=1_100_000, outcome=outcome))


def test_a_run_that_goes_on_is_reported_by_its_newest_verdict() -> None:
    found = make_report([*BEGINNING, Judged.by(verdict(evaluation=8), changed=True)], verdict(end=1_011_000))
    assert (found.outcome, found.ended, found.why) == (None, None, verdict().sentence)
    assert (found.evaluations, found.evaluated_requests, found.began) == (9, 4_500, 999_000)
    assert [one.at for one in found.evidence] == [1_010_000, 1_011_000], "the curve ends with the newest look"


def test_what_keeps_an_act_is_why_it_stands_where_it_does_until_the_act_has_ended() -> None:
    kept = decided("abort", state="waiting", detail="abort refused by the API server")
    assert story(kept, decided("hold", decided=6)).why == "abort refused by the API server"
    assert story(kept, decided("hold", decided=6), decided("abort", decided=7)).why == "not judged yet"


def test_a_run_that_was_not_judged_says_so() -> None:
    assert story().why == "not judged yet"


def test_an_aborted_run_says_by_what_even_if_that_was_told_after_its_end() -> None:
    abort = decided("abort", detail="abort by alice (customers complain)", actor="alice")
    found = make_report([*BEGINNING, Ended(at=1_100_000, outcome="aborted"), abort])
    assert found.why == "abort by alice (customers complain)"
    assert [one.actor for one in found.people] == ["alice"]


def test_what_was_only_intended_or_failed_is_not_the_reason_of_the_end() -> None:
    found = ended("aborted", decided("abort", state="intended"), decided("abort", state="failed"))
    assert found.why == "aborted outside Serinus"
    assert ended("promoted", decided("advance")).why == "promoted outside Serinus"


TIMED_OUT = 'ReplicaSet "checkout-new" has timed out progressing.'


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (f"RolloutAborted: Rollout aborted update to revision 2: {TIMED_OUT}", f"aborted by Argo: {TIMED_OUT}"),
        ("RolloutAborted: Rollout aborted update to revision 2", "aborted outside Serinus"),
        (f"ProgressDeadlineExceeded: {TIMED_OUT}", "aborted outside Serinus"),
    ],
)
def test_an_abort_that_argo_gives_a_reason_for_is_its_own(trouble: str, why: str) -> None:
    end = Ended(at=1_100_000, outcome="aborted", trouble=trouble)
    assert story(end).why == why
    assert story(decided("abort", detail="too many errors"), end).why == "too many errors"


def test_a_run_that_cannot_be_judged_says_what_was_told_of_the_cause() -> None:
    held = decided("hold", cause="no-verdict since 5: pods", detail="0 of 1 canary pods ready")
    assert story(held).why == "not judged yet: 0 of 1 canary pods ready"


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("deleted", "the Rollout was deleted or is no longer watched"),
        ("superseded", "another revision or attempt took its place"),
    ],
)
def test_an_end_that_nobody_decided_is_said_plainly(outcome: str, why: str) -> None:
    assert ended(outcome).why == why


def test_the_last_verdict_of_an_ended_run_is_the_one_it_was_closed_with() -> None:
    closed = Concluded(verdict=verdict(evaluation=12, evaluated_requests=9_000))
    found = make_report([*BEGINNING, closed, Ended(at=1_100_000, outcome="aborted")], verdict(evaluation=99))
    assert (found.evaluations, found.evaluated_requests) == (12, 9_000)


def test_changes_are_the_evaluations_with_a_sentence() -> None:
    looks = [Judged.by(verdict(end=at), changed=at == 1_002_000) for at in (1_001_000, 1_002_000, 1_003_000)]
    assert [one.at for one in story(*looks).changes] == [1_002_000]
    assert len(story(*looks).evidence) == 3


def test_a_story_without_its_beginning_is_no_story() -> None:
    with pytest.raises(ValueError, match="without its beginning"):
        make_report([Ended(at=1, outcome="deleted")])


def test_chapters_are_read_as_they_were_written_and_a_report_too() -> None:
    chapters = [*BEGINNING, decided("advance"), Judged.by(verdict(), changed=True), Concluded(verdict=verdict())]
    assert [read_chapter(one.model_dump_json()) for one in chapters] == chapters
    found = make_report(chapters)
    assert Report.model_validate_json(found.model_dump_json(exclude_none=True)) == found


@pytest.mark.parametrize("garbled", [b"", b"{}", b'{"kind": "epilogue"}', b"[1]"])
def test_what_is_no_chapter_is_refused(garbled: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        read_chapter(garbled)
