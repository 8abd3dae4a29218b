"""What the pages show is true: references are today's, policies are right, commands, options and links exist."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from serinus.app import app
from typer.main import get_command
from typer.testing import CliRunner

from tools.reference import PAGES, SETTINGS, pages

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PATTERNS = ("*.md", "docs/*.md", "docs/adr/*.md", "deploy/**/*.md", "examples/**/*.md")
TEXTS = sorted(path for pattern in PATTERNS for path in ROOT.glob(pattern))
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OTHER_VARIABLES = {
    "SERINUS_PROMETHEUS": "docker-compose.yml",
    "SERINUS_CONSOLE_AUTH": "docker-compose.yml",
    "SERINUS_CONSOLE_TOKEN": "docker-compose.yml",
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


@pytest.mark.parametrize(("page", "content"), list(pages()), ids=list(PAGES))
def test_a_reference_page_is_the_one_that_models_and_commands_have_now(page: str, content: str) -> None:
    assert (REFERENCE / page).read_text() == content, "run `make docs`"


def test_no_reference_page_is_left_of_what_is_gone() -> None:
    assert {path.name for path in REFERENCE.glob("*.md")} == {f"{page}.md" for page in PAGES}


@pytest.mark.parametrize("text", each("yaml"))
def test_yaml_that_is_shown_is_read_and_a_policy_in_it_is_right(text: str, tmp_path: Path) -> None:
    for number, document in enumerate(yaml.safe_load_all(text)):
        if isinstance(document, dict) and document.get("kind") == "CanaryPolicy":
            file = tmp_path / f"{number}.yaml"
            file.write_text(yaml.safe_dump(document))
            told = CliRunner().invoke(app, ["validate", str(file)])
            assert told.exit_code == 0, told.output


@pytest.mark.parametrize("text", each("json"))
def test_json_that_is_shown_is_read(text: str) -> None:
    json.loads(text)


@pytest.mark.parametrize("text", each("python"))
def test_python_that_is_shown_compiles(text: str) -> None:
    compile(text, "shown", "exec")


@pytest.mark.parametrize("text", each("sh"))
def test_shell_that_is_shown_is_shell_and_its_commands_options_and_targets_exist(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""
    assert list(unknown(text)) == []


def unknown(shell: str) -> Iterator[str]:
    """What a shell block calls that `serinus` or the Makefile does not have."""
    commands = get_command(app).commands  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in re.sub(r"\\\n", " ", shell).splitlines():
        code = line.split(" #")[0]
        yield from (f"make {one}" for one in re.findall(r"\bmake ([a-z]+)", code) if one not in targets)
        for call in re.findall(r"(?:^|[|;&(]|bin/)\s*serinus ([^|;&>)]*)", code):
            verb, *rest = call.split()
            if verb.startswith("-"):
                continue
            if verb not in commands:
                yield f"serinus {verb}"
                continue
            known = {option for one in commands[verb].params for option in one.opts} | {"--help", "-h"}
            yield from (
                f"serinus {verb} {one}"
                for one in (part.split("=")[0] for part in rest if re.match(r"--?[a-z]", part))
                if one not in known
            )


def test_a_misspelt_command_option_or_target_would_be_found() -> None:
    shown = "serinus statsu\nserinus history --outcom x | jq .\nmake dmeo\n.venv/bin/serinus demo --keep\n"
    assert list(unknown(shown)) == ["serinus statsu", "serinus history --outcom", "make dmeo"]


def test_every_variable_that_is_named_is_a_setting() -> None:
    known = {f"SERINUS_{field.upper()}" for kind in SETTINGS.values() for field in kind.model_fields}
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
