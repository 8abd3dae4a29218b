"""Wires the analyzer: one reader of the snapshots' group, one processor."""

import asyncio
from collections.abc import Sequence

from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime.complaints import Complaints
from serinus_runtime.loops import forever
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.settings import Settings
from serinus_runtime.streams import Entry, GroupReader
from serinus_runtime.streams import Telemetry as StreamTelemetry
from serinus_runtime.witness import watch_memory

from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.entrypoints.streams import SnapshotStream
from serinus_analyzer.use_cases.snapshot_processor import SnapshotProcessor, Telemetry

BATCH = 100


async def analyze(service: Service, settings: Settings) -> None:
    """Judge snapshots until the service stops."""
    broker = make_broker(settings)
    client = await broker.connect()
    service.health.require("redis", lambda: unreachable(client))

    async def on_entries(entries: Sequence[Entry]) -> None:
        await stream.on_entries(entries)

    reader = GroupReader(
        broker,
        client,
        settings.keys,
        "snapshots",
        ANALYZER_GROUP,
        on_entries,
        batch=BATCH,
        telemetry=StreamTelemetry(service.registry),
    )
    store = RedisEvidence(client, settings.keys, clock=service.clock, max_entries=settings.stream_maxlen)
    complaints = Complaints(service.registry, "run")
    processor = SnapshotProcessor(reader, store, Telemetry(service.registry), complaints)
    stream = SnapshotStream(processor, service.stopping)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_memory(service, client, settings.keys))
            for name, step in (("reclaim snapshots", reader.reclaim_stale), ("retry", stream.retry)):
                tasks.create_task(forever(name, step, health=service.health, stopping=service.stopping))
    finally:
        await reader.stop()
        await broker.stop()
