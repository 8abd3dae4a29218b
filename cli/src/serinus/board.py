"""What a person wants to see of all runs, put together from the registry and the streams."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from serinus_console.domain.card import Asked, Card, told
from serinus_contracts import (
    AnalysisPlan,
    DecisionTaken,
    Event,
    Keys,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client
from serinus_runtime.redis_clock import RedisClock

KINDS: dict[str, type[Event]] = {"rollouts": RolloutObserved, "verdicts": VerdictReached, "decisions": DecisionTaken}
# Ended runs are found among so many of the newest entries; older ones are history, not status.
RECENT = 1000


@dataclass
class Board:
    """All runs by id, in the order in which they were seen first."""

    client: Client
    keys: Keys
    cards: dict[str, Card] = field(default_factory=dict)
    _positions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plans = Plans(self.client, self.keys)
        self.now = RedisClock(self.client, self.keys)

    async def load(self) -> None:
        """Live runs from the registry, then what the newest entries tell of ended ones."""
        for name in KINDS:
            last: Any = await self.client.xrevrange(self.keys.stream(name), count=1)  # type: ignore[arg-type]
            self._positions[name] = last[0][0].decode() if last else "0"
        for name, kind in KINDS.items():
            entries: Any = await self.client.xrevrange(self.keys.stream(name), count=RECENT)  # type: ignore[arg-type]
            for _, fields in reversed(entries):
                await self._take(kind, fields)
        live: Any = await self.client.zrange(self.keys.due, 0, -1)
        for run in live:
            await self._load_live(run.decode())

    async def changes(self, block_ms: int = 500) -> AsyncIterator[Sequence[Event]]:
        """What is told from now on, in batches; an empty one each time nothing was told for `block_ms`."""
        while True:
            streams: dict[Any, Any] = {self.keys.stream(name): at for name, at in self._positions.items()}  # type: ignore[arg-type]
            answer: Any = await self.client.xread(streams, count=500, block=block_ms)
            news: list[Event] = []
            for stream, entries in answer:
                name = next(name for name in KINDS if self.keys.stream(name) == stream.decode())  # type: ignore[arg-type]
                for position, fields in entries:
                    self._positions[name] = position.decode()
                    event = await self._take(KINDS[name], fields)
                    if event:
                        news.append(event)
                    if isinstance(event, DecisionTaken) and event.run.id in self.cards:
                        memory = await self.client.hget(self.keys.control(event.run.id), "memory")
                        self.cards[event.run.id] = replace(self.cards[event.run.id], asked=Asked.read(memory))
            yield news
            await asyncio.sleep(0)

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """A plan by its digest, None where it is no longer kept."""
        return await self._plans.get(digest)

    async def _load_live(self, run: str) -> None:
        observed, (verdict, memory) = await asyncio.gather(
            self.client.hget(self.keys.run(run), "observed"),
            self.client.hmget(self.keys.control(run), ("verdict", "memory")),
        )
        if observed:
            await self._put(RolloutObserved.model_validate_json(observed))
        if verdict and run in self.cards:
            await self._put(VerdictReached.model_validate_json(verdict))
        if memory and run in self.cards:
            self.cards[run] = replace(self.cards[run], asked=Asked.read(memory))

    async def _take(self, kind: type[Event], fields: dict[bytes, bytes]) -> Event | None:
        try:
            event: Event = from_entry(kind, fields).data
        except UnreadableEntryError:
            return None  # a garbled entry is the services' to report; it must not end a person's view
        await self._put(event)
        return event

    async def _put(self, event: Event) -> None:
        card = told(self.cards.get(event.run.id), event)
        if card is None:
            return
        if card.plan is None or card.plan.digest != card.observed.plan:
            card = replace(card, plan=await self._plans.get(card.observed.plan))
        self.cards[card.id] = card
