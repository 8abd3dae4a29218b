"""Reading what is told: what it gives to tell people is written down with the place up to which it was read.

All notifiers share that place. Who finds that another has moved it writes nothing and reads on from there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from prometheus_client import Counter
from serinus_contracts import DecisionTaken, Event, RolloutObserved, UnreadableEntryError, VerdictReached, from_entry
from serinus_contracts.streams import Stream
from serinus_runtime.complaints import Complaints
from serinus_runtime.streams import Entry

from serinus_notifier.domain.notifications import Due, Notifications, causes, dues, ended

KINDS: dict[Stream, type[Event]] = {kind.STREAM: kind for kind in (DecisionTaken, VerdictReached, RolloutObserved)}


class News(NamedTuple):
    """What follows in a stream on `place`, the id of the entry that was read last; empty while there is none."""

    stream: Stream
    place: bytes
    entries: Sequence[Entry]


@dataclass
class Given:
    """What an entry gives: `dues` to tell, ids of what it has `ended`, and its `fault` if it cannot be read."""

    dues: Sequence[Due] = ()
    ended: Sequence[str] = ()
    fault: str = ""

    def __bool__(self) -> bool:
        return bool(self.dues or self.ended or self.fault)


class Book(Protocol):
    """The streams, and what was written down of them."""

    async def news(self) -> Sequence[News]:
        """What is new in each stream; waits a moment where there is none."""
        ...

    async def put(self, stream: Stream, place: bytes, entry: Entry, given: Given) -> bool:
        """Write down what an entry gives and move the place to it: all or nothing, and False if it has been moved."""
        ...


@dataclass(frozen=True)
class Inbox:
    """Takes in events: `step` writes down what they give to tell. Raises what the book raises."""

    book: Book
    config: Notifications
    complaints: Complaints
    dead_letters: Counter

    async def step(self) -> float:
        """Write down what is new. A step for `forever`."""
        for news in await self.book.news():
            await self._take(news)
        return 0.0

    async def _take(self, news: News) -> None:
        place = news.place
        for entry in news.entries:
            given = self._given(news.stream, entry)
            if not given and entry is not news.entries[-1]:
                continue
            if not await self.book.put(news.stream, place, entry, given):
                return
            place = entry.id
            if given.fault:
                self.dead_letters.labels(news.stream).inc()

    def _given(self, stream: Stream, entry: Entry) -> Given:
        with self.complaints.about("entry", f"{stream} {entry.id.decode()}") as outcome:
            try:
                envelope = from_entry(KINDS[stream], entry.fields)
            except UnreadableEntryError as error:
                return Given(fault=str(error))
            told_ms = round(envelope.time.timestamp() * 1000)
            found = [due for cause in causes(envelope.data, told_ms) for due in dues(self.config.rules, cause)]
            over = [f"{id_}|{channel}" for id_ in ended(envelope.data) for channel in self.config.channels]
            return Given(found, over)
        return Given(fault=outcome.problem)
