import json
import logging
from collections.abc import Iterator

import pytest
from serinus_runtime.logs import JsonFormatter, about, configure


@pytest.fixture
def roots_own() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def line(message: str, **fields: str) -> dict[str, str]:
    record = logging.LogRecord("x", logging.INFO, "f", 1, message, None, None)
    record.fields = fields
    return json.loads(JsonFormatter("serinus-test").format(record))  # type: ignore[no-any-return]


def test_a_line_is_one_json_object_with_what_it_is_about() -> None:
    with about(run="c/u/h/1"), about(event_id="c/u/h/1:5"):
        inside = line("judged", port="1")
    outside = line("idle")
    assert (inside["run"], inside["event_id"], inside["port"]) == ("c/u/h/1", "c/u/h/1:5", "1")
    assert inside["service"] == "serinus-test"
    assert "run" not in outside


def test_a_message_of_several_lines_stays_one_line() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "a\nb", None, None)
    assert "\n" not in JsonFormatter("s").format(record)


@pytest.mark.usefixtures("roots_own")
@pytest.mark.parametrize(
    "library", ["botocore.auth", "msal.token_cache", "azure.core", "google.auth", "urllib3", "new"]
)
def test_at_debug_a_library_does_not_tell_what_it_sends_and_serinus_tells_what_it_does(
    library: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Others in this process may have silenced a library: here each is as it was imported.
    known = logging.Logger.manager.loggerDict
    for name in [one for one in known if one == library or library.startswith(f"{one}.")]:
        monkeypatch.delitem(known, name)
    configure("serinus-test", "DEBUG")
    logging.getLogger(library).debug("SecretAccessKey planted")
    logging.getLogger(library).info("SecretAccessKey planted")
    logging.getLogger(library).warning("retrying")
    logging.getLogger("serinus_collector.x").debug("asked")
    shown = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert [(one["logger"], one["message"]) for one in shown] == [
        (library, "retrying"),
        ("serinus_collector.x", "asked"),
    ]
