"""What the pages show is true: references are today's, policies are right, variables and links exist."""

import json
import pydoc
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from serinus.app import ENTRIES, app, load
from typer.testing import CliRunner

from tools.chart import SCHEMA
from tools.reference import NOTICE, PAGES, SETTINGS, page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PATTERNS = ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/**/*.md")
TEXTS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
VALUES = json.loads(SCHEMA.read_text())
OTHER_VARIABLES = {
    "SERINUS_PROMETHEUS": "docker-compose.yml",
    "SERINUS_CONSOLE_AUTH": "docker-compose.yml",
    "SERINUS_CONSOLE_TOKEN": "docker-compose.yml",
    "SERINUS_UID": "docker-compose.yml",
}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(*languages: str) -> Iterator[tuple[str, str]]:
    """Where each block of these languages stands, and its text."""
    for path in TEXTS:
        text = path.read_text()
        for found in FENCE.finditer(text):
            if found[1] in languages:
                yield f"{name(path)}:{text[: found.start()].count(chr(10)) + 1}", found[2]


def each(*languages: str) -> list[object]:
    return [pytest.param(text, id=where) for where, text in blocks(*languages)]


@pytest.mark.parametrize("name", PAGES)
def test_a_reference_page_is_the_one_that_models_and_commands_have_now(name: str) -> None:
    assert (REFERENCE / f"{name}.md").read_text() == page(name), "run `make docs`"


def test_every_row_of_who_is_trusted_with_what_names_tests_that_are_there() -> None:
    text = (DOCS / "explanation" / "security.md").read_text()
    tests = {number: one for number, *one in re.findall(r"^(\d+)\. `([\w/]+\.py)::(\w+)`$", text, re.MULTILINE)}
    for file, test in tests.values():
        there = re.search(rf"^(async )?def {test}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)
        assert there, f"{file} has no {test}"
    _, _, *rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert len(rows) >= 15
    named = [re.findall(r"\d+", row[-1]) for row in rows]
    assert all(named), "a row names no test"
    assert {number for row in named for number in row} == set(tests)


def test_no_reference_page_is_left_of_what_is_gone() -> None:
    made = {path.name for path in REFERENCE.glob("*.md") if NOTICE in path.read_text()}
    assert made == {f"{page}.md" for page in PAGES}


@pytest.mark.parametrize("text", each("yaml"))
def test_yaml_that_is_shown_is_read_and_a_policy_in_it_is_right(text: str, tmp_path: Path) -> None:
    for number, document in enumerate(yaml.safe_load_all(text)):
        if isinstance(document, dict) and document.get("kind") == "CanaryPolicy":
            file = tmp_path / f"{number}.yaml"
            file.write_text(yaml.safe_dump(document))
            told = CliRunner().invoke(app, ["validate", str(file)])
            assert told.exit_code == 0, told.output
        elif isinstance(document, dict) and "kind" not in document and document.keys() <= VALUES["properties"].keys():
            assert [error.message for error in Draft7Validator(VALUES).iter_errors(document)] == []


@pytest.mark.parametrize("text", each("json"))
def test_json_that_is_shown_is_read(text: str) -> None:
    json.loads(text)


@pytest.mark.parametrize("text", each("python"))
def test_python_that_is_shown_compiles(text: str) -> None:
    compile(text, "shown", "exec")


def test_every_variable_that_is_named_is_a_setting() -> None:
    known = {f"SERINUS_{field.upper()}" for kind in SETTINGS.values() for field in kind.model_fields}
    known |= {str(one.envvar) for name in ENTRIES for one in load(name).params}
    for path in TEXTS:
        named = set(re.findall(r"SERINUS_[A-Z_]*[A-Z]\b(?!_)", path.read_text()))
        assert {one for one in named - known - set(OTHER_VARIABLES) if not one.startswith("SERINUS_TEST")} == set(), (
            path
        )
    for variable, file in OTHER_VARIABLES.items():
        assert variable in (ROOT / file).read_text()


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_every_link_to_a_file_leads_to_one(path: Path) -> None:
    text = FENCE.sub("", path.read_text())
    targets = [one.split("#")[0] for one in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", one)]
    missing = [one for one in targets if one and not (path.parent / one).exists()]
    assert missing == []


def test_every_name_of_code_in_the_story_of_a_snapshot_is_there() -> None:
    text = (DOCS / "explanation" / "one-snapshot.md").read_text()
    names = re.findall(r"`(serinus_[\w.]+)`", text)
    assert len(names) > 20
    for name in names:
        assert pydoc.locate(name) is not None, name
