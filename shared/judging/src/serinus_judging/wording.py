"""How sure a verdict is, in words."""

from serinus_contracts.wording import percent


def false_abort_rate(probability: float) -> str:
    """At a false-abort rate of 1 %."""
    return f"at a false-abort rate of {percent(probability)}"


def confidence(false_promote_rate: float) -> str:
    """At 95 % confidence."""
    return f"at {percent(1 - false_promote_rate)} confidence"
