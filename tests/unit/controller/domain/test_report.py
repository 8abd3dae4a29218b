import pytest
from serinus_controller.domain.report import ALL_UP_TO, CHANGES_UP_TO, chapter

from tests.support import verdict


def test_every_evaluation_of_a_short_run_is_kept() -> None:
    assert all(chapter(verdict(evaluation=look, changed=False)) for look in range(1, ALL_UP_TO + 1))


@pytest.mark.parametrize("doubling", [0, 1, 5])
def test_of_each_doubling_64_evaluations_are_kept(doubling: int) -> None:
    first = ALL_UP_TO * 2**doubling
    kept = sum(chapter(verdict(evaluation=look, changed=False)) is not None for look in range(first, 2 * first))
    assert kept == ALL_UP_TO // 2


def test_an_evaluation_that_changed_the_verdict_is_kept_with_its_sentence() -> None:
    kept = chapter(verdict(evaluation=ALL_UP_TO + 1, changed=True))
    assert kept is not None
    assert kept.sentence == verdict().sentence


def test_a_verdict_that_keeps_changing_does_not_fill_the_memory() -> None:
    looks = range(CHANGES_UP_TO + 1, CHANGES_UP_TO + 1_025)
    assert sum(chapter(verdict(evaluation=look, changed=True)) is not None for look in looks) < 128
