"""What every setting of a scenario is made of: durations, sizes, shares, and moments."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SIZES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)(k|M|G|Ki|Mi|Gi)?")


def to_seconds(value: object) -> object:
    """`1m30s`, `500ms` or a plain number of seconds, as a float. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration is a number of seconds or a text such as 500ms, 30s or 1m30s")
    if not isinstance(value, str):
        return float(value)
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration; write for instance 500ms, 30s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def to_bytes(value: object) -> object:
    """`256Mi`, `1.5G` or a plain number of bytes, as a float. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a size is a number of bytes or a text such as 256Mi or 1G")
    if not isinstance(value, str):
        return float(value)
    found = _SIZE.fullmatch(value)
    if found is None:
        raise ValueError(f"{value!r} is no size; write for instance 256Mi or 1G")
    return float(found[1]) * _SIZES[found[2] or ""]


Seconds = Annotated[float, BeforeValidator(to_seconds), Field(ge=0)]
Bytes = Annotated[float, BeforeValidator(to_bytes), Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """The base of every part of a scenario: unknown fields are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class When(Settings):
    """A moment: `at` so long after the world's start, `after` so long after the run's start, or from a `weight` on.

    A run starts when a template is released, and again when an abort of it is taken back.
    """

    at: Seconds | None = None
    after: Seconds | None = None
    weight: float | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _one(self) -> When:
        if [self.at, self.after, self.weight].count(None) != 2:
            raise ValueError("say exactly one of at, after and weight")
        return self
