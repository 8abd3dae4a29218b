"""Work that would hold the event loop goes into threads: few at once, since each takes many times what it reads, and
between namespaces in turn. What it takes is reckoned up, since a namespace is to take no more than its share."""

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

from serinus_runtime.fair_slots import FairSlots

T = TypeVar("T")

# What is larger takes longer than others are to wait.
SMALL_BYTES = 128 * 1024
THREADS = 2

_sums: ContextVar[list[float]] = ContextVar("sums")


@contextmanager
def summed_up() -> Iterator[list[float]]:
    """The CPU time (ms) of each work that is done for a look, also by tasks that it begins."""
    token = _sums.set([])
    try:
        yield _sums.get()
    finally:
        _sums.reset(token)


class Offloader:
    def __init__(self) -> None:
        self._slots = FairSlots(THREADS)

    async def run(self, namespace: str, size: int, work: Callable[[], T]) -> T:
        """The work on so many bytes: at once if they are few, else in a thread, in the namespace's turn."""
        sums = _sums.get([])
        if size <= SMALL_BYTES:
            return _timed(work, sums)
        begun = False

        async def in_turn() -> T:
            nonlocal begun
            async with self._slots.held(namespace):
                begun = True
                # What is read is garbage soon, and holds no cycles: looking through it again and again holds the loop.
                gc.disable()
                try:
                    return await asyncio.to_thread(_timed, work, sums)
                finally:
                    gc.enable()

        task = asyncio.create_task(in_turn())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if begun:  # a thread cannot be stopped: the slot is held until it has ended
                task.add_done_callback(_ignored)
            else:
                task.cancel()
            raise


def _timed(work: Callable[[], T], sums: list[float]) -> T:
    began = time.thread_time()
    try:
        return work()
    finally:
        sums.append(1000 * (time.thread_time() - began))


def _ignored(task: "asyncio.Task[T]") -> None:
    with suppress(BaseException):
        task.result()
