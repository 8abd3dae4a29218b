"""Gives due runs to workers, as many at once as may be, and to no namespace all of them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from redis.exceptions import OutOfMemoryError
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.ports import Lease, Registry
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.fair_slots import FairSlots

logger = logging.getLogger(__name__)

RETRY_MS = 1_000
UNREADABLE_MS = 60_000
MAX_SLEEP_SECONDS = 0.5
MIN_SLEEP_SECONDS = 0.02
# The first of those that are due may all be of one namespace, which has its places already.
MAX_LEASED = 200
NO_PLACE_MS = 500
MAX_WAIT_SECONDS = 3.0


@dataclass
class SnapshotScheduler:
    """Keeps up to `concurrency` snapshots under way, shared between namespaces: slow ones delay their own only.

    As many again of each namespace wait here for a place; what is due beyond that comes back a little later.
    """

    registry: Registry
    collector: SnapshotCollector
    concurrency: int
    complaints: Complaints = field(default_factory=Complaints)
    monotonic: Callable[[], float] = time.monotonic
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _of_namespace: Counter[str] = field(default_factory=Counter)
    _places: FairSlots = field(init=False)
    _stopping: bool = False
    _lacks_room: bool = False

    def __post_init__(self) -> None:
        self._places = FairSlots(self.concurrency)

    async def step(self) -> float:
        """Lease what is due and start snapshots; gives the seconds until it is worth asking again."""
        leases, wait = await self.registry.lease(MAX_LEASED)
        without = [lease for lease in leases if not self._queued(lease)]
        if without:
            await self.registry.give_back(without, without[0].now + NO_PLACE_MS)
        return MIN_SLEEP_SECONDS if len(leases) == MAX_LEASED else min(wait, MAX_SLEEP_SECONDS)

    def _queued(self, lease: Lease) -> bool:
        namespace = lease.namespace
        if self._of_namespace[namespace] >= 2 * self.concurrency:
            return False
        self._of_namespace[namespace] += 1
        task = asyncio.create_task(self._in_turn(lease))
        self._tasks.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._of_namespace[namespace] -= 1
            if not self._of_namespace[namespace]:
                del self._of_namespace[namespace]

        task.add_done_callback(ended)
        return True

    async def _in_turn(self, lease: Lease) -> None:
        began = self.monotonic()
        async with self._places.held(lease.namespace):
            waited = self.monotonic() - began
            lease = replace(lease, now=lease.now + round(waited * 1000))
            if waited > MAX_WAIT_SECONDS or self._stopping:
                await self._set_aside(lease, 0)
            else:
                await self._take(lease)

    async def _take(self, lease: Lease) -> None:
        try:
            with self.complaints.about("run", lease.run) as outcome:
                await self.collector.collect(lease)
            if outcome.problem:
                await self._set_aside(lease, UNREADABLE_MS)
            if self._lacks_room:
                logger.info("collecting snapshots again")
            self._lacks_room = False
        except OutOfMemoryError as error:
            if not self._lacks_room:
                logger.warning("snapshots wait, nothing was moved: %s", error)
            self._lacks_room = True
            # It comes back when its lease ends: to set it aside would take room, too.
        except RETRYABLE as error:
            logger.warning("snapshot of %s failed, nothing was moved: %s: %s", lease.run, type(error).__name__, error)
            await self._set_aside(lease, RETRY_MS)

    async def _set_aside(self, lease: Lease, milliseconds: int) -> None:
        try:
            await self.registry.postpone(lease, lease.now + milliseconds)
        except RETRYABLE:
            logger.warning("run %s comes back when its lease ends", lease.run)

    async def finish(self) -> None:
        """Wait for the snapshots under way; those that wait for a place are given back."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks)
