"""A Redis with the shipped users that is full, to the very limit. Import `urls` and `clients` where they are used."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError
from serinus_runtime.redis import connected

from tests.guarded import ADMIN, addresses, users_file
from tests.servers import RedisServer, redis_binary
from tests.topologies import started

FOREIGN = "foreign"


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A Redis that lets in nobody but the shipped users and one who looks on; their addresses by name."""
    folder = tmp_path_factory.mktemp("guarded")
    with started(RedisServer(redis_binary(), folder, aclfile=str(users_file(folder, ADMIN)))) as server:
        yield addresses(server.url)


@pytest.fixture
async def clients(urls: Mapping[str, str]) -> AsyncIterator[Mapping[str, Any]]:
    """A client of each user, of an empty Redis without a limit."""
    async with AsyncExitStack() as stack:
        made = {name: await stack.enter_async_context(connected(url)) for name, url in urls.items()}
        await made["admin"].config_set("maxmemory", 0)
        await made["admin"].flushall()
        yield made


async def limit(admin: Any, bytes_more: int) -> int:
    """Leave so much room; gives the limit."""
    most = int((await admin.info("memory"))["used_memory"]) + bytes_more
    await admin.config_set("maxmemory", most)
    return most


async def fill(admin: Any) -> None:
    """Write keys that are not of Serinus until no byte more is taken."""
    # None so large that the server's buffers grow for it, and give back room a moment later.
    for size in (10_000, 1_000, 100, 10):
        try:
            while True:
                await admin.rpush(FOREIGN, "x" * size)
        except OutOfMemoryError:
            continue


async def fill_beyond(admin: Any) -> int:
    """Write a megabyte and take back half of it from the limit, which it gives: what the server's buffers give back,
    when a client has done nothing for a while, is then no room."""
    await limit(admin, 1_000_000)
    await fill(admin)
    return await limit(admin, -500_000)
