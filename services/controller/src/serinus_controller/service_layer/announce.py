"""A journal that also says aloud what it writes down."""

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from serinus_contracts import DecisionTaken, Run, VerdictReached
from serinus_runtime.errors import RETRYABLE

from serinus_controller.domain.announce import Notice, worth_telling
from serinus_controller.domain.decide import Memory
from serinus_controller.domain.progress import Intent
from serinus_controller.service_layer.ports import Control, Journal

logger = logging.getLogger(__name__)


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
            self._begin(self.announcer.announce(decision), f"decision {decision.event_id()}")

    def notify(self, notice: Notice) -> None:
        """Say it in the cluster, in the background."""
        self._begin(self.announcer.notify(notice), f"{notice.text!r} of {notice.namespace}/{notice.name}")

    def _begin(self, announcing: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.create_task(self._announce(announcing, what))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _announce(self, announcing: Coroutine[Any, Any, None], what: str) -> None:
        try:
            await announcing
        except RETRYABLE as error:
            logger.warning("%s not announced in the cluster: %s", what, error)
