"""Wires the collector: Redis, providers, and the scheduler that gives due runs to workers."""

import asyncio
from contextlib import AsyncExitStack

from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime.complaints import Complaints
from serinus_runtime.fair_slots import FairSlots, max_places
from serinus_runtime.loops import forever
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service
from serinus_runtime.streams import ensure_group
from serinus_runtime.witness import watch_memory

from serinus_collector.adapters.prometheus import GRACE_SECONDS, Prometheus
from serinus_collector.adapters.provider_auth import make_client
from serinus_collector.adapters.registry import RedisRegistry
from serinus_collector.adapters.workers import Workers
from serinus_collector.config.settings import CollectorSettings
from serinus_collector.use_cases.collect_snapshot import SnapshotCollector, Telemetry
from serinus_collector.use_cases.offload import Offloader
from serinus_collector.use_cases.snapshot_scheduler import SnapshotScheduler


async def collect(service: Service, settings: CollectorSettings) -> None:
    """Take looks until the service stops, then finish those under way."""
    broker = make_broker(settings)
    client = await broker.connect()
    service.health.require("redis", lambda: unreachable(client))
    allowance_ms = round(settings.clock_allowance * 1000)
    most, timeout = settings.query_concurrency, settings.query_timeout
    async with AsyncExitStack() as stack:
        providers, workers = {}, Workers()
        stack.push_async_callback(workers.close)
        for name, provider in settings.reached.items():
            http = await stack.enter_async_context(make_client(provider, connections=most + 2, timeout=timeout))
            providers[name] = Prometheus(http, str(provider.url), timeout=timeout)
        registry = RedisRegistry(
            client,
            settings.keys,
            clock=service.clock,
            lease_ms=round(settings.lease * 1000),
            allowance_ms=allowance_ms,
            most_entries=settings.stream_maxlen,
            share=settings.namespace_share,
        )
        slots = {name: FairSlots(most) for name in providers}
        access = {name: provider.namespaces for name, provider in settings.reached.items()}
        collector = SnapshotCollector(
            registry,
            providers,
            slots,
            Telemetry(service.registry),
            allowance_ms,
            timeout + GRACE_SECONDS,
            access,
            Offloader(workers.do),
            max_places(settings.concurrency),
        )
        scheduler = SnapshotScheduler(registry, collector, settings.concurrency, Complaints(service.registry, "run"))
        snapshots = settings.keys.stream("snapshots")

        async def keep_group() -> float:
            # Nothing is published that no group will read; made anew should the server have lost it.
            await ensure_group(client, snapshots, ANALYZER_GROUP)
            return 5.0

        try:
            await asyncio.gather(
                forever("collect", scheduler.step, health=service.health, stopping=service.stopping),
                watch_memory(service, client, settings.keys),
                forever("group", keep_group, health=service.health, stopping=service.stopping),
            )
            await scheduler.finish()
        finally:
            await broker.stop()
