from typing import Any

import pytest
from serinus_console.domain.card import Card
from serinus_console.service_layer.ask import NotNowError, command, sendable
from serinus_console.service_layer.ports import Person
from serinus_contracts.events import Verb

from tests.support import observed, plan


@pytest.mark.parametrize(
    ("verb", "seen", "step", "change", "why"),
    [
        ("abort", {"outcome": "promoted"}, None, {}, "the run is over: promoted"),
        ("retry", {}, None, {}, "only an aborted run can be tried again; this one is live"),
        ("approve", {}, 3, {}, "the run is at step 1, not 3 any more"),
        ("advance", {"gate_started": None}, None, {}, "does not wait at a gate"),
        ("override", {}, None, {}, "a change is given with override, and only there"),
        ("hold", {}, None, {"interval": "10s"}, "a change is given with override, and only there"),
    ],
)
def test_what_the_controller_would_refuse_is_not_sent(
    verb: Verb, seen: dict[str, Any], step: int | None, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotNowError, match=why):
        sendable(Card(observed(**seen), plan()), verb, step, change)


@pytest.mark.parametrize(("verb", "seen"), [("abort", {}), ("advance", {}), ("retry", {"outcome": "aborted"})])
def test_what_can_be_done_is_sent(verb: Verb, seen: dict[str, Any]) -> None:
    sendable(Card(observed(**seen), plan()), verb, 1, {})


def test_a_command_names_its_run_and_step_expires_and_carries_who_was_verified() -> None:
    sent = command(Card(observed(), plan()), "abort", Person("alice", ("sre",)), "known issue", {}, 1_000)
    assert (sent.run.name, sent.step, sent.expires) == ("checkout", 1, 121_000)
    assert (sent.actor, sent.verified, sent.groups, sent.reason) == ("alice", True, ("sre",), "known issue")
