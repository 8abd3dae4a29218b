"""How sure a verdict is, in words."""

from serinus_judging import wording


def test_error_rates_are_said_as_people_set_them() -> None:
    assert wording.false_abort_rate(0.01) == "at a false-abort rate of 1 %"
    assert wording.confidence(0.05) == "at 95 % confidence"
