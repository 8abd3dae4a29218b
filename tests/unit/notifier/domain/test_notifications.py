"""What people are told of, to whom, when, and in which words."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from serinus_contracts import DecisionTaken, Event
from serinus_notifier.domain.notifications import Cause, Notifications, Rule, causes, dues, ended, goes_on, words

from tests.support import RUN, observed, verdict

NOW = 1_700_000_000_000


def decision(**other: Any) -> DecisionTaken:
    fields: dict[str, Any] = {
        "run": RUN, "step": 1, "action": "abort", "cause": "v:1", "detail": "errors doubled", "mode": "enforce",
        "state": "confirmed", "decided": NOW,
    }  # fmt: skip
    return DecisionTaken(**(fields | other))


def told(event: Event) -> list[tuple[str, str]]:
    return [(cause.kind, cause.text) for cause in causes(event, NOW)]


def one(event: Event) -> Cause:
    (cause,) = causes(event, NOW)
    return cause


@pytest.mark.parametrize(
    ("event", "kinds"),
    [
        (decision(), ["aborted"]),
        (decision(state="intended", mode="shadow"), ["would_abort"]),
        (decision(state="failed"), ["not_done"]),
        (decision(action="advance", state="failed"), ["not_done"]),
        (decision(state="waiting"), ["not_done"]),
        (decision(action="advance"), []),
        (decision(action="await_approval"), ["approval_needed"]),
        (decision(action="hold", detail="settling"), []),
        (decision(action="hold", detail="held by alice: look at the logs first"), ["held"]),
        (decision(action="recorded", detail="recorded; the gate stays closed: no data"), []),
        (decision(action="hold", cause="no-verdict since 5", detail="no verdict for 3 intervals"), ["cannot_judge"]),
        (observed(outcome="promoted"), ["promoted"]),
        (observed(outcome="aborted"), ["aborted"]),
        (observed(outcome="superseded"), []),
        (observed(), []),
        (verdict(), []),
        (verdict(verdict="abort", reason="evidence"), []),
        (verdict(verdict="hold", reason="insufficient_evidence"), ["held"]),
        (verdict(verdict="hold", reason="no_data"), ["held", "cannot_judge"]),
    ],
)
def test_an_event_gives_people_to_know(event: Event, kinds: list[str]) -> None:
    assert [kind for kind, _ in told(event)] == kinds


def test_an_abort_is_one_cause_whether_the_decision_or_the_rollout_tells_it() -> None:
    by_decision, by_rollout = one(decision()), one(observed(outcome="aborted"))
    assert by_decision.id == by_rollout.id
    rule = Rule(kinds=("aborted",), to=("team",))
    assert [due.at for due in dues([rule], by_decision)] == [NOW], "who knows why tells it at once"
    assert [due.at for due in dues([rule], by_rollout)] == [NOW + 30_000], "who does not lets that one go first"


def test_a_cause_goes_once_to_each_channel_of_the_rules_that_want_it_and_as_early_as_any_says() -> None:
    rules = [
        Rule(kinds=("held",), after=600, to=("team", "boss")),
        Rule(kinds=("held",), after=60, to=("team",)),
        Rule(kinds=("held",), namespaces=("pay*",), to=("payments",)),
        Rule(kinds=("aborted",), to=("oncall",)),
    ]
    cause = one(verdict(verdict="hold", reason="insufficient_evidence", since=1_000_000))
    assert {due.channel: due.at for due in dues(rules, cause)} == {"team": 1_060_000, "boss": 1_600_000}
    away = cause.model_copy(update={"namespace": "payments"})
    assert {due.channel for due in dues(rules, away)} == {"team", "boss", "payments"}


def test_a_hold_is_told_only_while_it_goes_on_at_its_step() -> None:
    holds = verdict(verdict="hold", reason="insufficient_evidence")
    cause = one(holds)
    assert goes_on(cause, observed(), holds)
    assert not goes_on(cause, observed(step=3), holds)
    assert not goes_on(cause, observed(outcome="aborted"), holds)
    assert not goes_on(cause, observed(), verdict())
    assert not goes_on(cause, None, None)


def test_metrics_that_are_back_end_what_could_not_be_judged_and_leave_the_hold() -> None:
    _, unjudged = causes(verdict(verdict="hold", reason="no_data"), NOW)
    back = verdict(verdict="hold", reason="insufficient_evidence")
    assert not goes_on(unjudged, observed(), back)
    assert list(ended(back)) == [unjudged.id]


def test_a_verdict_to_proceed_ends_what_a_hold_had_begun() -> None:
    held = one(verdict(verdict="hold", reason="settling"))
    assert held.id in list(ended(verdict()))
    assert list(ended(verdict(changed=False))) == []


def test_a_message_says_what_where_since_when_and_where_to_look() -> None:
    config = Notifications(
        channels={"team": SecretStr("json://x")},
        rules=(Rule(kinds=("aborted",), to=("team",)),),
        console="https://serinus.example.com/",
    )
    title, text = words(config, one(decision()))
    assert title == "shop/checkout: aborted"
    assert text == (
        "errors doubled (by serinus)\nsince 2023-11-14 22:13:20 UTC, step 1\n"
        "https://serinus.example.com/runs/test/u-1/new/1"
    )
    own = config.model_copy(update={"templates": {"aborted": "{name} in {namespace}: {text}"}})
    assert words(own, one(decision()))[1] == "checkout in shop: errors doubled (by serinus)"
    hostile = "\x1b[31m[sign in](https://evil.example) @everyone, @all; a@b.c"
    told = words(own, one(decision()).model_copy(update={"text": hostile}))[1]
    assert told == "checkout in shop: [31m[sign in] (https://evil.example) @\u200beveryone, @\u200ball; a@b.c"


@pytest.mark.parametrize("template", ["{text.__class__}", "{secret}", "{text!r}", "{0}", "{text", "{step:>9999999999}"])
def test_a_template_that_names_anything_else_is_refused(template: str) -> None:
    with pytest.raises(ValidationError, match=r"unknown field|no template"):
        Notifications(
            channels={"team": SecretStr("json://x")},
            rules=(Rule(kinds=("aborted",), to=("team",)),),
            templates={"aborted": template},
        )


def test_an_act_that_waits_is_told_when_it_still_does_after_ten_seconds() -> None:
    cause = one(decision(state="waiting", detail="abort refused by the API server: no"))
    (due,) = dues([Rule(kinds=("not_done",), to=("oncall",))], cause)
    assert due.at == NOW + 10_000
    assert goes_on(cause, observed(aborting=True), verdict(end=NOW + 5_000))
    assert not goes_on(cause, observed(outcome="aborted"), None)
    assert cause.id == one(decision(state="failed")).id, "that it has failed by then is no other news"
