"""All runs as they are known now, and the feeds that are told of every change."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from serinus_contracts import ControllerStatus, Event, RolloutObserved
from serinus_contracts.base import Millis
from serinus_contracts.streams import Stream
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.run_view import RunView

from serinus_console.use_cases.position import FOLLOWED, written

# Ended runs beyond this are forgotten, oldest first; their events stay in the streams.
MAX_ENDED = 300
MAX_WAITING = 512


@dataclass(frozen=True)
class News:
    """One entry of a stream, as a feed is told: `id` is the position after it."""

    id: str
    kind: type[Event]
    run: str
    document: str


class Feed:
    """What one listener has not read yet of what was told since the position `begun`. One that is too slow is closed:
    it comes back and resumes."""

    def __init__(self, run: str | None, client: str, begun: Mapping[Stream, str]) -> None:
        self.run, self.client, self.begun = run, client, dict(begun)
        self._waiting: asyncio.Queue[News | None] = asyncio.Queue(MAX_WAITING)
        self.closed = False

    def put(self, news: News) -> None:
        """Take what concerns its run; a feed that is full is closed instead, so nobody waits for a slow listener."""
        if self.closed or self.run not in (None, news.run):
            return
        try:
            self._waiting.put_nowait(news)
        except asyncio.QueueFull:
            self.closed = True

    def close(self) -> None:
        """Nothing more comes; who waits in `next` is woken."""
        self.closed = True
        if not self._waiting.full():
            self._waiting.put_nowait(None)

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be read."""
        return self._waiting.empty()

    async def next(self, seconds: float) -> Sequence[News]:
        """All that waits, at least one; none if there was none for so long, or the feed is closed."""
        try:
            async with asyncio.timeout(seconds):
                found = [await self._waiting.get()]
        except TimeoutError:
            return ()
        while not self._waiting.empty():
            found.append(self._waiting.get_nowait())
        return [news for news in found if news]


@dataclass
class Runs:
    """`heard` is when Redis last answered, at first when it was first asked (ms, own clock), `offset` Redis' clock
    minus ours; `loaded` once the live runs were read; `controllers` is what those of each cluster say of themselves."""

    histories: dict[str, RunHistory] = field(default_factory=dict)
    position: dict[Stream, str] = field(default_factory=lambda: dict.fromkeys(FOLLOWED, "0-0"))
    feeds: set[Feed] = field(default_factory=set)
    heard: Millis = 0
    offset: int = 0
    controllers: Mapping[str, ControllerStatus] = field(default_factory=dict)
    _loaded: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def loaded(self) -> bool:
        """Whether the runs of before are known: until then none can be called unknown."""
        return self._loaded.is_set()

    def has_loaded(self) -> None:
        """The present is known, up to `position`: what feeds that were opened before are told begins there."""
        for feed in self.feeds:
            feed.begun = dict(self.position)
        self._loaded.set()

    async def wait_until_loaded(self) -> None:
        """Return when the runs of before are known."""
        await self._loaded.wait()

    def apply(self, event: Event) -> RunHistory | None:
        """What was told of a run; None of one that was never observed."""
        history = self.histories.get(event.run.id)
        if history is not None:
            history.apply(event)
        elif isinstance(event, RolloutObserved):
            history = self.histories[event.run.id] = RunHistory(RunView(event))
            self._forget()
        return history

    def publish(self, stream: Stream, entry: str, event: Event, document: str) -> None:
        """Tell all feeds, after the run knows it."""
        self.position[stream] = entry
        news = News(written(self.position), type(event), event.run.id, document)
        for feed in list(self.feeds):
            feed.put(news)

    def close(self) -> None:
        """End all feeds."""
        for feed in self.feeds:
            feed.close()

    def views(self) -> Iterable[RunView]:
        """All runs that are known, live ones and the last that ended, in no order."""
        return (history.view for history in self.histories.values())

    def of_rollout(self, namespace: str, name: str) -> Sequence[RunHistory]:
        """The runs of a Rollout, the newest first."""
        found = [
            history
            for history in self.histories.values()
            if (history.view.observed.run.namespace, history.view.observed.run.name) == (namespace, name)
        ]
        return sorted(found, key=newest_first)

    def _forget(self) -> None:
        ended = [history.view for history in self.histories.values() if history.view.observed.outcome]
        if len(ended) > MAX_ENDED:
            oldest = min(ended, key=lambda view: view.observed.stage_started)
            del self.histories[oldest.id]


def newest_first(history: RunHistory) -> tuple[bool, int, int]:
    """Live runs before ended ones, later ones before earlier ones."""
    seen = history.view.observed
    return seen.outcome is not None, -seen.stage_started, -seen.run.attempt
