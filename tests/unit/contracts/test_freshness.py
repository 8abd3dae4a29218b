"""How old a verdict may be."""

from serinus_contracts.freshness import ahead, stale

from tests.support import plan

END = 1_000_000


def test_a_verdict_is_stale_after_three_intervals_and_what_its_making_takes() -> None:
    rule = plan(interval=1.0)
    assert not stale(END, rule, END + 23_000)
    assert stale(END, rule, END + 23_001)


def test_a_verdict_about_a_time_to_come_is_ahead_by_more_than_its_making_takes() -> None:
    assert not ahead(END + 20_000, END)
    assert ahead(END + 20_001, END)
