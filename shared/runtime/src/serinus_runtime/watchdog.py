"""Logs which object blocks the event loop, and where: meanwhile the whole process stands still."""

import asyncio
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, Counter

logger = logging.getLogger(__name__)

HELD_SECONDS = 1.0
NANOSECONDS = 1e9
_in_hand: "WeakKeyDictionary[asyncio.Task[Any], str]" = WeakKeyDictionary()


@contextmanager
def in_hand(what: str) -> Iterator[None]:
    """While this lasts, the current task works on this object, such as: rollout shop/checkout."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        yield
        return
    before, _in_hand[task] = _in_hand.get(task, ""), what
    try:
        yield
    finally:
        _in_hand[task] = before


@asynccontextmanager
async def watched(registry: CollectorRegistry, held_seconds: float = HELD_SECONDS) -> AsyncIterator[None]:
    """Watch the running loop; whatever blocks it for longer is logged when noticed, and again when it ends."""
    held = Counter("serinus_loop_held_seconds", "time for which one step held the event loop", registry=registry)
    loop, thread, stopping = asyncio.get_running_loop(), threading.get_ident(), threading.Event()
    every, of_thread = held_seconds / 4, _Waits(threading.get_native_id())
    beat = time.monotonic() - of_thread.waited()

    async def beating() -> None:
        nonlocal beat
        while True:
            beat = time.monotonic() - of_thread.waited()
            await asyncio.sleep(every)

    def watching() -> None:
        by, since, woke = "", 0.0, time.monotonic()
        while not stopping.wait(every):
            before, woke = woke, time.monotonic()
            # By a clock that stands still while the loop's thread waits for a core: so long nobody in it holds it.
            now = woke - of_thread.waited()
            if by and beat != since:
                held.inc(beat - since)
                logger.warning("the event loop was blocked for %.1f s by %s", beat - since, by)
                by = ""
            # Nor does anybody hold a process that was stopped as a whole.
            elif not by and now - beat > held_seconds + every and woke - before < held_seconds:
                task, frame = asyncio.current_task(loop), sys._current_frames().get(thread)
                what = (task and _in_hand.get(task)) or "no known object"
                where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else "an unknown place"
                by, since = f"{what}, in {where}", beat
                logger.warning("the event loop is blocked by %s", by)

    watcher = threading.Thread(target=watching, name="watchdog", daemon=True)
    beats = asyncio.create_task(beating())
    watcher.start()
    try:
        yield
    finally:
        stopping.set()
        beats.cancel()


class _Waits:
    """How long a thread of this process has waited for a core, as Linux tells it."""

    def __init__(self, native_id: int) -> None:
        self._file = Path(f"/proc/self/task/{native_id}/schedstat")

    def waited(self) -> float:
        """Seconds since it began; 0 where that is not told."""
        try:
            return int(self._file.read_text().split()[1]) / NANOSECONDS
        except (OSError, ValueError, IndexError):
            return 0.0
