"""Servers for all tests: what is configured, else what is installed, else what a wheel brings."""

from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from serinus_contracts import Keys
from serinus_runtime.redis import Client

from tests.servers import configured_redis, redis_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that tests share; each keeps to its own `keys`."""
    configured = configured_redis()
    if configured:
        yield configured
        return
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def keys() -> Keys:
    """Keys that no other test uses."""
    return Keys(f"test-{uuid4().hex[:12]}")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Client]:
    async with Redis.from_url(redis_url, socket_timeout=10) as connected:
        yield connected
