"""One trace from look to patch, through all three services."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from serinus_analyzer.bootstrap import analyze
from serinus_collector.bootstrap import collect
from serinus_collector.config.settings import CollectorSettings
from serinus_contracts import Keys
from serinus_controller.bootstrap import control
from serinus_controller.settings import ControllerSettings
from serinus_runtime import traces
from serinus_runtime.service import Service
from serinus_runtime.settings import Settings

from tests.servers import RedisServer
from tests.simulated import rollout, scenario, simulated
from tests.support import policy_document
from tests.system.conftest import POLICY

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    traces.use(provider)
    yield made
    traces.use(None)


def line_of(spans: Sequence[ReadableSpan], last: ReadableSpan) -> list[str]:
    """The names from the root of its trace down to a span."""
    by_id = {one.context.span_id: one for one in spans}
    names, one = [last.name], last
    while one.parent:
        one = by_id[one.parent.span_id]
        names.append(one.name)
    return names[::-1]


async def test_a_patch_is_the_end_of_the_trace_that_its_snapshot_began(
    exporter: InMemorySpanExporter,
    server: RedisServer,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "shop.yaml").write_text(yaml.safe_dump(policy_document(**POLICY)))
    with simulated(tmp_path / "world", scenario(rollout("checkout"))) as world:
        for name, value in world.settings(server.url, keys, tmp_path / "policies").items():
            monkeypatch.setenv(name, value)
        services = [Service("collector"), Service("analyzer"), Service("controller")]
        work = [
            asyncio.create_task(collect(services[0], CollectorSettings())),
            asyncio.create_task(analyze(services[1], Settings())),
            asyncio.create_task(control(services[2], ControllerSettings())),
        ]
        world.release("checkout")

        def acts() -> list[ReadableSpan]:
            return [one for one in exporter.get_finished_spans() if one.name == "act"]

        try:
            async with asyncio.timeout(60):
                while not acts():
                    assert not any(task.done() for task in work)
                    await asyncio.sleep(0.05)
        finally:
            for service in services:
                service.stop()
            await asyncio.gather(*work)
    spans = exporter.get_finished_spans()
    patch = next(one for one in spans if one.name == "patch")
    assert line_of(spans, patch) == ["snapshot", "judge", "decide", "act", "patch"]
    assert {one.name for one in spans if one.context.trace_id == patch.context.trace_id} >= {
        "snapshot",
        "query",
        "judge",
    }
