"""A blocking library is asked beside the loop, and once for all who ask meanwhile."""

import asyncio
import threading

import pytest
from serinus_collector.adapters.tokens import InThread
from serinus_collector.use_cases.ports import ProviderError

pytestmark = pytest.mark.anyio


class Slow:
    """A call that blocks until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.began, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> int:
        self.calls += 1
        self.began.set()
        assert self.let_go.wait(30)
        return self.calls


async def test_the_loop_goes_on_and_all_who_ask_meanwhile_get_the_same_answer() -> None:
    slow = Slow()
    ask = InThread(slow)
    asked = [asyncio.ensure_future(ask()) for _ in range(3)]
    await asyncio.to_thread(slow.began.wait, 30)
    assert not any(one.done() for one in asked)
    slow.let_go.set()
    assert await asyncio.gather(*asked) == [1, 1, 1]
    assert await ask() == 2


async def test_who_gives_up_does_not_end_the_call_for_the_others() -> None:
    slow = Slow()
    ask = InThread(slow)
    first, second = asyncio.ensure_future(ask()), asyncio.ensure_future(ask())
    await asyncio.to_thread(slow.began.wait, 30)
    first.cancel()
    slow.let_go.set()
    assert await second == 1


async def test_a_call_that_fails_fails_for_who_asked_and_is_made_again() -> None:
    answers = [ProviderError("away"), None]

    def call() -> str:
        if error := answers.pop(0):
            raise error
        return "token"

    ask = InThread(call)
    with pytest.raises(ProviderError, match="away"):
        await ask()
    assert await ask() == "token"
