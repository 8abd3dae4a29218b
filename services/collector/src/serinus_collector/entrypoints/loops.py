"""The loops of a collector: due runs, the group that reads its snapshots, and the watch over Redis' memory."""

import asyncio

from serinus_contracts import Keys
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime.loops import forever
from serinus_runtime.redis import Client
from serinus_runtime.service import Service
from serinus_runtime.streams import ensure_group
from serinus_runtime.witness import watch_memory

from serinus_collector.use_cases.snapshot_scheduler import SnapshotScheduler

GROUP_CHECK_SECONDS = 5.0


async def run_loops(service: Service, client: Client, keys: Keys, scheduler: SnapshotScheduler) -> None:
    """Collect snapshots until the service stops, then finish those under way."""

    async def keep_group() -> float:
        # Nothing is published that no group will read; made again should the server have lost it.
        await ensure_group(client, keys.stream("snapshots"), ANALYZER_GROUP)
        return GROUP_CHECK_SECONDS

    await asyncio.gather(
        forever("collect", scheduler.step, health=service.health, stopping=service.stopping),
        watch_memory(service, client, keys),
        forever("group", keep_group, health=service.health, stopping=service.stopping),
    )
    await scheduler.finish()
