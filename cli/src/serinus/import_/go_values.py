"""How Argo, a program in Go, reads durations, counts and patterns: what it refuses is refused here too."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field
from serinus_contracts.base import MAX_SECONDS

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"[+-]?(?:0|(?:{_PART.pattern})+)", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_MOST = 2**31


def _seconds(value: object) -> object:
    """time.ParseDuration: a unit belongs to every number, and there are no days."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError(f"Argo takes text here: write it with its unit, such as {_example(value)}")
    if not _DURATION.fullmatch(value):
        unit = f"; a number needs its unit, such as {value}s" if _WHOLE.fullmatch(value) else ""
        raise ValueError(f"{value!r} is no duration for Argo, which reads h, m, s, ms{unit}")
    sign = -1 if value.startswith("-") else 1
    return sign * sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def _pause(value: object) -> object:
    """A whole number of seconds, also as text; with units what is less than a second is cut off."""
    if value is None:
        return None
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        found = _seconds(value) if value else None
        if found is None:
            raise ValueError("'' is no duration: leave duration out for a pause without end")
        return int(found)  # type: ignore[call-overload] # seconds
    return _whole(value)


def _whole(value: object) -> object:
    """int or text of one: true, 1.5 and "many" are none."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value) if len(value) < 20 else _MOST
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("Input should be a valid integer")
    if abs(value) >= _MOST:
        raise ValueError("is more than Argo can hold")
    return value


def _example(value: object) -> str:
    return f"{value}s" if isinstance(value, int) and not isinstance(value, bool) else "30s"


_Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Duration = Annotated[_Seconds | None, BeforeValidator(_seconds)]
"""Seconds of `interval` and `initialDelay`; None for an empty text."""
PauseDuration = Annotated[_Seconds | None, BeforeValidator(_pause)]
"""Seconds of `pause.duration`, where "300" is 300 s; None is without end."""
Whole = Annotated[int, BeforeValidator(_whole)]
