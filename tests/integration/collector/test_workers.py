import asyncio
import os
import signal
import threading
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from serinus_collecting.ports import ProviderError
from serinus_collector.adapters import workers as module
from serinus_collector.adapters.workers import Workers

pytestmark = pytest.mark.anyio


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    made = Workers()
    yield made
    await made.close()


async def test_work_is_done_in_another_process_which_is_kept_for_the_next(workers: Workers) -> None:
    first = await workers.do(os.getpid)
    assert first != os.getpid()
    assert await workers.do(os.getpid) == first
    assert await workers.do(partial(bytes, 3_000_000)) == bytes(3_000_000)


async def test_what_a_work_raises_is_raised_here_and_its_process_goes_on(workers: Workers) -> None:
    process = await workers.do(os.getpid)
    with pytest.raises(ValueError, match="invalid literal"):
        await workers.do(partial(int, "x"))
    assert await workers.do(os.getpid) == process


async def test_a_work_that_nobody_waits_for_any_more_is_stopped(workers: Workers) -> None:
    process = await workers.do(os.getpid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await workers.do(partial(time.sleep, 600))
    assert await workers.do(os.getpid) != process
    assert not Path(f"/proc/{process}").exists()


async def test_a_process_that_starts_for_longer_than_anybody_waits_is_there_for_the_next(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    start = module._start

    async def counted() -> Process:
        started.append(True)
        return await start()

    monkeypatch.setattr(module, "_start", counted)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await workers.do(os.getpid)
    assert await workers.do(os.getpid) != os.getpid()
    assert len(started) == 1


async def test_a_work_is_stopped_also_while_much_of_its_answer_waits_to_be_read(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading: list[Any] = []
    start = module._start

    async def kept() -> Process:
        process = await start()
        reading.append(process.stdout)
        return process

    monkeypatch.setattr(module, "_start", kept)
    doing = asyncio.create_task(workers.do(partial(bytes, 30_000_000)))
    async with asyncio.timeout(60):
        while not reading or not reading[0]._paused:
            assert not doing.done()
            await asyncio.sleep(0)
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)
        assert await workers.do(partial(sum, (1, 2))) == 3


async def test_what_cannot_be_sent_back_is_said_and_the_process_goes_on(workers: Workers) -> None:
    process = await workers.do(os.getpid)
    with pytest.raises(TypeError, match="cannot pickle"):
        await workers.do(threading.Lock)
    assert await workers.do(os.getpid) == process


async def test_a_process_that_nobody_waited_for_gives_its_memory_back_too() -> None:
    workers = Workers(idle_seconds=0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await workers.do(os.getpid)
    (starting,) = workers._starting
    process = Path(f"/proc/{(await starting).pid}")
    async with asyncio.timeout(60):
        while process.exists():
            await asyncio.sleep(0.01)
    await workers.close()


async def test_a_process_that_is_killed_is_said_to_be_and_another_takes_its_place(workers: Workers) -> None:
    with pytest.raises(ProviderError, match="ended with code -9: give the collector more memory"):
        await workers.do(partial(signal.raise_signal, signal.SIGKILL))
    assert await workers.do(partial(sum, (1, 2))) == 3


async def test_a_process_that_has_had_nothing_to_do_for_a_while_gives_its_memory_back() -> None:
    workers = Workers(idle_seconds=0.05)
    process = Path(f"/proc/{await workers.do(os.getpid)}")
    async with asyncio.timeout(60):
        while process.exists():
            await asyncio.sleep(0.01)
    assert await workers.do(os.getpid) != int(process.name)
    await workers.close()


async def test_a_process_that_was_killed_while_it_had_nothing_to_do_is_not_asked_again(workers: Workers) -> None:
    process = Path(f"/proc/{await workers.do(os.getpid)}")
    os.kill(int(process.name), signal.SIGKILL)
    async with asyncio.timeout(60):
        while process.exists():
            await asyncio.sleep(0.01)
    assert await workers.do(partial(sum, (1, 2))) == 3


async def test_processes_end_with_their_collector(workers: Workers) -> None:
    process = await workers.do(os.getpid)
    await workers.close()
    assert not Path(f"/proc/{process}").exists()
