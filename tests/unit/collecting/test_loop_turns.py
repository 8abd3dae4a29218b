import asyncio

import pytest
from serinus_collecting.loop_turns import KEPT, LoopTurns

pytestmark = pytest.mark.anyio


async def steps(turns: LoopTurns, namespace: str, count: int, done: list[str], cost_ms: float = 0) -> None:
    for _ in range(count):
        await turns.next(namespace)
        turns.charge(namespace, cost_ms)
        done.append(namespace)


async def test_who_has_few_steps_waits_for_one_step_of_a_namespace_that_has_hundreds_ready() -> None:
    turns, done = LoopTurns(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(steps(turns, "greedy", 5, done))
        await asyncio.sleep(0)
        await steps(turns, "shop", 5, done)
        assert len(done) <= 12
    assert done.count("greedy") == 500


async def test_what_else_the_loop_does_goes_on_between_two_steps_of_a_namespace() -> None:
    turns, order = LoopTurns(), list[str]()

    async def read() -> None:
        for _ in range(20):
            await asyncio.sleep(0)
            order.append("read")

    async with asyncio.TaskGroup() as tasks:
        for _ in range(100):
            tasks.create_task(steps(turns, "greedy", 1, order))
        tasks.create_task(read())
    assert "greedy greedy" not in " ".join(order[:40])


async def test_who_has_had_less_while_both_waited_goes_first() -> None:
    turns, done = LoopTurns(), list[str]()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(2):
            tasks.create_task(steps(turns, "greedy", 5, done, cost_ms=10))
        tasks.create_task(steps(turns, "shop", 5, done))
    assert "".join(name[0] for name in done)[:8].count("s") == 5


async def test_what_was_had_while_nobody_waited_is_no_debt_and_what_was_not_had_no_credit() -> None:
    turns, done = LoopTurns(), list[str]()
    for _ in range(100):
        await turns.next("shop")
        turns.charge("shop", 10)
        await asyncio.sleep(0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(steps(turns, "other", 1, []))  # the turn that is given at once
        for namespace in ("greedy", "shop"):
            for _ in range(20):
                tasks.create_task(steps(turns, namespace, 1, done, cost_ms=1))
    # It waits for what its own last step took, and not for a second's worth.
    first = done.index("shop")
    assert "greedy" in done[first:]


async def test_namespaces_that_are_gone_are_not_kept_in_mind() -> None:
    turns = LoopTurns()
    for number in range(10 * KEPT):
        await turns.next(f"namespace-{number}")
        await asyncio.sleep(0)
        if number % 100 == 0:
            turns.charge("shop", 1)
            await turns.next("shop")
            await asyncio.sleep(0)
    assert len(turns._next_ms) < 2 * KEPT


async def test_who_is_alone_goes_on_without_waiting() -> None:
    turns = LoopTurns()
    for _ in range(3):
        waiting = turns.next("shop")
        with pytest.raises(StopIteration):  # it did not wait
            waiting.send(None)
        await asyncio.sleep(0)


async def test_one_that_gives_up_takes_no_turn() -> None:
    turns, done = LoopTurns(), list[str]()
    async with asyncio.TaskGroup() as tasks:
        given_up = [tasks.create_task(steps(turns, "greedy", 1, done)) for _ in range(5)]
        await asyncio.sleep(0)
        for task in given_up[1:]:
            task.cancel()
        await steps(turns, "shop", 1, done)
    assert done == ["greedy", "shop"]
    await steps(turns, "shop", 1, done)
