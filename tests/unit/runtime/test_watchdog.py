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
