"""Work that would hold the event loop is done elsewhere: few at once, since each takes many times what it reads, and
between namespaces in turn. What it takes is reckoned up, since a namespace is to take no more than its share."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar, cast

from serinus_runtime.fair_slots import FairSlots

from serinus_collecting.loop_turns import LoopTurns

T = TypeVar("T")

# What is larger takes longer than others are to wait, and so does much that is small.
SMALL_BYTES = 256 * 1024
HERE_MS = 50.0
PLACES = 2

_sums: ContextVar[list[float]] = ContextVar("sums")


@contextmanager
def summed_up() -> Iterator[list[float]]:
    """The CPU time (ms) of each work that is done for a snapshot, also by tasks that it begins."""
    token = _sums.set([])
    try:
        yield _sums.get()
    finally:
        _sums.reset(token)


def charge(cpu_ms: float) -> None:
    """Add so much to what is summed up for the snapshot."""
    _sums.get([]).append(cpu_ms)


async def here(work: Callable[[], T]) -> T:
    """Do it at once, in this process."""
    return work()


class Offloader:
    """`elsewhere` does a work and gives its result; where it is another process, both can be pickled."""

    def __init__(
        self,
        elsewhere: Callable[[Callable[[], Any]], Awaitable[Any]] = here,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._elsewhere, self._monotonic = elsewhere, monotonic
        self.turns = LoopTurns()
        self._slots = FairSlots(PLACES)
        self._second, self._done_here = 0, defaultdict[str, float](float)

    async def run(self, namespace: str, size: int, work: Callable[[], T]) -> T:
        """The work on so many bytes: in this process if they are few and the namespace had little of it within this
        second, else elsewhere; in the namespace's turn."""
        sums = _sums.get([])
        await self.turns.next(namespace)
        if size <= SMALL_BYTES and self._had_here(namespace) < HERE_MS:
            done: Timed[T] = timed(work)
            self._done_here[namespace] += done.cpu_ms
        else:
            async with self._slots.held(namespace):
                began = self._monotonic()
                try:
                    done = await self._elsewhere(partial(timed, work))
                except BaseException:  # it was stopped: what it took is told by the time that it had
                    sums.append(1000 * (self._monotonic() - began))
                    raise
        sums.append(done.cpu_ms)
        self.turns.charge(namespace, done.cpu_ms)
        if done.error is not None:
            raise done.error
        return cast("T", done.result)

    def _had_here(self, namespace: str) -> float:
        if self._second != (now := int(self._monotonic())):
            self._second = now
            self._done_here.clear()
        return self._done_here[namespace]


class Timed(NamedTuple, Generic[T]):
    """What came of a work, and the CPU time (ms) that it took: what fails costs as much."""

    result: T | None
    error: Exception | None
    cpu_ms: float


def timed(work: Callable[[], T]) -> Timed[T]:
    """Do a work, and keep what it raises."""
    began, result, error = time.thread_time(), None, None
    try:
        result = work()
    except Exception as raised:  # noqa: BLE001 - raised again where it is waited for
        error = raised
    return Timed(result, error, 1000 * (time.thread_time() - began))
