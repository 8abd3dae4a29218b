from typing import Any

import pytest
from serinus_contracts import DecisionTaken
from serinus_readmodel.outcome import headline, last_sentence
from serinus_readmodel.run_view import RunView, apply

from tests.support import RUN, observed, plan, verdict

AT = 79_320_000


def decided(action: str, **other: Any) -> DecisionTaken:
    fields = {"run": RUN, "step": 1, "action": action, "cause": "c", "detail": "5 % back to stable", "mode": "enforce"}
    return DecisionTaken.model_validate(fields | {"state": "confirmed", "decided": AT} | other)


@pytest.mark.parametrize(
    ("outcome", "act", "says"),
    [
        ("aborted", {"actor": "alice", "asked": "abort", "reason": "pager"}, "Aborted by alice at 22:02 UTC: pager"),
        ("aborted", {"actor": "alice", "asked": "abort"}, "Aborted by alice at 22:02 UTC"),
        ("aborted", {"detail": "abort: errors 0.6 %"}, "Aborted by Serinus at 22:02 UTC: errors 0.6 %"),
        ("aborted", {"state": "failed"}, "Aborted at 22:03 UTC"),
        ("promoted", {"action": "promote", "detail": "proceed: ok"}, "Promoted by Serinus at 22:02 UTC: ok"),
        ("promoted", {"action": "advance"}, "Promoted at 22:03 UTC"),
        ("superseded", {}, "Superseded at 22:03 UTC: another revision or attempt took its place"),
        ("deleted", {}, "Deleted at 22:03 UTC: the Rollout was deleted or is no longer watched"),
    ],
)
def test_an_ended_run_is_headed_by_its_outcome_with_who_when_and_why(
    outcome: str, act: dict[str, Any], says: str
) -> None:
    view = RunView(observed(), plan(), verdict())
    action = act.pop("action", "abort")
    for event in (
        observed(outcome=outcome, ended=AT + 60_000),
        decided(action, **act),
        decided("refused", asked="hold", decided=AT + 1),
    ):
        view = apply(view, event) or view
    assert headline(view) == says


def test_of_a_run_that_goes_on_the_verdict_is_read_first() -> None:
    assert headline(RunView(observed(), plan(), verdict(sentence="hold: no data"))) == "hold: no data"
    assert headline(RunView(observed(), plan())) == ""


def test_an_older_decision_that_is_read_later_takes_nothing_back() -> None:
    view = RunView(observed(outcome="aborted"), plan())
    newest, older = decided("refused", decided=9), decided("abort", decided=8)
    for event in (newest, older):
        view = apply(view, event) or view
    assert (view.decision, view.ending) == (newest, older)


SENTENCE = "abort: errors 0.3 % against 0.2 %"


@pytest.mark.parametrize(
    ("act", "says"),
    [
        ({"detail": SENTENCE}, ""),
        ({"actor": "alice", "asked": "abort", "reason": "pager"}, SENTENCE),
        ({"state": "failed"}, SENTENCE),
    ],
)
def test_the_last_verdict_of_an_ended_run_is_said_where_the_headline_does_not_say_it(
    act: dict[str, Any], says: str
) -> None:
    view = RunView(observed(), plan(), verdict(sentence=SENTENCE))
    assert last_sentence(view) == ""
    for event in (observed(outcome="aborted", ended=AT), decided("abort", **act)):
        view = apply(view, event) or view
    assert last_sentence(view) == says
