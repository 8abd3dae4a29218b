"""Gives due runs to workers, as many at once as may be."""

import asyncio
import logging
from dataclasses import dataclass, field

from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import RETRYABLE

from serinus_collector.service_layer.ports import Lease, Registry
from serinus_collector.service_layer.take_look import LookTaker

logger = logging.getLogger(__name__)

RETRY_MS = 1_000
UNREADABLE_MS = 60_000
LONGEST_NAP = 0.5


@dataclass
class Dispatcher:
    """Keeps up to `concurrency` looks under way."""

    registry: Registry
    taker: LookTaker
    concurrency: int
    complaints: Complaints = field(default_factory=Complaints)
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def step(self) -> float:
        """Lease what is due and start looks; gives the seconds until it is worth asking again."""
        free = self.concurrency - len(self._under_way)
        if free <= 0:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return 0.0
        leases, wait = await self.registry.lease(free)
        for lease in leases:
            task = asyncio.create_task(self._take(lease))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        return min(wait, LONGEST_NAP)

    async def _take(self, lease: Lease) -> None:
        try:
            with self.complaints.about("run", lease.run) as outcome:
                await self.taker.take(lease)
            if outcome.problem:
                await self._set_aside(lease, UNREADABLE_MS)
        except RETRYABLE as error:
            logger.warning("look at %s failed, nothing was moved: %s: %s", lease.run, type(error).__name__, error)
            await self._set_aside(lease, RETRY_MS)

    async def _set_aside(self, lease: Lease, milliseconds: int) -> None:
        try:
            await self.registry.postpone(lease, lease.now + milliseconds)
        except RETRYABLE:
            logger.warning("run %s comes back when its lease ends", lease.run)

    async def finish(self) -> None:
        """Wait for the looks under way."""
        if self._under_way:
            await asyncio.wait(self._under_way)
