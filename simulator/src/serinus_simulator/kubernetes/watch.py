"""Watches: changes as lines of JSON, with bookmarks, an end, and 410 for what is forgotten."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from serinus_simulator.clock import Agenda, Entry
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import Kind, Object
from serinus_simulator.kubernetes.objects import Change, ObjectStore
from serinus_simulator.kubernetes.selectors import Match

BEFORE_THE_END = 1.5
"""How long before a watch ends a bookmark is sent, in seconds, as recorded."""
SHORTEST_WITH_BOOKMARK = 2.0


def encode(value: Any) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


class Watch:
    """One open watch. Lines wait here until the connection takes them."""

    def __init__(
        self,
        store: ObjectStore,
        agenda: Agenda,
        kind: Kind,
        namespace: str | None,
        match: Match,
        *,
        bookmarks: bool,
        seconds: float,
        bookmark_interval: float,
    ) -> None:
        self.kind = kind
        self._store = store
        self._agenda = agenda
        self._namespace = namespace
        self._match = match
        self._lines: deque[bytes] = deque()
        self._awake = asyncio.Event()
        self._closed = False
        self._moved_to: int | None = None
        self._interval = bookmark_interval
        self._entries: list[Entry] = [agenda.after(seconds, self.close)]
        if bookmarks:
            if seconds > SHORTEST_WITH_BOOKMARK:
                self._entries.append(agenda.after(seconds - BEFORE_THE_END, self._bookmark))
            self._entries.append(agenda.after(bookmark_interval, self._bookmark_again))
        self._unsubscribe: Callable[[], None] = lambda: None
        self._on_close: Callable[[], None] = lambda: None

    def on_close(self, callback: Callable[[], None]) -> None:
        """Set what is called once when it has ended."""
        self._on_close = callback

    def start(self, revision: str | None, *, initial_events: bool, end_bookmark: bool) -> None:
        """Fill in what is already known. Raises ApiError 500 where the resourceVersion is no number."""
        if initial_events or revision in (None, "", "0"):
            for obj in self._store.objects(self.kind, self._namespace):
                if self._match(obj):
                    self._send("ADDED", obj)
            if initial_events and end_bookmark:
                self._send("BOOKMARK", self._mark(self._store.revision, {"k8s.io/initial-events-end": "true"}))
        else:
            since = self._parse(str(revision))
            try:
                for change in self._store.changes_since(self.kind, since):
                    self._take(change)
            except ApiError as error:
                self.fail(error)
                return
        self._unsubscribe = self._store.subscribe(self.kind, self._take)

    async def stream(self) -> AsyncIterator[bytes]:
        """Lines of JSON, until it is closed."""
        try:
            while True:
                while self._lines:
                    yield self._lines.popleft()
                if self._closed:
                    return
                self._awake.clear()
                await self._awake.wait()
        finally:
            self.close()

    def close(self) -> None:
        """End the watch as the server does at its timeout: without a word."""
        self._closed = True
        self._unsubscribe()
        for entry in self._entries:
            entry.cancel()
        self._awake.set()
        self._on_close()

    def fail(self, error: ApiError) -> None:
        """End the watch with an ERROR event."""
        self._send("ERROR", error.body)
        self.close()

    def _parse(self, revision: str) -> int:
        if revision.isascii() and revision.isdigit():
            return int(revision)
        message = (
            f'resourceVersion: Invalid value: "{revision}": strconv.ParseUint: parsing "{revision}": invalid syntax'
        )
        self.close()
        raise ApiError(500, message, reason="")

    def _matches(self, obj: Object | None) -> bool:
        if obj is None or self._namespace not in (None, obj["metadata"].get("namespace", "")):
            return False
        return self._match(obj)

    def _take(self, change: Change) -> None:
        self._moved_to = change.revision
        before, after = self._matches(change.old), self._matches(change.new)
        if after:
            self._send("MODIFIED" if before else "ADDED", change.last)
        elif before and change.old is not None:
            # what leaves a selector goes as it last matched, under the revision of its leaving
            metadata = change.old["metadata"] | {"resourceVersion": str(change.revision)}
            self._send("DELETED", change.old | {"metadata": metadata})

    def _bookmark(self) -> None:
        if self._moved_to is not None:
            self._send("BOOKMARK", self._mark(self._moved_to))
            self._moved_to = None

    def _bookmark_again(self) -> None:
        self._bookmark()
        self._entries.append(self._agenda.after(self._interval, self._bookmark_again))

    def _mark(self, revision: int, annotations: dict[str, str] | None = None) -> Object:
        metadata: Object = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        return {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": metadata}

    def _send(self, event: str, obj: Object) -> None:
        self._lines.append(encode({"type": event, "object": obj}) + b"\n")
        self._awake.set()
