"""What all contracts share: how strict a model is, and the units of time.

Instants are whole milliseconds since 1970 (`Millis`), so that they compare exactly and can stand in an id.
Durations are seconds (`Seconds`) and may be written as `30s`, `1h30m` or `500ms` wherever a person writes them.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

Arm = Literal["canary", "stable"]
Millis = Annotated[int, Field(ge=0, description="Unix time in milliseconds")]
Share = Annotated[float, Field(gt=0, lt=1)]

# Ten years. What is reckoned in milliseconds from more would leave the whole numbers.
LONGEST_SECONDS = 315_360_000
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_DURATION = r"^(\d+(\.\d+)?(ms|s|m|h|d))+$"


def parse_duration(value: object) -> object:
    """Seconds of a duration such as `90`, `"30s"` or `"1h30m"`; what is no text is left to pydantic.

    Raises ValueError for text that is no duration.
    """
    if not isinstance(value, str):
        return value
    if not re.match(_DURATION, value):
        raise ValueError(f"{value!r} is no duration: write for example 30s, 5m, 1h30m or a number of seconds")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    Field(ge=0, le=LONGEST_SECONDS, description="a duration: seconds, or text such as 30s, 5m, 1h30m"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": LONGEST_SECONDS},
                {"type": "string", "pattern": _DURATION},
            ]
        }
    ),
]


class Contract(BaseModel):
    """Part of an event. Unknown fields are ignored, so that a reader survives a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Document(BaseModel):
    """Written by a person. Unknown fields are refused, so that a misspelt key is never silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
