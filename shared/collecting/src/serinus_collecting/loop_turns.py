"""Turns of the event loop: what one namespace computes is done step by step, and between two of its steps others go on.

An event loop does first what was ready first. A namespace that has many snapshots under way has many steps ready at
once, and a neighbour's snapshot, which has few, would wait for all of them at each of its own.
"""

import asyncio
from collections import deque

# What a step takes at least.
TURN_MS = 0.2
# Namespaces between two looks for those that are where all are.
KEPT = 1_000


class LoopTurns:
    """Gives one turn each time the loop comes round: to the namespace that has had the least while it waited, and
    within it to who came first.

    This is fair queueing: all share one count of milliseconds, which stands where the last turn was given. A
    namespace goes on from there, or from where its own turns have brought it if that is further.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._stands_ms = 0.0
        self._next_ms: dict[str, float] = {}
        self._most_kept = KEPT
        self._given = False

    def charge(self, namespace: str, cost_ms: float) -> None:
        """It has had so much, here or elsewhere."""
        self._next_ms[namespace] = self._place(namespace) + cost_ms

    async def next(self, namespace: str) -> None:
        """Wait until a step of this namespace may be taken: at once where nobody else has just had a turn."""
        if self._given:
            if namespace not in self._waiting:
                self._waiting[namespace] = deque()
                self._next_ms[namespace] = self._place(namespace)
            turn = asyncio.get_running_loop().create_future()
            self._waiting[namespace].append(turn)
            await turn
        else:
            self._count(namespace)

    def _place(self, namespace: str) -> float:
        return max(self._stands_ms, self._next_ms.get(namespace, 0.0))

    def _count(self, namespace: str) -> None:
        self._given, self._stands_ms = True, self._place(namespace)
        self._next_ms[namespace] = self._stands_ms + TURN_MS
        asyncio.get_running_loop().call_soon(self._give)

    def _give(self) -> None:
        """Comes after the step that had the last turn, and after what has come in meanwhile."""
        self._given = False
        while self._waiting and not self._given:
            namespace = min(self._waiting, key=self._next_ms.__getitem__)
            turn = self._waiting[namespace].popleft()
            if not self._waiting[namespace]:
                del self._waiting[namespace]
            if not turn.done():  # else it gave up
                turn.set_result(None)
                self._count(namespace)
        if len(self._next_ms) > self._most_kept:
            kept = {name: at for name, at in self._next_ms.items() if at > self._stands_ms or name in self._waiting}
            self._next_ms, self._most_kept = kept, len(kept) + KEPT
