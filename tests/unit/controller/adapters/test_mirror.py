import asyncio
from typing import Any

import pytest
from serinus_controller.adapters.mirror import READ_TOGETHER, Mirror, Resource

pytestmark = pytest.mark.anyio


class Pages:
    """An API server with so many objects, a hundred a page."""

    def __init__(self, count: int) -> None:
        self._objects = [{"metadata": {"name": str(number)}} for number in range(count)]

    async def request(self, method: str, path: str, *, query: dict[str, str], max_bytes: int) -> Any:
        first = int(query.get("continue", 0))
        following = str(first + 100) if first + 100 < len(self._objects) else ""
        return {"metadata": {"continue": following}, "items": self._objects[first : first + 100]}


async def test_acts_go_on_while_the_objects_of_a_page_are_read() -> None:
    api: Any = Pages(250)
    read, acted = list[int](), list[int]()

    async def act() -> None:
        while True:
            acted.append(sum(read))
            await asyncio.sleep(0)

    def reading(documents: Any) -> Any:
        read.append(len(documents))
        return documents

    acting = asyncio.create_task(act())
    found = await Mirror(api, Resource("/api/v1", "pods"), "").list(reading)
    acting.cancel()
    assert [one["metadata"]["name"] for one in found] == [str(number) for number in range(250)]
    assert set(range(READ_TOGETHER, 250, READ_TOGETHER)) <= set(acted)
