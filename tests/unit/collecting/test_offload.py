import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from serinus_collecting import offload
from serinus_collecting.offload import SMALL_BYTES, Offloader, summed_up

pytestmark = pytest.mark.anyio


async def test_large_work_is_done_elsewhere_and_another_namespace_does_not_wait_for_all_of_one() -> None:
    free, begun = asyncio.Event(), list[str]()

    async def elsewhere(work: Callable[[], Any]) -> Any:
        result = work()
        begun.append(result.result)
        await free.wait()
        return result

    offloader = Offloader(elsewhere)
    greedy = [asyncio.create_task(offloader.run("greedy", SMALL_BYTES + 1, lambda: "greedy")) for _ in range(20)]
    await asyncio.sleep(0)
    other = asyncio.create_task(offloader.run("shop", SMALL_BYTES + 1, lambda: "shop"))
    async with asyncio.timeout(60):
        while "shop" not in begun:
            await asyncio.sleep(0)
    assert len(begun) == 2
    free.set()
    assert await other == "shop"
    assert len(await asyncio.gather(*greedy)) == 20


async def test_small_work_is_done_at_once_and_all_that_is_done_for_a_snapshot_is_summed_up() -> None:
    with summed_up() as sums:
        await asyncio.gather(
            Offloader().run("a", 1, lambda: sum(range(100_000))), Offloader().run("a", SMALL_BYTES + 1, lambda: None)
        )
    assert len(sums) == 2
    assert sum(sums) > 0


async def test_a_namespace_with_much_small_work_has_the_rest_of_a_second_done_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, sent = iter((0.0, 0.5, 0.9, 0.9, 0.9, 1.1)), list[str]()

    async def elsewhere(work: Callable[[], Any]) -> Any:
        sent.append("work")
        return work()

    monkeypatch.setattr(offload, "timed", lambda work: offload.Timed(work(), None, 40.0))
    offloader = Offloader(elsewhere, lambda: next(times))
    done = [await offloader.run(name, 1, lambda: 7) for name in ("greedy", "greedy", "greedy", "shop", "greedy")]
    assert (done, len(sent)) == ([7] * 5, 1)


async def test_work_that_fails_or_is_stopped_is_summed_up_as_any_other() -> None:
    def fails() -> None:
        sum(range(100_000))
        raise ValueError("no JSON")

    async def never(work: Callable[[], Any]) -> Any:
        await asyncio.Event().wait()

    for offloader, size in ((Offloader(), 1), (Offloader(), SMALL_BYTES + 1), (Offloader(never), SMALL_BYTES + 1)):
        with summed_up() as sums, pytest.raises((ValueError, TimeoutError)):
            async with asyncio.timeout(0.05):
                await offloader.run("greedy", size, fails)
        assert len(sums) == 1
        assert sum(sums) > 0
