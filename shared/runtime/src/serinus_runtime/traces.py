"""One trace from snapshot to patch, by OpenTelemetry where it is installed and asked for; else nothing is recorded.

The `traceparent` of W3C Trace Context travels in the stream entries. A service that records no spans passes it on, so
that a trace does not break there.
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

logger = logging.getLogger(__name__)

_passed: ContextVar[str | None] = ContextVar("serinus_traceparent", default=None)
_tracer: Any = None
_propagator: Any = None


def configure(service: str) -> None:
    """Record and export spans if OpenTelemetry's variables ask for it: an OTLP endpoint, or OTEL_TRACES_EXPORTER.

    Needs `serinus-runtime[otel]`; sampling, headers and the like are the SDK's own variables.
    """
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none"
    if off or not (exporter or endpoint):
        return
    if exporter not in ("", "otlp"):
        logger.warning("no traces: OTEL_TRACES_EXPORTER is %r, known are otlp and none", exporter)
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("no traces: OTEL_ variables ask for them, but pip install 'serinus-runtime[otel]' is missing")
        return
    name = os.environ.get("OTEL_SERVICE_NAME", service)
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)


def use(provider: Any) -> None:
    """Record spans by this tracer provider; by none if it is None."""
    global _tracer, _propagator
    if provider is None:
        _tracer = _propagator = None
        return
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    _tracer, _propagator = provider.get_tracer("serinus"), TraceContextTextMapPropagator()


@contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int) -> Iterator[None]:
    """What is done inside is one span; `parent` is a traceparent from elsewhere, by default the span around it."""
    if _tracer is None:
        token = _passed.set(parent or _passed.get())
        try:
            yield
        finally:
            _passed.reset(token)
        return
    with _tracer.start_as_current_span(name, context=_context(parent), attributes=attributes):
        yield


def record(name: str, parent: str | None, began: int, **attributes: str | int) -> str | None:
    """A span from `began` (by `now`) until now, for what is done in batches; gives its traceparent."""
    if _tracer is None:
        return parent
    from opentelemetry.trace import set_span_in_context

    made = _tracer.start_span(name, context=_context(parent), start_time=began, attributes=attributes)
    made.end()
    return _traceparent(set_span_in_context(made))


def now() -> int:
    """Nanoseconds since 1970, for `record`."""
    return time.time_ns()


def current() -> str | None:
    """The traceparent to send on, None outside of any trace."""
    return _passed.get() if _tracer is None else _traceparent(None)


def _context(parent: str | None) -> Any:
    return _propagator.extract({"traceparent": parent}) if parent else None


def _traceparent(context: Any) -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier, context)
    return carrier.get("traceparent")
