"""Slots of a provider between namespaces, by hand and as a law over random histories."""

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_runtime.fair_slots import FairSlots

pytestmark = pytest.mark.anyio


class Queries:
    """Queries that end when they are told to; those that hold a slot come first to last in `held`."""

    def __init__(self, total: int) -> None:
        self.slots = FairSlots(total)
        self.held: list[tuple[str, asyncio.Task[None]]] = []
        self.waiting: list[tuple[str, asyncio.Task[None]]] = []

    async def ask(self, namespace: str, count: int = 1) -> None:
        async def query() -> None:
            async with self.slots.held(namespace, count):
                self.waiting.remove(entry)
                self.held.append(entry)
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self.held.remove(entry)

        entry = namespace, asyncio.create_task(query())
        self.waiting.append(entry)
        await turns()

    async def end(self, index: int = 0) -> None:
        """The query ends, or its run is given up: both leave the slot."""
        self.held[index % len(self.held)][1].cancel()
        await turns()

    async def give_up(self, index: int = 0) -> None:
        self.waiting.pop(index % len(self.waiting))[1].cancel()
        await turns()

    def shares(self) -> Counter[str]:
        return Counter(namespace for namespace, _ in self.held)

    async def close(self) -> None:
        for _, task in [*self.waiting, *self.held]:
            task.cancel()
        await turns()


async def turns() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_query_for_many_metrics_counts_as_so_many_of_its_namespace() -> None:
    queries = Queries(10)
    for _ in range(4):
        await queries.ask("shop", 6)
    assert queries.shares() == {"shop": 2}, "twelve metrics; with another query it would be eighteen"
    for _ in range(9):
        await queries.ask("bank")
    assert queries.shares() == {"shop": 2, "bank": 8}
    await queries.end()
    assert queries.shares() == {"shop": 2, "bank": 8}, "of six and eight: those that hold fewer go first"
    await queries.close()
    assert queries.slots._held == {}


async def test_one_namespace_leaves_a_slot_for_another() -> None:
    queries = Queries(4)
    for _ in range(20):
        await queries.ask("slow")
    assert queries.shares() == {"slow": 3}
    await queries.ask("shop")
    assert queries.shares() == {"slow": 3, "shop": 1}
    await queries.close()


async def test_a_free_slot_goes_to_the_waiting_namespace_that_holds_the_fewest() -> None:
    queries = Queries(3)
    for namespace in ("a", "a", "b", "a", "c"):
        await queries.ask(namespace)
    assert queries.shares() == {"a": 2, "b": 1}
    await queries.end(0)
    assert queries.shares() == {"a": 1, "b": 1, "c": 1}
    await queries.close()


async def test_who_gives_up_waiting_keeps_no_slot_and_no_place() -> None:
    queries = Queries(1)
    for namespace in ("a", "a", "b"):
        await queries.ask(namespace)
    await queries.give_up(0)
    await queries.end()
    assert queries.shares() == {"b": 1}
    await queries.close()


ACTS = st.lists(
    st.tuples(st.sampled_from(["ask", "end", "give up"]), st.sampled_from(["x", "y", "z"]), st.integers(0, 9)),
    max_size=30,
)


@given(st.integers(1, 6), ACTS)
async def test_no_slot_is_held_twice_and_none_stays_free_while_somebody_may_have_it(
    total: int, acts: list[tuple[str, str, int]]
) -> None:
    queries = Queries(total)
    for act, namespace, index in acts:
        if act == "ask":
            await queries.ask(namespace)
        elif act == "end" and queries.held:
            await queries.end(index)
        elif act == "give up" and queries.waiting:
            await queries.give_up(index)
        shares, most = queries.shares(), max(1, total - max(1, total // 4))
        assert sum(shares.values()) <= total
        assert all(share <= most for share in shares.values())
        if sum(shares.values()) < total:
            assert all(shares[namespace] == most for namespace, _ in queries.waiting)
    await queries.close()
