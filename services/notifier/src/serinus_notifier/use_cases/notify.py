"""Telling people: what is to be told is written down with the entry that says so, then sent until it has arrived."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from serinus_contracts import RolloutObserved, VerdictReached
from serinus_contracts.base import Millis
from serinus_runtime.complaints import Complaints

from serinus_notifier.domain.notifications import Cause, Due, Notifications, goes_on, words

logger = logging.getLogger(__name__)

FIRST_PAUSE_MS = 2_000
MAX_PAUSE_MS = 600_000
# About a day: ten minutes lie between the later ones.
MAX_TRIES = 150
MAX_SLEEP = 1.0
AT_ONCE = 4


class Telemetry:
    """Counters of messages by channel and result."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.told = Counter(
            "serinus_notifications",
            "attempts to tell by how they ended: sent, failed (tried again later), given_up",
            ["channel", "result"],
            registry=registry,
        )
        self.waiting = Gauge(
            "serinus_notifications_waiting", "causes to be told, due or lasting until they are", registry=registry
        )


@dataclass(frozen=True)
class Leased:
    """Something due that is ours to tell for a while. `tries` counts this one, `now` is Redis' clock."""

    due: Due
    tries: int
    now: Millis


class Outbox(Protocol):
    """What is to be told, and what was."""

    async def lease(self, limit: int) -> tuple[Sequence[Leased], float]:
        """What is due, and the seconds until more is."""
        ...

    async def standing(self, run: str) -> tuple[RolloutObserved | None, VerdictReached | None]:
        """Where a run stands and the verdict it got last."""
        ...

    async def told(self, leased: Leased) -> None:
        """It has arrived, or is given up: it is not told again."""
        ...

    async def postpone(self, leased: Leased, at: Millis) -> None:
        """Try again at `at` (ms)."""
        ...

    async def drop(self, leased: Leased) -> None:
        """It does not hold any more; should it begin again, it may be told."""
        ...

    async def waiting(self) -> int:
        """How many messages are due or lasting."""
        ...


Send = Callable[[str, str, str], Awaitable[bool]]
"""Channel, title, text: whether it has arrived; False also when nobody knows."""


@dataclass(frozen=True)
class Notifier:
    """Sends what is due, AT_ONCE messages at a time; one that fails is tried again with growing pauses."""

    outbox: Outbox
    config: Notifications
    send: Send
    telemetry: Telemetry
    complaints: Complaints = field(default_factory=Complaints)

    async def step(self) -> float:
        """Tell what is due; gives the seconds until it is worth asking again. A step for `forever`."""
        leases, wait = await self.outbox.lease(AT_ONCE)
        await asyncio.gather(*(self._handle(one) for one in leases))
        self.telemetry.waiting.set(await self.outbox.waiting())
        return 0.0 if len(leases) == AT_ONCE else min(wait, MAX_SLEEP)

    async def _handle(self, one: Leased) -> None:
        """One that cannot be told comes back when its lease ends, until it is given up as any other."""
        with self.complaints.about("notification", one.due.id) as outcome:
            await self._tell(one)
        if outcome.problem and one.tries >= MAX_TRIES:
            await self.outbox.told(one)
            self._count(one, "given_up")

    async def _tell(self, one: Leased) -> None:
        cause, channel = one.due.cause, one.due.channel
        if channel not in self.config.channels:
            logger.warning("%s is not told: channel %s is gone from the file", cause.id, channel)
            await self.outbox.drop(one)
            return
        # Once it was tried it may have been read: then it is told whatever became of it.
        if one.tries == 1 and not await self._holds(cause):
            await self.outbox.drop(one)
            return
        if await self.send(channel, *words(self.config, cause)):
            await self.outbox.told(one)
            self._count(one, "sent")
        elif one.tries >= MAX_TRIES:
            logger.error("%s could not be told to %s for a day: given up", cause.id, channel)
            await self.outbox.told(one)
            self._count(one, "given_up")
        else:
            pause = min(FIRST_PAUSE_MS * 2 ** min(one.tries - 1, 20), MAX_PAUSE_MS)
            logger.warning("%s not told to %s at try %d, again in %d s", cause.id, channel, one.tries, pause // 1000)
            await self.outbox.postpone(one, one.now + pause)
            self._count(one, "failed")

    async def _holds(self, cause: Cause) -> bool:
        return not cause.by or goes_on(cause, *await self.outbox.standing(cause.run))

    def _count(self, one: Leased, result: str) -> None:
        self.telemetry.told.labels(one.due.channel, result).inc()
