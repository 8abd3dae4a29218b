"""Manifests from files, with the place of everything in them, for a person who has to mend one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from serinus_runtime.documents import DocumentError, Location, Problem, given_twice, mark_of

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
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str:
        return str(self.part("metadata").get("name", ""))

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
    """What was given: one Rollout and templates by kind and name."""

    rollout: Manifest
    templates: dict[tuple[str, str], Manifest]


def read(files: Iterable[Path]) -> Manifests:
    """Raises DocumentError with file, line and column."""
    found = [manifest for file in files for manifest in _read(file)]
    problems = [
        manifest.problem(("kind",), f"kind {manifest.kind or 'missing'}: wanted are Rollout, {', '.join(TEMPLATES)}")
        for manifest in found
        if manifest.kind not in ("Rollout", *TEMPLATES)
    ]  # fmt: skip
    rollouts = [manifest for manifest in found if manifest.kind == "Rollout"]
    if len(rollouts) != 1 and not problems:
        where = ", ".join(f"{one.file}: {one.name}" for one in rollouts) or "none given"
        raise DocumentError.about(str(found[0].file) if found else "files", f"exactly one Rollout is wanted ({where})")
    templates: dict[tuple[str, str], Manifest] = {}
    for manifest in found:
        if (
            manifest.kind in TEMPLATES
            and templates.setdefault((manifest.kind, manifest.name), manifest) is not manifest
        ):
            other = templates[manifest.kind, manifest.name]
            problems.append(manifest.problem(("metadata", "name"), f"{manifest.name} is in {other.file} too"))
    if problems:
        raise DocumentError(problems)
    return Manifests(rollouts[0], templates)


def _read(file: Path) -> Sequence[Manifest]:
    try:
        text = file.read_text(encoding="utf-8")
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
        bodies = [yaml.SafeLoader("").construct_document(node) for node in nodes]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise DocumentError(
            [Problem(str(file), line, column, "", f"no YAML: {getattr(error, 'problem', error)}")]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError.about(str(file), str(getattr(error, "strerror", None) or error)) from error
    made: list[Manifest] = []
    problems: list[Problem] = []
    for node, body in zip(nodes, bodies, strict=True):
        problems += given_twice(node, str(file))
        if isinstance(body, dict):
            made.append(Manifest(str(file), text, node, body))
        elif body is not None:
            problems.append(Problem(str(file), node.start_mark.line + 1, node.start_mark.column + 1, "", "no manifest"))
    if problems:
        raise DocumentError(problems)
    return made
