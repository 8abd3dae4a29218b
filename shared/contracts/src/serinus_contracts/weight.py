"""A share of traffic in percent. A Rollout sets it in parts of its `maxTrafficWeight`, people write and read percent.

Percents are rounded to a ten-thousandth, so that those of equal parts are equal; a whole one is an int, in JSON too.
"""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

DIGITS = 4


def rounded(percent: float) -> float:
    """To a ten-thousandth; an int where nothing is left behind the point."""
    value = round(percent, DIGITS)
    return int(value) if value == int(value) else value


def percent_of(parts: float, whole: float) -> float:
    """50 of 1000 are 5."""
    return rounded(100 * parts / whole)


def weight_text(percent: float) -> str:
    """5 %, 0.5 %, 33.3333 %: all the digits, so that it can be copied into a policy."""
    return f"{rounded(percent):.10g} %"


# As a float pydantic would write 5.0, and every digest would be another.
_WRITTEN = PlainSerializer(rounded, return_type=Any)
_NUMBER = WithJsonSchema({"type": "number"}, mode="serialization")
Percent = Annotated[float, AfterValidator(rounded), _WRITTEN, _NUMBER]
Weight = Annotated[
    float,
    Field(ge=0, le=100, description="share of traffic in percent, such as 5 or 0.5"),
    AfterValidator(rounded), _WRITTEN, _NUMBER,
]  # fmt: skip
