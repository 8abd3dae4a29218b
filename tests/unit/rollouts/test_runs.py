from serinus_rollouts.runs import Attempt, run_of

from tests.unit.rollouts.objects import ABORTED, at

LATER = {"resourceVersion": "200"}


def test_the_first_time_a_rollout_is_seen_is_its_first_attempt() -> None:
    first = Attempt.first(at())
    assert run_of("eu", at(), first).id == "eu/u-1/new/1"


def test_another_template_is_another_attempt_and_one_that_comes_back_too() -> None:
    first = Attempt.first(at())
    second = first.following(at(metadata=LATER, status={"currentPodHash": "newer"}))
    third = second.following(at(metadata={"resourceVersion": "300"}))
    assert [one.number for one in (first, second, third)] == [1, 2, 3]
    assert third.hash == "new"


def test_an_abort_that_is_taken_back_is_another_attempt_at_the_same_template() -> None:
    aborted = Attempt.first(at()).following(at(metadata=LATER, status=ABORTED))
    assert aborted.number == 1
    retried = aborted.following(at(metadata={"resourceVersion": "300"}))
    assert (retried.hash, retried.number) == ("new", 2)


def test_seeing_the_same_again_counts_nothing() -> None:
    first = Attempt.first(at())
    assert first.following(at()).number == 1


def test_a_reader_that_lags_behind_counts_nothing() -> None:
    second = Attempt.first(at()).following(at(metadata=LATER, status={"currentPodHash": "newer"}))
    assert second.following(at()) == second


def test_edited_steps_are_another_attempt_at_the_same_template() -> None:
    edited = Attempt.first(at()).following(at(metadata=LATER, status={"currentStepHash": "s2", "currentStepIndex": 0}))
    assert (edited.hash, edited.number) == ("new", 2)


def test_an_abort_and_a_retry_that_nobody_saw_are_another_attempt() -> None:
    retried = Attempt.first(at()).following(at(metadata=LATER, status={"abort": False}))
    assert retried.number == 2
    assert retried.following(at(metadata={"resourceVersion": "300"}, status={"abort": False})).number == 2


def test_a_template_that_comes_after_a_retry_is_one_attempt_though_the_mark_of_the_retry_stays() -> None:
    after = Attempt.first(at(status={"abort": False}))
    newer = after.following(at(metadata=LATER, status={"abort": False, "currentPodHash": "newer"}))
    assert newer.number == 2


def test_an_attempt_that_only_the_caller_can_tell_is_counted_once() -> None:
    first = Attempt.first(at())
    assert first.following(at(metadata=LATER), another=True).number == 2
    assert first.following(at(metadata=LATER, status={"currentStepHash": "s2"}), another=True).number == 2
