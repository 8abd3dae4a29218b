"""Every command that a page shows exists as it is shown, in a block or in a line of text.

`serinus` is parsed by itself; of make, docker, helm, kubectl and Python modules what is ours is looked up: targets,
services and profiles, values of the chart, files; their own options stand here by name.
"""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus.app import ENTRIES, load

from tests.contract.test_documentation import FENCE, ROOT, TEXTS, blocks, each, name
from tools.chart import SCHEMA, SERVICES

COMMANDS = {name: load(name) for name in ENTRIES}
GLOBAL = ("--help", "--version", "--install-completion", "--show-completion")
SPAN = re.compile(r"`([^`\n]+)`")
TOOLS = ("serinus", "make", "docker", "helm", "kubectl", "python", "pytest")
OPTIONS = {
    "docker build": {"--target", "-t", "--build-arg", "--network"},
    "docker push": set(),
    "docker history": set(),
    "docker run": {"--entrypoint"},
    "docker compose": {"--profile", "-d", "-v", "--wait"},
    "helm install": {"-n", "--create-namespace", "--set", "-f", "--version"},
    "helm template": set(),
    "helm upgrade": {"-n", "--set", "-f", "--version", "--reset-then-reuse-values"},
}
SERVICE = {f"serinus-{service}" for service in SERVICES}


def calls(shell: str) -> Iterator[list[str]]:
    """The commands of a shell text, as words without assignments and redirections."""
    for line in re.sub(r"\\\n", " ", shell).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in (*lexer, ";"):
            if not re.fullmatch(r"[();<>|&]+", word):
                words.append(word)
                continue
            while words and re.match(r"\w+=|(do|export|exec)$", words[0]):
                words.pop(0)
            if words:
                yield [words[0].rpartition("/")[2], *words[1:]]
            words = []


def wrong(shell: str, *, whole: bool = True) -> Iterator[str]:
    """What is shown and does not exist; `whole`: arguments must be there too."""
    for tool, *rest in calls(shell):
        if tool == "serinus":
            yield from _serinus(rest, whole)
        elif tool in SERVICE:
            yield from (f"{tool} {one}" for one in rest if one not in ("--help", "--version"))
        elif tool == "make":
            targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
            yield from (f"make {one}" for one in rest if "=" not in one and one not in targets)
        elif tool in ("docker", "helm") and rest:
            yield from _options(f"{tool} {rest[0]}", rest[1:])
        elif tool == "kubectl":
            files = [after for flag, after in pairwise(rest) if flag == "-f"]
            yield from (f"kubectl -f {one}" for one in files if "/" in one and not (ROOT / one).exists())
        elif tool.startswith("python") and rest[:1] == ["-m"] and rest[1].startswith(("benchmarks", "tests", "tools")):
            yield from _module(rest[1], rest[2:])
        elif tool == "pytest":
            yield from (f"pytest {one}" for one in rest if not one.startswith("-") and not (ROOT / one).exists())


def _serinus(words: Sequence[str], whole: bool) -> Iterator[str]:
    verb, *rest = words or ["--help"]
    if verb in GLOBAL or (not rest and verb in COMMANDS and not whole):
        return
    if verb not in COMMANDS:
        yield f"serinus {verb}"
        return
    try:
        COMMANDS[verb].make_context(verb, rest)
    except Exception as error:  # noqa: BLE001 - of Typer's own copy of click
        if whole or type(error).__name__ != "MissingParameter":
            yield f"serinus {verb}: {getattr(error, 'message', error)}"


def _options(command: str, words: Sequence[str]) -> Iterator[str]:
    if command not in OPTIONS:
        yield command
        return
    given = [word.split("=")[0] for word in words if word.startswith("-")]
    yield from (f"{command} {one}" for one in given if one not in OPTIONS[command])
    after = [*pairwise(words)]
    values = json.loads(SCHEMA.read_text())
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    profiles = {profile for one in compose.values() for profile in one.get("profiles", ())}
    targets = set(re.findall(r"^FROM \w+ AS (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    for option, value in after:
        if option == "--profile" and value not in {*profiles, "*"}:
            yield f"{command} --profile {value}"
        if option == "--target" and not value.startswith("$") and value not in targets:
            yield f"{command} --target {value}"
        if option == "--set":
            yield from (f"{command} --set {one}" for one in value.split(",") if not _is_value(one, values))
    named = [word for word in words if word.startswith("deploy/")]
    yield from (f"{command} {one}" for one in named if not (ROOT / one).exists())
    if command == "docker compose":
        plain = [word for before, word in [("", words[0]), *after] if before != "--profile" and word[0] != "-"]
        yield from (
            f"{command} {one}" for one in plain if one not in {"up", "down", "build", "logs", "restart", *compose}
        )


def _is_value(assignment: str, values: dict[str, Any]) -> bool:
    """Whether the chart has the value that is set."""
    for part in assignment.split("=")[0].split("."):
        values = values.get("properties", {}).get(part, {})
    return bool(values)


def _module(module: str, words: Sequence[str]) -> Iterator[str]:
    path = ROOT / module.replace(".", "/")
    file = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists():
        yield f"python -m {module}"
        return
    yield from (f"{module} {one}" for one in words if one.startswith("--") and f'"{one}"' not in file.read_text())


@pytest.mark.parametrize("text", each("sh"))
def test_shell_that_is_shown_is_shell_and_its_commands_exist(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).stderr == ""
    assert list(wrong(text)) == []


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_commands_in_a_line_of_text_exist(path: Path) -> None:
    spans = SPAN.findall(FENCE.sub("", path.read_text()))
    shown = [one for one in spans if one.split()[0].rpartition("/")[2] in (*TOOLS, *SERVICE) and "..." not in one]
    assert [complaint for one in shown for complaint in wrong(one, whole=False)] == []


def test_there_are_commands_to_look_at() -> None:
    assert len([text for _, text in blocks("sh") if list(calls(text))]) > 10


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        ("serinus statsu", "serinus statsu"),
        ("export A=$(serinus history --outcom x | jq .)", "serinus history: No such option: --outcom"),
        ("serinus status -o yamml", "serinus status: "),
        ("serinus approve", "serinus approve: "),
        ("A=1 .venv/bin/serinus demo --keeep", "serinus demo: No such option: --keeep"),
        ("make dmeo SEED=7", "make dmeo"),
        ("serinus-collector --hlep", "serinus-collector --hlep"),
        ("docker compose --profile dmeo up", "docker compose --profile dmeo"),
        ("docker compose up -d colector", "docker compose colector"),
        ("docker build --target colector .", "docker build --target colector"),
        ("helm install serinus deploy/helm/serinuss -n s", "helm install deploy/helm/serinuss"),
        ("helm upgrade s deploy/helm/serinus --set redis.bundeld=false", "helm upgrade --set redis.bundeld=false"),
        ("helm upgrade s deploy/helm/serinus --resue-values", "helm upgrade --resue-values"),
        ("kubectl apply -f deploy/crd/canaries.yaml", "kubectl -f deploy/crd/canaries.yaml"),
        ("python -m benchmarks.jugde", "python -m benchmarks.jugde"),
        ("python -m benchmarks.judge --tabel x", "benchmarks.judge --tabel"),
        ("pytest tests/system/test_topology.py", "pytest tests/system/test_topology.py"),
    ],
)
def test_a_command_that_does_not_exist_is_found(shown: str, complaint: str) -> None:
    (found,) = wrong(shown)
    assert found.startswith(complaint)
