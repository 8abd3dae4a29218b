import asyncio
import threading

import pytest
from serinus_collector.use_cases.offload import SMALL_BYTES, Offloader, summed_up

pytestmark = pytest.mark.anyio


async def test_large_work_is_done_in_a_thread_and_another_namespace_does_not_wait_for_all_of_one() -> None:
    offloader, free, begun = Offloader(), threading.Event(), list[str]()

    def work(name: str) -> str:
        begun.append(name)
        assert free.wait(10)
        return name

    greedy = [
        asyncio.create_task(offloader.run("greedy", SMALL_BYTES + 1, lambda number=number: work(f"g{number}")))  # type: ignore[misc]
        for number in range(20)
    ]
    await asyncio.sleep(0)
    other = asyncio.create_task(offloader.run("shop", SMALL_BYTES + 1, lambda: work("shop")))
    async with asyncio.timeout(10):
        while "shop" not in begun:
            await asyncio.sleep(0)
    assert len(begun) == 2
    free.set()
    assert await other == "shop"
    assert len(await asyncio.gather(*greedy)) == 20


async def test_who_gives_up_waiting_leaves_the_thread_its_slot_until_it_ends_and_what_has_not_begun_never_does() -> (
    None
):
    offloader, free, begun = Offloader(), threading.Event(), list[int]()

    def work(number: int) -> None:
        begun.append(number)
        assert free.wait(10)

    tasks = [asyncio.create_task(offloader.run("shop", SMALL_BYTES + 1, lambda n=n: work(n))) for n in range(3)]  # type: ignore[misc]
    async with asyncio.timeout(10):
        while not begun:
            await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    fresh = asyncio.create_task(offloader.run("shop", SMALL_BYTES + 1, lambda: 7))
    await asyncio.sleep(0.01)
    assert not fresh.done()
    free.set()
    assert await fresh == 7
    assert begun == [0]


async def test_small_work_is_done_at_once_and_all_that_is_done_for_a_look_is_summed_up() -> None:
    with summed_up() as sums:
        await asyncio.gather(
            Offloader().run("a", 1, lambda: sum(range(100_000))), Offloader().run("a", 1, lambda: None)
        )
    assert len(sums) == 2
    assert sum(sums) > 0
