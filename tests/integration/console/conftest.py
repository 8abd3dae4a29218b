from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from serinus_contracts import Keys
from serinus_runtime.redis import Client

from tests.consoles import Served, Teller, served


@pytest.fixture
def teller(client: Client, keys: Keys) -> Teller:
    return Teller(client, keys)


@pytest.fixture
async def start(redis_url: str, keys: Keys) -> AsyncIterator[Callable[..., Any]]:
    """Starts consoles that end with the test."""
    async with AsyncExitStack() as stack:

        async def begin(**settings: Any) -> Served:
            return await stack.enter_async_context(served(redis_url, keys, **settings))

        yield begin
