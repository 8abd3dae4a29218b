"""A token is asked for once for all who want it, and renewed beside the work while it is still good."""

import asyncio

import pytest
from serinus_collecting.ports import ProviderError
from serinus_collecting.tokens import EARLY_SECONDS, RETRY_SECONDS, Tokens

pytestmark = pytest.mark.anyio


class Slow:
    """Gives tokens that live a minute, each when it is let go; or none."""

    def __init__(self) -> None:
        self.calls, self.now, self.away = 0, 0.0, False
        self.let_go = asyncio.Event()
        self.tokens = Tokens(self, clock=lambda: self.now)

    async def __call__(self) -> tuple[str, float]:
        self.calls += 1
        number = self.calls
        await self.let_go.wait()
        if self.away:
            raise ProviderError("away")
        return f"token-{number}", 60

    async def turn(self) -> None:
        """Until whatever can go on has gone on."""
        for _ in range(10):
            await asyncio.sleep(0)


async def test_all_who_ask_meanwhile_get_the_same_token() -> None:
    slow = Slow()
    asked = [asyncio.ensure_future(slow.tokens.token()) for _ in range(3)]
    await slow.turn()
    assert not any(one.done() for one in asked)
    slow.let_go.set()
    assert await asyncio.gather(*asked) == ["token-1"] * 3
    assert await slow.tokens.token() == "token-1"


async def test_who_gives_up_does_not_end_the_call_for_the_others() -> None:
    slow = Slow()
    first, second = (asyncio.ensure_future(slow.tokens.token()) for _ in range(2))
    await slow.turn()
    first.cancel()
    slow.let_go.set()
    assert await second == "token-1"


async def test_a_call_that_fails_fails_for_who_asked_and_is_made_again() -> None:
    slow = Slow()
    slow.let_go.set()
    slow.away = True
    with pytest.raises(ProviderError, match="away"):
        await slow.tokens.token()
    slow.away = False
    assert await slow.tokens.token() == "token-2"


async def test_what_is_still_good_is_given_at_once_and_renewed_beside_every_so_often_to_its_end() -> None:
    slow = Slow()
    slow.let_go.set()
    await slow.tokens.token()
    slow.let_go.clear()
    slow.away, slow.now = True, 60 - EARLY_SECONDS
    assert [await slow.tokens.token() for _ in range(3)] == ["token-1"] * 3
    slow.let_go.set()
    await slow.turn()
    slow.now = 60 - EARLY_SECONDS + RETRY_SECONDS - 0.1
    assert await slow.tokens.token() == "token-1"
    await slow.turn()
    assert slow.calls == 2
    slow.now = 60
    with pytest.raises(ProviderError, match="away"):
        await slow.tokens.token()
    assert slow.calls == 3


async def test_a_token_that_is_forgotten_is_asked_for_anew_unless_that_has_happened() -> None:
    slow = Slow()
    slow.let_go.set()
    slow.tokens.forget(await slow.tokens.token())
    assert await slow.tokens.token() == "token-2"
    slow.tokens.forget("token-1")
    assert await slow.tokens.token() == "token-2"
