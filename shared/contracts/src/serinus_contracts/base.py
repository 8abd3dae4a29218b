"""What all contracts share: how strict a model is, and the units of time.

Instants are whole milliseconds since 1970 (`Millis`), so that they compare exactly and can stand in an id.
Durations are seconds (`Seconds`) and may be written as `30s`, `1h30m` or `500ms` wherever a person writes them.
"""

import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, WithJsonSchema
from pydantic.alias_generators import to_camel

Arm = Literal["canary", "stable"]
Millis = Annotated[int, Field(ge=0, description="Unix time in milliseconds")]
Share = Annotated[float, Field(gt=0, lt=1)]

# Ten years. What is reckoned in milliseconds from more would leave the whole numbers.
MAX_SECONDS = 315_360_000
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
    Field(ge=0, le=MAX_SECONDS, description="a duration: seconds, or text such as 30s, 5m, 1h30m"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX_SECONDS},
                {"type": "string", "pattern": _DURATION},
            ]
        }
    ),
]


# Of whatever an event says in words: others write it, such as providers, Argo and people, and every event is kept.
MAX_TEXT_LENGTH = 1000


def shortened(text: str) -> str:
    """Text that is not too long for an event; what is left out is seen to be."""
    return text if len(text) <= MAX_TEXT_LENGTH else f"{text[: MAX_TEXT_LENGTH - 1]}…"


Text = Annotated[str, AfterValidator(shortened), WithJsonSchema({"type": "string", "maxLength": MAX_TEXT_LENGTH})]


def outlined(values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """JSON by name; in place of a value that is too long for an event stands how long it is."""
    lengths = {name: len(json.dumps(value)) for name, value in values.items()}
    return {
        name: value if lengths[name] <= MAX_TEXT_LENGTH else f"left out: {lengths[name]:,} characters of JSON"
        for name, value in values.items()
    }


Outline = Annotated[dict[str, JsonValue], AfterValidator(outlined)]


class Contract(BaseModel):
    """Part of an event. Unknown fields are ignored, so that a reader survives a newer writer."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Document(BaseModel):
    """Written by a person. Unknown fields are refused, so that a misspelt key is never silently dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PolicyDocument(Document):
    """Part of a CanaryPolicy: its keys are camelCase, as Kubernetes and Argo have it, wherever the part is written.

    That is in a file, in the custom resource, and in a plan, which holds parts of its policy (docs/adr/0090).
    """

    model_config = ConfigDict(alias_generator=to_camel, serialize_by_alias=True)

    @classmethod
    def key_names(cls) -> list[str]:
        """The keys that it may have, in order."""
        return [str(field.alias) for field in cls.model_fields.values()]
