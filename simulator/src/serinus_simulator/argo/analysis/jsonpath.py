"""Kubernetes' JSONPath as far as web metrics use it: one path in braces, of fields, indices and wildcards."""

from __future__ import annotations

import re
from typing import Any

_WHOLE = re.compile(r"^\s*\{\s*\$?(?P<path>.*?)\s*\}\s*$", re.DOTALL)
_STEP = re.compile(
    r"""\.(?P<field>[^.\[\]'"\s]+)|\[\s*(?P<index>-?\d+|\*)\s*\]|\[\s*'(?P<single>[^']*)'\s*\]|\[\s*"(?P<double>[^"]*)"\s*\]"""
)


class JsonPathError(Exception):
    """A path that cannot be followed."""


def first(path: str, data: Any) -> Any:
    """The first value that a path such as `{$.data[0].verdict}` finds. Raises JsonPathError."""
    found = _WHOLE.match(path)
    if found is None:
        raise JsonPathError(f"the simulator knows paths in braces such as {{$.verdict}}, not {path!r}")
    rest, values = found["path"], [data]
    if rest in ("", "."):
        return data
    rest = rest if rest[0] in ".[" else f".{rest}"
    position = 0
    while (step := _STEP.match(rest, position)) is not None:
        values = [inner for value in values for inner in _follow(step, value)]
        position = step.end()
    if position != len(rest):
        raise JsonPathError(f"the simulator does not know {rest[position:]!r} in a path")
    if not values:
        raise JsonPathError("result of web metric produced no value")
    return values[0]


def _follow(step: re.Match[str], value: Any) -> list[Any]:
    index = step["index"]
    if index == "*" or step["field"] == "*":
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    if index is not None:
        if not isinstance(value, list):
            raise JsonPathError(f"{type(value).__name__} is not array or slice")
        if not -len(value) <= int(index) < len(value):
            raise JsonPathError(f"array index out of bounds: index {index}, length {len(value)}")
        return [value[int(index)]]
    name = next(text for text in (step["field"], step["single"], step["double"]) if text is not None)
    if not isinstance(value, dict) or name not in value:
        raise JsonPathError(f"{name} is not found")
    return [value[name]]
