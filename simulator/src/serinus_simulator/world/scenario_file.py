"""Scenario files: refused with file, line, column and the field, and a suggestion for a misspelt key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from serinus_simulator.world.scenario import Scenario

Place = tuple[int, int]


class ScenarioError(Exception):
    """A scenario that cannot be used. Its text is one line for each fault: file:line:column: field: what is wrong."""


def read_scenario(path: str | Path) -> Scenario:
    """Raises ScenarioError, also for a file that cannot be read."""
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from None
    return parse_scenario(text, str(path))


def parse_scenario(text: str, file: str = "scenario") -> Scenario:
    """Raises ScenarioError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ScenarioError(f"{file}{place}: {getattr(error, 'problem', None) or error}") from None
    try:
        return Scenario.model_validate({} if data is None else data)
    except ValidationError as error:
        places = {} if root is None else dict(_places(root, ()))
        raise ScenarioError("\n".join(_line(file, fault, places) for fault in error.errors())) from None


def _places(node: yaml.Node, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Place]]:
    """Where each key and each item stands."""
    yield path, (node.start_mark.line + 1, node.start_mark.column + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _places(value, (*path, key.value))
            yield (*path, key.value), (key.start_mark.line + 1, key.start_mark.column + 1)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _places(item, (*path, number))


def _line(file: str, fault: Any, places: dict[tuple[Any, ...], Place]) -> str:
    path = tuple(fault["loc"])
    known = path
    while known and known not in places:
        known = known[:-1]
    line, column = places.get(known, (1, 1))
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        message = "unknown field" + _suggestion(path)
    elif fault["type"] == "missing":
        message = "is missing"
    field = ".".join(str(part) for part in path) or "scenario"
    return f"{file}:{line}:{column}: {field}: {message}"


def _suggestion(path: tuple[Any, ...]) -> str:
    fields = _fields_at(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), fields, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known are {', '.join(fields)}" if fields else ""


def _fields_at(path: tuple[Any, ...]) -> list[str]:
    model: Any = Scenario
    for part in path:
        if isinstance(part, int):
            continue
        fields = {info.alias or name: info for name, info in model.model_fields.items()}
        if part not in fields:
            return []
        model = _model_in(fields[part].annotation)
        if model is None:
            return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Model, ...]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)
