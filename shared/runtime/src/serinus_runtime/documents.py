"""YAML that people write, as pydantic models. What is wrong is refused with file, line, column and the way out.

No message holds a value of the document: it may be a secret.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

Location = tuple[int | str, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Problem:
    """What is wrong and where; line and column count from 1, 0 where it is about the whole file."""

    file: str
    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        place = f":{self.line}:{self.column}" if self.line else ""
        return f"{self.file}{place}: " + (f"{self.where}: " if self.where else "") + self.message


class DocumentError(ValueError):
    """One or more problems of files that people wrote."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems

    @classmethod
    def about(cls, whole: str, message: str) -> Self:
        """One problem of a whole file or resource."""
        return cls([Problem(whole, 0, 0, "", message)])


def read(text: str, file: str, model: type[M], context: Mapping[str, Any] | None = None) -> list[M]:
    """The models of one YAML text, which may hold several documents; `context` is for validators.

    Raises DocumentError.
    """
    try:
        return _read(text, file, model, context)
    except RecursionError:
        raise DocumentError.about(file, "is nested too deeply, or refers to itself") from None


def _read(text: str, file: str, model: type[M], context: Mapping[str, Any] | None) -> list[M]:
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        # Before merge keys are put in: a key beside one overrides what it brings.
        problems = [problem for node in nodes for problem in given_twice(node, file)]
        loader = yaml.SafeLoader("")
        documents = [loader.construct_document(node) for node in nodes]
    except (yaml.YAMLError, ValueError) as error:  # a date such as 2024-99-99 is a ValueError
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = re.sub(r"(alias|tag) '.*'", r"\1", str(getattr(error, "problem", error)))
        raise DocumentError([Problem(file, line, column, "", f"no YAML: {problem}")]) from None
    found: list[M] = []
    for node, document in zip(nodes, documents, strict=True):
        if document is None:
            continue
        try:
            found.append(model.model_validate(document, context=context))
        except ValidationError as error:
            problems += _problems(error, node, file, model)
    if problems:
        raise DocumentError(problems)
    return found


def given_twice(node: yaml.Node, file: str, seen: set[int] | None = None) -> Iterator[Problem]:
    """YAML would let the second of two equal keys win without a word. `seen`: nodes that need no second look."""
    seen = set() if seen is None else seen
    if id(node) in seen:
        return
    seen.add(id(node))
    children = []
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    yield Problem(file, key.start_mark.line + 1, key.start_mark.column + 1, key.value, "is given twice")
                keys.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        yield from given_twice(child, file, seen)


def _problems(error: ValidationError, node: yaml.Node, file: str, model: type[BaseModel]) -> Iterator[Problem]:
    items = error.errors(include_url=False)
    # A document of another kind is wrong everywhere.
    items = [item for item in items if item["loc"] == ("kind",) and item["type"] == "literal_error"] or items
    for item in items:
        # A validator of a whole knows better which part it is about.
        location = (*item["loc"], *item.get("ctx", {}).get("at", ()))
        # A list is also called too short for the items in it that were refused.
        if item["type"] == "too_short" and any(len(other["loc"]) > len(location) for other in items):
            continue
        mark = mark_of(node, location, key=item["type"] == "extra_forbidden")
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"unknown key{_suggestion(model, location)}"
        elif item["type"] == "missing":
            message = "is missing"
        yield Problem(file, mark.line + 1, mark.column + 1, ".".join(map(str, location)), message)


def mark_of(node: yaml.Node, location: Location, *, key: bool) -> yaml.Mark:
    """Where a location stands in the text; what is missing stands where its parent begins."""
    mark = node.start_mark
    for depth, part in enumerate(location):
        if isinstance(node, yaml.MappingNode):
            # What a merge key brings stands before the keys that override it.
            pair = next((pair for pair in reversed(node.value) if pair[0].value == part), None)
            if pair is None:
                return mark
            mark = pair[0].start_mark if key and depth == len(location) - 1 else pair[1].start_mark
            node = pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
        else:
            return mark
    return mark


def _suggestion(model: type[BaseModel], location: Location) -> str:
    known = _keys_at(model, location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f": did you mean {close[0]}?" if close else f"; known: {', '.join(sorted(known))}"


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that are allowed at a location."""
    named = False
    for part in location:
        if isinstance(part, int) or named:
            named = False
            continue
        annotation = next((field.annotation for key, field in _keys(model) if key == part), None)
        found = _model_of(annotation)
        if found is None:
            return []
        model, named = found, get_origin(annotation) is dict
    return [key for key, _ in _keys(model)]


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields of a model by the keys that a document has for them."""
    return ((field.alias or name, field) for name, field in model.model_fields.items())


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as `tuple[MetricRule, ...]` or `Margin | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_of(part))), None)
