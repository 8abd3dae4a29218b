"""JSON logs, one object a line, with the run and the event that a line is about."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from serinus_contracts.plain import escaped

from serinus_runtime import traces

_about: ContextVar[dict[str, str]] = ContextVar("serinus_log_context", default={})  # noqa: B039 - never mutated


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Fields such as `run` and `event_id` for every line that is logged inside."""
    token = _about.set(_about.get() | fields)
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with what `about` says and the trace under way."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= _about.get()
        if trace := traces.current():
            line["trace_id"] = trace.split("-")[1]
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return escaped(json.dumps(line, ensure_ascii=False, default=str))


def configure(service: str, level: str) -> None:
    """Send all logging to standard error as JSON lines; of libraries warnings and worse alone.

    At lower levels they tell what they send and are sent, such as credentials of a cloud.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(lambda record: record.levelno >= logging.WARNING or record.name.startswith("serinus"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
