"""Wires the analyzer: one reader of the snapshots' group, one folder."""

import asyncio
from collections.abc import Sequence

from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime.complaints import Complaints
from serinus_runtime.loops import forever, sleep_until
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.settings import Settings
from serinus_runtime.streams import Entry, GroupReader
from serinus_runtime.streams import Telemetry as StreamTelemetry
from serinus_runtime.witness import watch_memory

from serinus_analyzer.adapters.evidence import RedisEvidence
from serinus_analyzer.service_layer.folder import Folder, Telemetry

BATCH = 100


async def analyze(service: Service, settings: Settings) -> None:
    """Fold looks until the service stops."""
    broker = make_broker(settings)
    client = await broker.connect()
    service.health.require("redis", lambda: unreachable(client))
    evidence = RedisEvidence(client, settings.keys, clock=service.clock, most_entries=settings.stream_maxlen)

    async def on_entries(entries: Sequence[Entry]) -> None:
        while folder.full and not service.stopping.is_set():
            await sleep_until(service.stopping, 0.1)
        async with turn:
            await folder.on_entries(entries)

    async def retry() -> float:
        async with turn:
            return await folder.retry()

    # Reading, taking over and retrying would else fold the same run side by side and get in each other's way.
    turn = asyncio.Lock()
    reader = GroupReader(
        broker,
        client,
        stream=settings.keys.stream("snapshots"),
        group=ANALYZER_GROUP,
        dead_letters=settings.keys.dead_letters,
        handler=on_entries,
        batch=BATCH,
        telemetry=StreamTelemetry(service.registry),
    )
    folder = Folder(reader, evidence, Telemetry(service.registry), Complaints(service.registry, "run"))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_memory(service, client, settings.keys))
            for name, step in (("tend snapshots", reader.tend), ("retry", retry)):
                tasks.create_task(forever(name, step, health=service.health, stopping=service.stopping))
    finally:
        await reader.stop()
        await broker.stop()
