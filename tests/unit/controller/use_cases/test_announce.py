import asyncio
from typing import Any

import pytest
from serinus_controller.domain.announce import Notice
from serinus_controller.use_cases.announce import AT_ONCE, MAX_WAITING, Announcements

pytestmark = pytest.mark.anyio


class Announcer:
    """One that never ends."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def notify(self, notice: Notice) -> None:
        self.asked.append(notice.namespace)
        await asyncio.Event().wait()


async def test_a_thousand_notices_of_one_namespace_are_neither_sent_at_once_nor_kept_and_leave_room_for_another() -> (
    None
):
    announcer: Any = Announcer()
    announcements = Announcements(announcer)
    for number in range(1_000):
        announcements.notice(Notice("greedy", f"r{number}", "u", "matched by several policies"))
    for _ in range(20):
        await asyncio.sleep(0)
    announcements.notice(Notice("shop", "release", "u", "text"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert announcer.asked == ["greedy"] * (AT_ONCE - 1) + ["shop"]
    assert len(announcements._under_way) == MAX_WAITING + 1
    for task in announcements._under_way:
        task.cancel()
