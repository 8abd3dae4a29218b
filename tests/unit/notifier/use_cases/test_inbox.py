"""What is read is written down once, in order, whatever one entry is and whoever else reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import Event, seal, to_entry
from serinus_contracts.streams import Stream
from serinus_notifier.domain.notifications import causes
from serinus_notifier.use_cases import inbox
from serinus_notifier.use_cases.inbox import KINDS, Given, Inbox, News
from serinus_runtime.complaints import Complaints
from serinus_runtime.streams import Entry, dead_letters

from tests.support import observed
from tests.unit.notifier.domain.test_notifications import decision
from tests.unit.notifier.use_cases.test_notify import CONFIG

pytestmark = pytest.mark.anyio
QUIET = observed()  # nothing is told of it, and it ends nothing


def entry(id_: str, event: Event) -> Entry:
    fields = to_entry(seal(event, source="/s", now=1))
    return Entry(id_.encode(), {name.encode(): text.encode() for name, text in fields.items()})


@dataclass
class Book:
    """News of one stream; `moved` is the entry at which another notifier is found to have been first."""

    stream: Stream
    entries: Sequence[Entry]
    moved: bytes = b""
    written: list[tuple[bytes, bytes, Given]] = field(default_factory=list)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)

    async def news(self) -> Sequence[News]:
        return [News(self.stream, b"0-0", self.entries)]

    async def put(self, stream: Stream, place: bytes, entry: Entry, given: Given) -> bool:
        if entry.id == self.moved:
            return False
        self.written.append((place, entry.id, given))
        return True

    async def read(self) -> list[tuple[bytes, bytes]]:
        made = Inbox(self, CONFIG, Complaints(self.metrics, "entry"), dead_letters(self.metrics, *KINDS))
        await made.step()
        return [(place, entry) for place, entry, _ in self.written]


async def test_each_that_gives_something_is_written_down_and_the_last_in_any_case() -> None:
    book = Book("decisions", [entry(f"{number}-0", decision()) for number in (1, 2)])
    assert await book.read() == [(b"0-0", b"1-0"), (b"1-0", b"2-0")]
    quiet = Book("rollouts", [entry(f"{number}-0", QUIET) for number in (1, 2, 3)])
    assert await quiet.read() == [(b"0-0", b"3-0")]


async def test_where_another_notifier_was_first_nothing_more_is_written() -> None:
    book = Book("decisions", [entry(f"{number}-0", decision()) for number in (1, 2, 3)], moved=b"2-0")
    assert await book.read() == [(b"0-0", b"1-0")]


async def test_one_that_cannot_be_read_or_handled_becomes_a_dead_letter_and_the_others_are_told() -> None:
    entries = [Entry(b"1-0", {b"no": b"event"}), entry("2-0", decision()), entry("3-0", decision())]
    book = Book("decisions", entries)
    with patch.object(inbox, "causes", side_effect=[RuntimeError("a bug"), causes(decision(), 1)]):
        await book.read()
    assert [bool(given.fault) for _, _, given in book.written] == [True, True, False]
    assert book.written[1][2].fault == "RuntimeError: a bug"
    assert len(book.written[2][2].dues) == 1
    assert book.metrics.get_sample_value("serinus_dead_letters_total", {"stream": "decisions"}) == 2
    assert book.metrics.get_sample_value("serinus_objects_skipped_total", {"kind": "entry"}) == 1
