import asyncio
import time
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from serinus_runtime.complaints import Complaints
from serinus_runtime.watchdog import watched

pytestmark = pytest.mark.anyio


async def test_what_holds_the_loop_is_named_with_its_place_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    def hold_until(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, caplog.messages
            time.sleep(0.01)

    async def other() -> None:
        with complaints.about("run", "another"):
            await asyncio.sleep(0)
            await finished.wait()

    metrics, complaints, finished = CollectorRegistry(), Complaints(), asyncio.Event()
    async with watched(metrics, held_seconds=0.2), asyncio.TaskGroup() as tasks:
        tasks.create_task(other())
        await asyncio.sleep(0)
        with complaints.about("rollout", "tenant-a/x"):
            hold_until(lambda: any("is blocked by" in line for line in caplog.messages))
        async with asyncio.timeout(60):
            while not any("was blocked for" in line for line in caplog.messages):
                await asyncio.sleep(0.01)
        finished.set()
    assert f"the event loop is blocked by rollout tenant-a/x, in {__file__}:" in caplog.messages[0]
    assert (metrics.get_sample_value("serinus_loop_held_seconds_total") or 0) > 0.2


async def test_a_loop_whose_thread_waits_for_a_core_is_held_by_nobody(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    def waited(_: object) -> float:
        nonlocal looked
        looked += 1
        return time.monotonic() - start

    def hold_until_it_has_looked(times: int) -> None:
        before, end = looked, time.monotonic() + 60
        while looked < before + times:
            assert time.monotonic() < end
            time.sleep(0.01)

    start = time.monotonic()
    monkeypatch.setattr("serinus_runtime.watchdog._Waits.waited", waited)
    metrics = CollectorRegistry()
    async with watched(metrics, held_seconds=0.1):
        hold_until_it_has_looked(15)
        await asyncio.sleep(0)
    assert caplog.messages == []
    assert metrics.get_sample_value("serinus_loop_held_seconds_total") == 0
