"""Label and field selectors of lists and watches."""

from __future__ import annotations

import re
from collections.abc import Callable

from serinus_simulator.kubernetes.failures import bad_request
from serinus_simulator.kubernetes.kinds import Object

Match = Callable[[Object], bool]
_SET = re.compile(r"^\s*([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_EQUALITY = re.compile(r"^\s*([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)\s*$")
_EXISTENCE = re.compile(r"^\s*(!?)\s*([\w./-]+)\s*$")


def label_selector(text: str) -> Match:
    """`a=b,c!=d,e in (x,y),f notin (z),g,!h`. Raises ApiError 400."""
    requirements = [_requirement(part) for part in _parts(text)]
    return lambda obj: all(holds(obj["metadata"].get("labels") or {}) for holds in requirements)


def field_selector(text: str) -> Match:
    """metadata.name and metadata.namespace, as every kind has them. Raises ApiError 400."""
    wanted: list[tuple[str, str, bool]] = []
    for part in _parts(text):
        found = _EQUALITY.match(part)
        if found is None or found[1] not in ("metadata.name", "metadata.namespace"):
            raise bad_request(f"field label not supported: {part}")
        wanted.append((found[1].removeprefix("metadata."), found[3], found[2] != "!="))
    return lambda obj: all((obj["metadata"].get(key, "") == value) is equal for key, value, equal in wanted)


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def _requirement(part: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(part):
        key, values = found[1], {value.strip() for value in found[3].split(",")}
        if found[2] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _EQUALITY.match(part):
        key, value = found[1], found[3]
        if found[2] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTENCE.match(part):
        key, absent = found[2], found[1] == "!"
        return lambda labels: (key in labels) is not absent
    raise bad_request(f'unable to parse requirement: found "{part}"')
