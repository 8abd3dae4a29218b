"""Spans where somebody asks for them, and a trace that goes on where nobody does."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serinus_runtime import traces
from serinus_runtime.logs import JsonFormatter

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    traces.use(provider)
    yield made
    traces.use(None)


def test_without_opentelemetry_a_trace_is_passed_on_and_none_is_begun() -> None:
    with traces.span("look"):
        assert traces.current() is None
    with traces.span("decide", GIVEN), traces.span("act"):
        assert traces.current() == GIVEN
    assert traces.current() is None
    assert traces.record("judge", GIVEN, traces.now()) == GIVEN


def test_a_span_inside_another_and_one_from_elsewhere_belong_to_one_trace(exporter: InMemorySpanExporter) -> None:
    with traces.span("look", run="r"):
        sent = traces.current()
    judged = traces.record("judge", sent, traces.now(), verdict="hold")
    with traces.span("decide", judged), traces.span("act"):
        pass
    spans = {one.name: one for one in exporter.get_finished_spans()}
    assert list(spans) == ["look", "judge", "act", "decide"]
    for child, parent in (("judge", "look"), ("decide", "judge"), ("act", "decide")):
        above = spans[child].parent
        assert above is not None
        assert above.span_id == spans[parent].context.span_id
    assert len({one.context.trace_id for one in spans.values()}) == 1
    assert dict(spans["judge"].attributes or {}) == {"verdict": "hold"}


def test_a_log_line_names_its_trace() -> None:
    line = logging.LogRecord("serinus", logging.INFO, "", 0, "said", (), None)
    with traces.span("decide", GIVEN):
        assert '"trace_id": "0af7651916cd43dd8448eb211c80319c"' in JsonFormatter("serinus-x").format(line)
    assert "trace_id" not in JsonFormatter("serinus-x").format(line)


@pytest.mark.parametrize(
    ("variables", "recorded"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, False),
    ],
)
def test_the_standard_variables_say_whether_spans_are_recorded(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], recorded: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    used: list[object] = []
    monkeypatch.setattr(traces, "use", used.append)
    traces.configure("serinus-test")
    assert bool(used) is recorded
    for provider in used:
        assert isinstance(provider, TracerProvider)
        assert provider.resource.attributes["service.name"] == "serinus-test"
        provider.shutdown()
