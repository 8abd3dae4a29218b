import json
import logging

from serinus_runtime.logs import JsonFormatter, about


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
