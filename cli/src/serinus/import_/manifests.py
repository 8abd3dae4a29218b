"""Manifests from files, with the place of everything in them, for a person who has to mend one."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from serinus_runtime.documents import DocumentError, Location, Problem, given_twice, mark_of

from serinus.import_.foreign import UNRENDERED, unrendered_at, way

P = TypeVar("P", bound=BaseModel)
TEMPLATES = ("AnalysisTemplate", "ClusterAnalysisTemplate")


@dataclass(frozen=True)
class Manifest:
    """One object and where it stands."""

    file: str
    text: str
    node: yaml.Node
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """Empty where there is none."""
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        """Empty where there is none."""
        return str(self.part("metadata").get("name", ""))

    @property
    def namespace(self) -> str:
        """Empty where there is none."""
        return str(self.part("metadata").get("namespace") or "")

    @property
    def argos(self) -> bool:
        """Whether it is of a kind that is read, and of Argo if it says whose."""
        group = str(self.body.get("apiVersion") or "argoproj.io/")
        return self.kind in ("Rollout", *TEMPLATES) and group.startswith("argoproj.io/")

    def part(self, *keys: str) -> dict[str, Any]:
        """A mapping inside; an empty one where there is none."""
        found: Any = self.body
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def problem(self, location: Location, message: str) -> Problem:
        """What is wrong at a place inside."""
        mark = mark_of(self.node, location, key=False)
        return Problem(self.file, mark.line + 1, mark.column + 1, "", message)

    def checked(self, model: type[P], value: Any, where: Location) -> P:
        """What stands there as a model. Raises DocumentError naming every place that is not as it must be."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            raise DocumentError(
                [
                    self.problem(place, f"{'.'.join(map(str, place))}: {item['msg'].removeprefix('Value error, ')}")
                    for item in error.errors()
                    for place in [(*where, *item["loc"])]
                ]
            ) from None


@dataclass(frozen=True)
class Manifests:
    """What was given: one Rollout, the templates that it may refer to by kind and name, and all that is passed over."""

    rollout: Manifest
    templates: dict[tuple[str, str], Manifest]
    passed_over: tuple[Manifest, ...] = ()


def read(files: Iterable[Path]) -> Manifests:
    """Raises DocumentError with file, line and column."""
    found = [manifest for file in files for manifest in _read(file)]
    rollouts = [manifest for manifest in found if manifest.argos and manifest.kind == "Rollout"]
    if len(rollouts) != 1:
        raise _no_rollout(found, rollouts)
    (rollout,) = rollouts
    ours = [one for one in found if one.argos and not _elsewhere(one, rollout)]
    templates: dict[tuple[str, str], Manifest] = {}
    problems = [problem for one in ours for problem in _unrendered(one)]
    for manifest in ours:
        if (
            manifest.kind in TEMPLATES
            and templates.setdefault((manifest.kind, manifest.name), manifest) is not manifest
        ):
            other = templates[manifest.kind, manifest.name]
            problems.append(manifest.problem(("metadata", "name"), f"{manifest.name} is in {other.file} too"))
    if problems:
        raise DocumentError(problems)
    return Manifests(rollout, templates, tuple(one for one in found if one not in ours))


def _elsewhere(manifest: Manifest, rollout: Manifest) -> bool:
    """Whether it is a template of another namespace, where the Rollout's analyses find none."""
    return manifest.kind == "AnalysisTemplate" and len({manifest.namespace, rollout.namespace} - {""}) > 1


def _no_rollout(found: Sequence[Manifest], rollouts: Sequence[Manifest]) -> DocumentError:
    """What stands there instead, with the way for what is known."""
    known = [one.problem((), f"this is {other}") for one in found if not one.argos and (other := way(one.body))]
    if known and not rollouts:
        return DocumentError(known)
    where = ", ".join(f"{one.file}: {one.name}" for one in rollouts) or "none given"
    others = ", ".join(dict.fromkeys(f"{one.kind} {one.name}".rstrip() for one in found if one not in rollouts))
    hint = "; import each from a file of its own" if rollouts else f"; passed over: {others}" if others else ""
    whole = found[0].file if found else "files"
    return DocumentError.about(whole, f"exactly one Rollout is wanted ({where}){hint}")


def _unrendered(manifest: Manifest) -> Iterator[Problem]:
    """In the parts that are read; elsewhere, such as in annotations of pods, templates are other programs' affair."""
    read: Any = manifest.node
    for key in ("spec", "strategy") if manifest.kind == "Rollout" else ("spec",):
        pairs = read.value if isinstance(read, yaml.MappingNode) else []
        read = next((value for name, value in pairs if name.value == key), None)
    if read is not None:
        at = unrendered_at(manifest.text, read.start_mark.index, read.end_mark.index)
        if at is not None:
            yield _problem_at(manifest.file, manifest.text, at, f"this is {UNRENDERED}")


class _Loader(yaml.SafeLoader):
    """Reads as clients of Kubernetes do, for which 10:30 and 2026-11-30 are text."""


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    if ":" in node.value:
        return node.value
    whole = node.tag.endswith("int")
    return loader.construct_yaml_int(node) if whole else loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def _read(file: Path) -> list[Manifest]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError.about(str(file), str(getattr(error, "strerror", None) or error)) from error
    if text.lstrip().startswith("{"):  # JSON may be indented by tabs, which YAML forbids
        text = text.replace("\t", " ")
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        # Before merge keys are put in: a key beside one overrides what it brings.
        problems = [problem for node in nodes for problem in given_twice(node, str(file))]
        bodies = [_Loader("").construct_document(node) for node in nodes]
    except RecursionError:
        raise DocumentError.about(str(file), "is nested too deeply, or refers to itself") from None
    except (yaml.YAMLError, ValueError) as error:
        raise DocumentError([_no_yaml(file, text, error)]) from error
    made: list[Manifest] = []
    for node, body in zip(nodes, bodies, strict=True):
        for inner, part in _opened(node, body):
            one = Manifest(str(file), text, inner, part if isinstance(part, dict) else {})
            if part is not None and not one.kind and way(one.body) is None:
                problems.append(one.problem((), "no manifest: it has no kind"))
            elif part is not None:
                made.append(one)
    if problems:
        raise DocumentError(problems)
    return made


def _opened(node: yaml.Node, body: Any) -> Iterator[tuple[yaml.Node, Any]]:
    """The objects of a list, such as kubectl gives; anything else as it is."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    items = next((value for key, value in pairs if key.value == "items"), None)
    if (
        isinstance(body, dict)
        and str(body.get("kind", "")).endswith("List")
        and isinstance(items, yaml.SequenceNode)
        and isinstance(body["items"], list)
    ):
        for inner, part in zip(items.value, body["items"], strict=True):
            yield from _opened(inner, part)
    else:
        yield node, body


def _no_yaml(file: Path, text: str, error: Exception) -> Problem:
    at = unrendered_at(text)
    if at is not None:
        return _problem_at(str(file), text, at, f"no YAML: this is {UNRENDERED}")
    mark = getattr(error, "problem_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Problem(str(file), line, column, "", f"no YAML: {getattr(error, 'problem', None) or error}")


def _problem_at(file: str, text: str, at: int, message: str) -> Problem:
    before = text[:at]
    return Problem(file, before.count("\n") + 1, at - before.rfind("\n"), "", message)
