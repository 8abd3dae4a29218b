"""Processes that read large answers. Threads would share the interpreter with the event loop, which then waits for them
at each of its steps; and what has taken too long in a process can be stopped."""

import asyncio
import contextlib
import gc
import importlib
import os
import pickle
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Any, TypeVar, cast

from serinus_collecting.ports import ProviderError

T = TypeVar("T")

# Behind the event loop of the collector, for whom others wait.
NICENESS = 5
LENGTH_BYTES = 8
PIECE_BYTES = 128 * 1024
READY = b"\n"
# A process has some 60 MB, and the largest answers come when a run begins.
IDLE_SECONDS = 60.0


class Workers:
    """As many processes as works are done at once; each is started when it is wanted first, and kept for a while."""

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._idle: dict[Process, asyncio.TimerHandle] = {}
        self._starting: list[asyncio.Future[Process]] = []

    async def do(self, work: Callable[[], T]) -> T:
        """The result of the work, or what it raises; its process is stopped when nobody waits for it any more.

        Raises ProviderError where the process ends, as when it has taken more memory than there is.
        """
        process = await self._free()
        try:
            result, error = await _exchange(process, work)
        except BaseException:
            await _stop(process)
            raise
        self._keep(process)
        if error is not None:
            raise error
        return cast("T", result)

    async def _free(self) -> Process:
        """A process that is ready. One that nobody waits for any more goes on starting: on a busy host that takes
        longer than a query may, so stopped each time, none would ever be ready."""
        while self._idle:
            process, timer = self._idle.popitem()
            timer.cancel()
            if process.returncode is None:
                return process
        starting = self._starting.pop() if self._starting else asyncio.ensure_future(_start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._starting.append(starting)
            starting.add_done_callback(self._started)
            raise

    def _started(self, starting: asyncio.Future[Process]) -> None:
        """One for which nobody waits any more is ready for the next."""
        if starting in self._starting:
            self._starting.remove(starting)
            if not starting.cancelled() and starting.exception() is None:
                self._keep(starting.result())

    def _keep(self, process: Process) -> None:
        self._idle[process] = asyncio.get_running_loop().call_later(self._idle_seconds, self._retire, process)

    def _retire(self, process: Process) -> None:
        del self._idle[process]
        with contextlib.suppress(ProcessLookupError):
            process.kill()

    async def close(self) -> None:
        """Stop the processes."""
        starting, self._starting = self._starting, []
        for one in starting:
            one.cancel()
        started = await asyncio.gather(*starting, return_exceptions=True)
        for timer in self._idle.values():
            timer.cancel()
        for process in (*self._idle, *started):
            if isinstance(process, Process):
                await _stop(process)


async def _start() -> Process:
    """A process that has said that it is ready."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    try:
        await process.stdout.readexactly(len(READY))
    except asyncio.IncompleteReadError:
        raise ProviderError(f"a process for large answers ended with code {await process.wait()} as it began") from None
    except BaseException:
        await _stop(process)
        raise
    return process


async def _exchange(process: Process, work: Callable[[], Any]) -> tuple[Any, Exception | None]:
    assert process.stdin is not None
    assert process.stdout is not None
    sent = pickle.dumps(work)
    try:
        process.stdin.write(len(sent).to_bytes(LENGTH_BYTES, "big"))
        # In pieces: what a pipe does not take at once, asyncio moves in memory at each step.
        for begin in range(0, len(sent), PIECE_BYTES):
            process.stdin.write(sent[begin : begin + PIECE_BYTES])
            await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
        answer: tuple[Any, Exception | None] = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301 - our own
    except (ConnectionError, asyncio.IncompleteReadError):
        code = await process.wait()
        raise ProviderError(
            f"the process that reads large answers ended with code {code}: give the collector more memory, or narrow "
            "the selector"
        ) from None
    return answer


async def _stop(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    assert process.stdout is not None
    await process.stdout.read()  # to its end: asyncio waits for the pipes too, and has perhaps paused reading
    await process.wait()


def main() -> None:
    """Do what is asked by standard input, until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the collector stops it when it has finished
    os.nice(NICENESS)
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed is not for the collector
    importlib.import_module("serinus_collecting.collect_snapshot")  # what the first work would wait for
    answers.write(READY)
    answers.flush()
    gc.disable()  # what is read holds no cycles, and looking through it takes longer than reading it
    while length := asked.read(LENGTH_BYTES):
        done = _done(asked.read(int.from_bytes(length, "big")))
        answers.write(len(done).to_bytes(LENGTH_BYTES, "big"))
        answers.write(done)
        answers.flush()
        gc.collect()


def _done(work: bytes) -> bytes:
    try:
        return pickle.dumps((pickle.loads(work)(), None))  # noqa: S301 - what the collector sent
    except Exception as error:  # noqa: BLE001 - raised where the result is waited for
        try:
            return pickle.dumps((None, error))
        except Exception:  # noqa: BLE001 - of what it holds nothing is known
            return pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}")))


if __name__ == "__main__":
    main()
