"""A console on a free port, over real HTTP, in the test's own event loop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from pydantic import SecretStr
from serinus_console.bootstrap import console
from serinus_console.settings import ConsoleSettings
from serinus_contracts import Event, Keys, Run, seal, to_entry
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.health import pages
from serinus_runtime.redis import Client
from serinus_runtime.service import Service
from serinus_runtime.serving import config

from tests.support import RUN, observed, plan

TOKEN = "a-token-of-the-demo-kind"
BEARER = {"authorization": f"Bearer {TOKEN}"}


@dataclass
class Served:
    url: str
    http: httpx.AsyncClient
    service: Service

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.post(path, **options)

    async def until(self, path: str, text: str) -> httpx.Response:
        """The answer, once it has this text in it."""
        async with asyncio.timeout(60):
            while text not in (answer := await self.get(path)).text:
                await asyncio.sleep(0.02)
        return answer


@asynccontextmanager
async def served(redis_url: str, keys: Keys, *, port: int = 0, **settings: Any) -> AsyncIterator[Served]:
    """A console that follows these keys; ended on leaving."""
    if settings.get("auth") == "token":
        settings |= {"token": SecretStr(TOKEN)}
    service = Service("console")
    working = asyncio.create_task(
        console(service, ConsoleSettings(redis_url=redis_url, redis_tag=keys.tag, **settings))
    )
    app = pages(service.health, service.registry, lambda: service.site)
    server = uvicorn.Server(config(app, port=port))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server._serve())
    try:
        async with asyncio.timeout(60):
            while not server.started or service.site is None:
                assert not working.done(), working.exception()
                await asyncio.sleep(0.005)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            found = Served(url, http, service)
            await found.until("/readyz", '"ok":true')
            yield found
    finally:
        service.stop()
        server.should_exit = True
        await asyncio.gather(working, serving)


@dataclass
class Teller:
    """What the services would write: runs, verdicts, decisions."""

    client: Client
    keys: Keys

    def __post_init__(self) -> None:
        self.registry = RedisRegistry(self.client, self.keys, clock=lambda: 5, max_entries=10_000)
        self.journal = RedisJournal(self.client, self.keys, clock=lambda: 5, max_entries=10_000)

    async def live(self, run: Run = RUN, **other: Any) -> None:
        await self.registry.observe(observed(run=run, **other), plan(), None, publish=True)

    async def ended(self, run: Run, outcome: str, **other: Any) -> None:
        await self.live(run)
        await self.registry.retire(observed(run=run, outcome=outcome, **other))

    async def tell(self, event: Event) -> str:
        """Gives the entry's id."""
        fields: dict[Any, Any] = dict(to_entry(seal(event, source="/test", now=0)))
        entry: Any = await self.client.xadd(self.keys.stream(event.STREAM), fields)
        return str(entry.decode())

    async def now(self) -> int:
        return await self.registry.now()


def another(name: str, **other: Any) -> Run:
    return RUN.model_copy(update={"name": name, "uid": f"u-{name}", **other})
