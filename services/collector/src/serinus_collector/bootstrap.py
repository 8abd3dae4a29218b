"""Wires the collector: Redis, providers, and the scheduler that gives due runs to workers."""

from contextlib import AsyncExitStack

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.offload import Offloader
from serinus_collecting.prometheus import GRACE_SECONDS, Prometheus
from serinus_collecting.provider_auth import make_client
from serinus_collecting.stores.of_provider import make_store
from serinus_collecting.telemetry import Telemetry
from serinus_runtime.complaints import Complaints
from serinus_runtime.fair_slots import FairSlots, max_places
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.service import Service

from serinus_collector.adapters.registry import RedisRegistry
from serinus_collector.adapters.workers import Workers
from serinus_collector.config.settings import CollectorSettings
from serinus_collector.entrypoints.loops import run_loops
from serinus_collector.use_cases.snapshot_scheduler import SnapshotScheduler


async def collect(service: Service, settings: CollectorSettings) -> None:
    """Collect snapshots until the service stops, then finish those under way."""
    broker = make_broker(settings)
    client = await broker.connect()
    service.health.require("redis", lambda: unreachable(client))
    allowance_ms = round(settings.clock_allowance * 1000)
    queries, timeout = settings.query_concurrency, settings.query_timeout
    async with AsyncExitStack() as stack:
        stack.push_async_callback(broker.stop)
        providers, stores, workers = {}, dict[str, PeriodProvider](), Workers()
        stack.push_async_callback(workers.close)
        for name, provider in settings.reached.items():
            http = await stack.enter_async_context(make_client(provider, connections=queries + 2, timeout=timeout))
            if store := make_store(provider, http, timeout=timeout):
                stores[name] = store
            else:
                compression = provider.compression
                providers[name] = Prometheus(http, str(provider.url), timeout=timeout, compression=compression)
        registry = RedisRegistry(
            client,
            settings.keys,
            clock=service.clock,
            lease_ms=round(settings.lease * 1000),
            allowance_ms=allowance_ms,
            max_entries=settings.stream_maxlen,
            share=settings.namespace_share,
        )
        asked = MetricQueries(
            providers,
            slots={name: FairSlots(queries) for name in (*providers, *stores)},
            telemetry=Telemetry(service.registry),
            query_timeout_seconds=timeout + GRACE_SECONDS,
            access={name: provider.namespaces for name, provider in settings.reached.items()},
            offloader=Offloader(workers.do),
            stores=stores,
        )
        collector = SnapshotCollector(registry, asked, allowance_ms, places=max_places(settings.concurrency))
        scheduler = SnapshotScheduler(registry, collector, settings.concurrency, Complaints(service.registry, "run"))
        await run_loops(service, client, settings.keys, scheduler)
