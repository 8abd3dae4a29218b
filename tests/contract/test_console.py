"""What the documents say of the console and the streams is what they do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serinus_console.openapi import openapi
from serinus_contracts import Keys
from serinus_contracts.envelope import EVENTS
from serinus_contracts.streams import STREAMS

from tests.consoles import TOKEN
from tests.forked import forked_group
from tests.servers import free_port, wait_until

DOCS = Path(__file__).parents[2] / "docs"


def test_the_openapi_document_is_the_one_that_the_console_has_now() -> None:
    assert (DOCS / "openapi.json").read_text() == openapi(), "run `make schemas`"


def test_the_asyncapi_document_has_every_stream_and_refers_to_schemas_that_are_there() -> None:
    document: dict[str, Any] = json.loads((DOCS / "schemas" / "asyncapi.json").read_text())
    assert {channel["address"] for channel in document["channels"].values()} == {
        Keys().stream(name) for name in STREAMS
    }
    for event in EVENTS:
        message = document["components"]["messages"][event.__name__]
        assert message["name"] == event.TYPE
        assert (DOCS / "schemas" / message["payload"]["properties"]["data"]["$ref"]).is_file()


@pytest.fixture(scope="module")
def url(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A console as a process."""
    port, keys = free_port(), Keys("openapi")
    found = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{found}/readyz", timeout=60).status_code == 200
        except httpx.TransportError:
            return False

    with forked_group(tmp_path_factory.mktemp("console")) as children:
        settings_ = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag, "SERINUS_HTTP_PORT": str(port)}
        children.start("console", "serinus_console", SERINUS_AUTH="token", SERINUS_TOKEN=TOKEN, **settings_)
        wait_until(ready, 60, "the console to answer")
        yield found


@pytest.mark.timeout(300)
def test_whatever_is_asked_is_answered_as_the_openapi_document_says(url: str, tmp_path: Path) -> None:
    """By the command, since pytest's plugin costs each of its processes seconds, wherever that test is not run."""
    options = [f"--url={url}", "--exclude-path-regex=events$", "--phases=examples,coverage,fuzzing"]
    options += ["--max-examples=15"]
    options += [] if "SERINUS_TEST_EXPLORE" in os.environ else ["--generation-deterministic"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(DOCS / "openapi.json"), *options]
    # It writes down in its folder what went wrong.
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
