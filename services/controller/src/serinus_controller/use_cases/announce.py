"""Says decisions and notices in the cluster, in the background: the stream is the record, nothing depends on it."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from serinus_contracts import DecisionTaken
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.fair_slots import FairSlots

from serinus_controller.domain.announce import Notice, worth_telling

logger = logging.getLogger(__name__)

# The API server counts what one client asks: Events of a thousand releases must not delay the acts of others.
AT_ONCE = 4
MAX_WAITING = 200
Announcing = Callable[[], Awaitable[None]]


class Announcer(Protocol):
    """Where it is said."""

    async def announce(self, decision: DecisionTaken) -> None:
        """May fail with a retryable error; nothing depends on it."""
        ...

    async def notify(self, notice: Notice) -> None:
        """As `announce`."""
        ...


@dataclass
class Announcements:
    """At most some at once, in fair turns of the namespaces, of each of which a bounded number waits."""

    announcer: Announcer
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _slots: FairSlots = field(default_factory=lambda: FairSlots(AT_ONCE))
    _waiting: Counter[str] = field(default_factory=Counter)

    def decision(self, decision: DecisionTaken) -> None:
        """Announce a decision that was published, if it is worth telling."""
        if worth_telling(decision):
            what = f"decision {decision.event_id()}"
            self._begin(decision.run.namespace, lambda: self.announcer.announce(decision), what)

    def notice(self, notice: Notice) -> None:
        """Announce a notice."""
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
