"""Time as a parameter: everything that happens by itself in the world is an entry of one agenda.

A unit test moves the agenda by hand and is instant; a process moves it by the system's clock. Between two entries
nothing changes, which is what lets counters be drawn only when somebody looks at them.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where the world's time comes from, in seconds since the epoch."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


class SystemClock:
    """The wall clock at the start, then the monotonic one, so that a corrected system time moves nothing here."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset


class Entry:
    """Something that will happen; `cancel` makes it not happen."""

    __slots__ = ("_callback", "when")

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self._callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        """It is not called any more."""
        self._callback = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled or has been called."""
        return self._callback is None

    def fire(self) -> None:
        """Run it, unless it was cancelled or has run."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Agenda:
    """What will happen and when. Entries of the same moment run in the order in which they were made."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.now = clock.now()
        self.start = self.now
        self.on_change: Callable[[], None] = lambda: None
        self._running = False
        self._entries: list[tuple[float, int, Entry]] = []
        self._order = itertools.count()

    def at(self, when: float, callback: Callable[[], object]) -> Entry:
        """Run `callback` at a moment (seconds since the epoch), at once if that has passed."""
        entry = Entry(max(when, self.now), callback)
        heapq.heappush(self._entries, (entry.when, next(self._order), entry))
        if self._entries[0][2] is entry:
            self.on_change()
        return entry

    def after(self, seconds: float, callback: Callable[[], object]) -> Entry:
        """Run `callback` after so many seconds of the world's time."""
        return self.at(self.now + seconds, callback)

    def next_due(self) -> float | None:
        """The moment of the next entry, or None."""
        while self._entries and self._entries[0][2].cancelled:
            heapq.heappop(self._entries)
        return self._entries[0][0] if self._entries else None

    def catch_up(self) -> None:
        """Run everything that is due by the clock. `now` is each entry's own moment while it runs."""
        target = self.clock.now()
        was_running, self._running = self._running, True
        try:
            while (due := self.next_due()) is not None and due <= target:
                _, _, entry = heapq.heappop(self._entries)
                self.now = max(self.now, due)
                entry.fire()
        finally:
            self._running = was_running
        self.now = max(self.now, target)

    def interrupt(self, callback: Callable[[], object]) -> None:
        """Run what comes from outside, such as an answer: at once inside an entry, else when time has caught up."""
        if not self._running:
            self.catch_up()
        callback()


def timestamp(moment: float) -> str:
    """RFC 3339 in whole seconds, cut off as Kubernetes does it."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """The seconds since the epoch of an RFC 3339 time. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
