"""A world behind its HTTP interface, without a socket and with a clock that tests move by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from serinus_simulator.server import create_app

from tests.unit.simulator.worlds import Handled

ROLLOUTS = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts"
JSON_PATCH = {"content-type": "application/json-patch+json"}
MERGE_PATCH = {"content-type": "application/merge-patch+json"}


class Web:
    """Requests to a world. `waiting` sends one that is answered only after some time."""

    def __init__(self, handled: Handled, client: httpx.AsyncClient) -> None:
        self.handled = handled
        self.world = handled.world
        self.client = client

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.client.get(path, params=parameters)

    async def query(self, query: str, **parameters: Any) -> httpx.Response:
        return await self.client.post("/prometheus/api/v1/query", data={"query": query, **parameters})

    async def merge(self, path: str, body: Any) -> httpx.Response:
        return await self.client.patch(path, json=body, headers=MERGE_PATCH)

    async def fault(self, **fault: Any) -> int:
        answer = await self.client.post("/world/faults", json=fault)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["faults"][0]["id"])

    async def waiting(self, request: Awaitable[httpx.Response], seconds: float) -> tuple[bool, httpx.Response]:
        """Whether it was answered before its time, and the answer."""
        task = asyncio.ensure_future(request)
        for _ in range(5):
            await asyncio.sleep(0)
        self.handled.advance(seconds * 0.9)
        for _ in range(5):
            await asyncio.sleep(0)
        early = task.done()
        self.handled.advance(seconds * 0.2)
        return early, await asyncio.wait_for(task, 30)


def run(use: Callable[[Web], Awaitable[None]], handled: Handled | None = None) -> None:
    """Use a world that has stood for five seconds."""

    async def inside() -> None:
        world = handled or Handled(traffic={"requests_per_second": 1000, "error_rate": 0.01})
        world.advance(5)
        transport = httpx.ASGITransport(create_app(world.world), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://simulator:9") as client:
            await use(Web(world, client))

    asyncio.run(inside())
