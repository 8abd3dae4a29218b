"""Whether a decision is still to be carried out or told, and how it is told."""

from dataclasses import replace

import pytest
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.domain.decide import Decision
from serinus_controller.domain.record import dedupe_key_of, event_without_act, intent_of, is_new
from serinus_rollouts.runs import version_of

from tests.support import RUN
from tests.unit.rollouts.objects import at

HOLD = Decision("hold", 1, "v1", "no_data")
ADVANCE = Decision("advance", 1, "v1", "good", acts=True)
ABORT = Decision("abort", 1, "v2", "bad", acts=True)


def new(
    decision: Decision, begun: Decision | None = None, acting: bool = False, done: tuple[str, int] = ("", 0)
) -> bool:
    """After a decision that was begun, or told, before."""
    before = ControllerState()
    if begun:
        intent = intent_of(begun, at(), 5) if begun.changes_rollout else None
        before = ControllerState(intent=intent, dedupe_key=dedupe_key_of(begun))
    return is_new(decision, before, at(), acting=acting, done=done)


def test_a_hold_is_new_once_for_each_reason() -> None:
    assert new(HOLD)
    assert not new(HOLD, begun=replace(HOLD, cause="v2"))
    assert new(replace(HOLD, detail="time_spent"), begun=HOLD)


def test_to_have_said_what_would_be_done_is_not_to_have_done_it() -> None:
    assert new(ADVANCE, begun=replace(ADVANCE, acts=False))


@pytest.mark.parametrize(
    ("decision", "begun", "taken"),
    [
        (ABORT, ADVANCE, True),
        (replace(ABORT, acts=False), ADVANCE, False),
        (ADVANCE, ABORT, False),
        (HOLD, ADVANCE, False),
    ],
)
def test_only_an_abort_that_acts_takes_the_place_of_an_act_under_way(
    decision: Decision, begun: Decision, taken: bool
) -> None:
    assert new(decision, begun=begun, acting=True) is taken


def test_what_was_done_since_the_rollout_was_seen_is_not_done_again_but_told() -> None:
    later = version_of(at()) + 1
    assert not new(ADVANCE, done=("advance", later))
    assert new(ADVANCE, done=("advance", version_of(at())))
    assert new(ABORT, done=("advance", later))
    assert new(replace(ADVANCE, acts=False), done=("advance", later))


@pytest.mark.parametrize(
    ("decision", "state", "detail"),
    [(HOLD, "confirmed", "no_data"), (replace(ABORT, acts=False), "intended", "shadow mode, would abort: bad")],
)
def test_what_changes_nothing_is_told_as_it_stands(decision: Decision, state: str, detail: str) -> None:
    event = event_without_act(decision, RUN, "shadow", 7)
    assert (event.state, event.detail, event.decided) == (state, detail, 7)
