from collections.abc import AsyncIterator
from typing import Any

import pytest
from serinus import status
from serinus_contracts import ControllerStatus
from serinus_runtime.clock import now_ms

pytestmark = pytest.mark.anyio


class Board:
    """One on which nothing happens, and of whose controllers this is told, one after the other."""

    def __init__(self, *told: dict[str, Any]) -> None:
        self._told = list(told)

    async def controllers(self) -> dict[str, ControllerStatus]:
        known = {"identity": "a", "reported": now_ms(), "led": now_ms(), "valid_ms": 30_000}
        return {"default": ControllerStatus.model_validate(known | self._told.pop(0))}

    async def changes(self) -> AsyncIterator[tuple[()]]:
        while self._told:
            yield ()


async def test_who_watches_is_warned_of_what_comes_up_and_no_more_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(status, "WARNINGS_SECONDS", -1)
    board: Any = Board({}, {"lost": now_ms(), "doubtful": True}, {"redis": "Redis is 99 % full"}, {})
    warned = [said async for _, said in status.watched(board)]
    assert [len(said) for said in warned] == [0, 1, 1, 0]
    assert "lost data" in warned[1][0]
    assert warned[2] == ["Redis is 99 % full"]


async def test_the_controllers_are_not_asked_about_at_each_change() -> None:
    asked = Board({}, {"redis": "full"})
    board: Any = asked
    async for number, _ in aenumerate(status.watched(board)):
        if number == 5:
            break
    assert len(asked._told) == 1


async def aenumerate(items: Any) -> AsyncIterator[tuple[int, Any]]:
    number = 0
    async for item in items:
        yield number, item
        number += 1
