"""A journal that also says aloud what it writes down."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from serinus_contracts import DecisionTaken, Run, VerdictReached
from serinus_rollouts.progress import Intent
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.fair_slots import FairSlots

from serinus_controller.domain.announce import Notice, worth_telling
from serinus_controller.domain.decide import Memory
from serinus_controller.use_cases.ports import Control, Journal

logger = logging.getLogger(__name__)

# The API server counts what one client asks: Events of a thousand releases must not delay the acts of others.
AT_ONCE = 4
MAX_WAITING = 200
Announcing = Callable[[], Awaitable[None]]


class Announcer(Protocol):
    async def announce(self, decision: DecisionTaken) -> None:
        """May fail with a retryable error; nothing depends on it."""
        ...

    async def notify(self, notice: Notice) -> None:
        """As `announce`."""
        ...


@dataclass
class AnnouncedJournal:
    """Passes everything on to the journal; a decision that was told there is then announced, in the background."""

    journal: Journal
    announcer: Announcer
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _slots: FairSlots = field(default_factory=lambda: FairSlots(AT_ONCE))
    _waiting: Counter[str] = field(default_factory=Counter)

    async def load(self, run: Run) -> Control:
        return await self.journal.load(run)

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        await self.journal.remember(run, verdict=verdict)

    async def keep(self, run: Run, memory: Memory) -> None:
        await self.journal.keep(run, memory)

    async def begin(self, run: Run, intent: Intent, topic: str, memory: Memory) -> None:
        await self.journal.begin(run, intent, topic, memory)

    async def restore(self, run: Run, control: Control) -> None:
        await self.journal.restore(run, control)

    async def tell(self, decision: DecisionTaken, *, topic: str, ends_intent: bool = False) -> None:
        await self.journal.tell(decision, topic=topic, ends_intent=ends_intent)
        if worth_telling(decision):
            self._begin(
                decision.run.namespace, lambda: self.announcer.announce(decision), f"decision {decision.event_id()}"
            )

    def notify(self, notice: Notice) -> None:
        """Say it in the cluster, in the background."""
        what = f"{notice.text!r} of {notice.namespace}/{notice.name}"
        self._begin(notice.namespace, lambda: self.announcer.notify(notice), what)

    def _begin(self, namespace: str, announcing: Announcing, what: str) -> None:
        if self._waiting[namespace] >= MAX_WAITING:
            logger.info("%s not announced in the cluster: %d of namespace %s wait", what, MAX_WAITING, namespace)
            return
        self._waiting[namespace] += 1
        task = asyncio.create_task(self._announce(namespace, announcing, what))
        self._under_way.add(task)

        def ended(_: asyncio.Task[None]) -> None:
            self._under_way.discard(task)
            self._waiting[namespace] -= 1

        task.add_done_callback(ended)

    async def _announce(self, namespace: str, announcing: Announcing, what: str) -> None:
        try:
            async with self._slots.held(namespace):
                await announcing()
        except RETRYABLE as error:
            logger.warning("%s not announced in the cluster: %s", what, error)
