import pytest
from serinus_rollouts.progress import Intent, progress
from serinus_rollouts.rollout import RolloutView

from tests.unit.rollouts.objects import ABORTED, PAUSED_AT, UNPAUSING, at, step


def intent(action: str = "advance") -> Intent:
    return Intent.model_validate(
        {"action": action, "step": 1, "step_hash": "s1", "cause": "v", "actor": "serinus", "detail": "d", "since": 0}
    )


def test_a_promotion_opens_no_pause_that_began_after_it_was_decided() -> None:
    """Step and hash come back when an abort is taken back."""
    decided = intent().model_copy(update={"gate": PAUSED_AT})
    assert progress(decided, "new", "u-1", at()).next == "send"
    anew = at(status={"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "1970-01-01T00:20:00Z"}]})
    assert progress(decided, "new", "u-1", anew).next == "lost"


def todo(view: RolloutView | None, action: str = "advance") -> str:
    found = progress(intent(action), "new", "u-1", view)
    assert (found.why != "") == (found.next in ("lost", "wait"))
    return found.next


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (at(), "send"),
        (at(status=UNPAUSING), "wait"),
        (at(status={"phase": "Progressing", "pauseConditions": None, "controllerPause": None}), "wait"),
        (at(status={"observedGeneration": "2"}), "wait"),
        (step(2, 5), "done"),
        (step(3, 25), "done"),
        (at(status={"stableRS": "new"}), "done"),
        (step(0, 5), "lost"),
        (at(status=ABORTED), "lost"),
        (at(status={"currentPodHash": "newer"}), "lost"),
        (at(status={"currentStepHash": "s2"}), "lost"),
        (at(spec={"paused": True}), "lost"),
        (at(metadata={"uid": "u-2"}), "lost"),
        (None, "lost"),
    ],
)
def test_what_is_left_of_an_advance_follows_from_the_rollout_alone(view: RolloutView | None, expected: str) -> None:
    assert todo(view) == expected


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (at(), "send"),
        (step(3, 25), "send"),
        (at(spec={"paused": True}), "send"),
        (at(status={"observedGeneration": "2"}), "wait"),
        (at(status=ABORTED), "done"),
        (at(status={**ABORTED, "phase": "Paused"}), "wait"),
        (at(status={**ABORTED, "canary": {"weights": {"canary": {"weight": 5, "podTemplateHash": "new"}}}}), "wait"),
        (at(status={"stableRS": "new"}), "lost"),
        (at(status={"currentPodHash": "newer"}), "lost"),
        (at(status={"abort": False}), "lost"),
        (step(0, 5), "lost"),
        (step(0, 5, status={"currentStepHash": "s2"}), "send"),
        (None, "lost"),
    ],
)
def test_what_is_left_of_an_abort_follows_from_the_rollout_alone(view: RolloutView | None, expected: str) -> None:
    assert todo(view, "abort") == expected


def test_an_abort_of_an_attempt_that_was_a_retry_already_is_sent() -> None:
    decided = intent("abort").model_copy(update={"retried": True})
    assert progress(decided, "new", "u-1", at(status={"abort": False})).next == "send"


def test_an_abort_that_was_sent_and_taken_back_is_done() -> None:
    assert progress(intent("abort"), "new", "u-1", at(status={"abort": False}), taken=True).next == "done"


def test_a_promotion_opens_no_pause_of_the_same_second_after_an_abort_and_a_retry() -> None:
    decided = intent().model_copy(update={"gate": PAUSED_AT})
    retried = at(status={"abort": False})
    assert progress(decided, "new", "u-1", retried).next == "lost"
    assert progress(decided.model_copy(update={"retried": True}), "new", "u-1", retried).next == "send"
