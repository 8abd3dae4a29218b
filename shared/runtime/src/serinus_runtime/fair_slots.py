"""Slots that namespaces share, such as those of queries: whose are slow waits for itself first."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import zip_longest
from typing import TypeVar

T = TypeVar("T")
NOBODY = object()


def in_turns(items: Iterable[T], namespace_of: Callable[[T], str]) -> list[T]:
    """One of each namespace after the other, those of a namespace in their order."""
    turns: dict[str, list[T]] = {}
    for item in items:
        turns.setdefault(namespace_of(item), []).append(item)
    return [item for turn in zip_longest(*turns.values(), fillvalue=NOBODY) for item in turn if item is not NOBODY]  # type: ignore[misc]


def max_places(total: int) -> int:
    """How many of so many places one namespace may hold."""
    return max(1, total - max(1, total // 4))


class FairSlots:
    """At most `total` at once. One namespace holds at most three quarters of them, so that another finds one
    free; where several wait, the one that holds the fewest goes first, and within it who came first.

    A slot may `count` as several of its namespace: then so many less are held beside it.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._max_each = max_places(total)
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[tuple[asyncio.Future[None], int]]] = {}

    @asynccontextmanager
    async def held(self, namespace: str, count: int = 1) -> AsyncIterator[None]:
        """Hold a slot, waiting for one if need be; a caller that gives up waiting loses its place."""
        await self._acquire(namespace, count)
        try:
            yield
        finally:
            self._release(namespace, count)

    async def _acquire(self, namespace: str, count: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append((turn, count))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(namespace, count)
            raise

    def _release(self, namespace: str, count: int) -> None:
        self._free += 1
        self._held[namespace] -= count
        if not self._held[namespace]:
            del self._held[namespace]
        self._serve()

    def _serve(self) -> None:
        while self._free:
            for queue in self._waiting.values():
                while queue and queue[0][0].done():  # gave up
                    queue.popleft()
            self._waiting = {name: queue for name, queue in self._waiting.items() if queue}
            ready = [name for name in self._waiting if self._held[name] < self._max_each]
            if not ready:
                return
            name = min(ready, key=self._held.__getitem__)
            turn, count = self._waiting[name].popleft()
            turn.set_result(None)
            self._held[name] += count
            self._free -= 1
