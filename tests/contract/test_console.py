"""What the documents say of the console and the streams is what they do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from serinus.demo.processes import process_group
from serinus_console.openapi import openapi
from serinus_contracts import Keys
from serinus_contracts.envelope import EVENTS
from serinus_contracts.streams import STREAMS

from tests.consoles import TOKEN
from tests.servers import free_port, wait_until

DOCS = Path(__file__).parents[2] / "docs"
schema = schemathesis.openapi.from_dict(json.loads(openapi()))


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
            return httpx.get(f"{found}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    with process_group(tmp_path_factory.mktemp("console")) as children:
        settings_ = {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag, "SERINUS_HTTP_PORT": str(port)}
        children.start("console", "serinus_console", SERINUS_AUTH="token", SERINUS_TOKEN=TOKEN, **settings_)
        wait_until(ready, 60, "the console to answer")
        yield found


@schema.exclude(path_regex="events$").parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_asked_is_answered_as_the_openapi_document_says(case: schemathesis.Case[Any], url: str) -> None:
    case.call_and_validate(base_url=url)
