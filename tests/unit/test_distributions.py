"""What each distribution says of itself, against its code."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tools.set_version import projects, stated

IDS = [path.parent.name for path in projects()]


def project(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return found


BY_NAME = {project(path)["name"]: project(path) for path in projects()}


def requirement(text: str) -> str:
    """The normalised name of a requirement."""
    return re.split(r"[\[<>=!~; ]", text, maxsplit=1)[0].lower().replace("_", "-")


def needed(found: dict[str, Any]) -> list[str]:
    """The requirements of a project, those of its extras too."""
    return list(chain(found["dependencies"], *found.get("optional-dependencies", {}).values()))


def declared(name: str) -> set[str]:
    """What a distribution declares, and what the siblings do that it pins to its own version."""
    names = {requirement(one) for one in needed(BY_NAME[name])}
    return {name}.union(names, *(declared(one) for one in names if one in BY_NAME))


def imported(folder: Path) -> Iterator[str]:
    """The top-level packages that the code in a folder imports, wherever it does."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


def test_everything_that_is_released_together_states_one_version() -> None:
    assert {path: version for path, version in stated().items() if len(version) != 1} == {}
    assert len(set.union(*stated().values())) == 1


@pytest.mark.parametrize("path", projects(), ids=IDS)
def test_a_distribution_pins_the_others_to_its_own_version(path: Path) -> None:
    found = project(path)
    loose = [one for one in needed(found) if one.startswith("serinus") and not one.endswith(f"=={found['version']}")]
    assert loose == []


@pytest.mark.parametrize("path", projects(), ids=IDS)
def test_what_the_code_of_a_distribution_imports_is_installed_with_it(path: Path) -> None:
    owners = packages_distributions()
    used = {name for name in imported(path.parent / "src") if name not in sys.stdlib_module_names}
    installed = declared(project(path)["name"])
    assert {name for name in used if not {requirement(one) for one in owners.get(name, [name])} & installed} == set()
