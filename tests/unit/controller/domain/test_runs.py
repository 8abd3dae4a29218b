from serinus_controller.domain.runs import Attempt, run_of

from tests.unit.controller.rollouts import ABORTED, at

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
