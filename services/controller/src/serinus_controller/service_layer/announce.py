"""A journal that also says aloud what it writes down."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Protocol

from serinus_contracts import DecisionTaken, Run, VerdictReached
from serinus_runtime.errors import RETRYABLE

from serinus_controller.domain.announce import worth_telling
from serinus_controller.domain.decide import Memory
from serinus_controller.domain.progress import Intent
from serinus_controller.service_layer.ports import Control, Journal

logger = logging.getLogger(__name__)


class Announcer(Protocol):
    async def announce(self, decision: DecisionTaken) -> None:
        """May fail with a retryable error; nothing depends on it."""
        ...


@dataclass
class AnnouncedJournal:
    """Passes everything on to the journal; a decision that was told there is then announced, in the background."""

    journal: Journal
    announcer: Announcer
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)

    async def load(self, run: Run) -> Control:
        return await self.journal.load(run)

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        await self.journal.remember(run, verdict=verdict)

    async def keep(self, run: Run, memory: Memory) -> None:
        await self.journal.keep(run, memory)

    async def begin(self, run: Run, intent: Intent, topic: str, memory: Memory) -> None:
        await self.journal.begin(run, intent, topic, memory)

    async def tell(self, decision: DecisionTaken, *, topic: str, ends_intent: bool = False) -> None:
        await self.journal.tell(decision, topic=topic, ends_intent=ends_intent)
        if worth_telling(decision):
            task = asyncio.create_task(self._announce(decision))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _announce(self, decision: DecisionTaken) -> None:
        try:
            await self.announcer.announce(decision)
        except RETRYABLE as error:
            logger.warning("decision %s not announced in the cluster: %s", decision.event_id(), error)
