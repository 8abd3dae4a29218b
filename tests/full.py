"""A Redis that is full, to the very limit."""

from typing import Any

from redis.exceptions import OutOfMemoryError

FOREIGN = "foreign"


async def limit(admin: Any, bytes_more: int) -> int:
    """Leave so much room; gives the limit."""
    most = int((await admin.info("memory"))["used_memory"]) + bytes_more
    await admin.config_set("maxmemory", most)
    return most


async def fill(admin: Any) -> None:
    """Write keys that are not of Serinus until no byte more is taken."""
    for size in (100_000, 10_000, 1_000, 100, 10):
        try:
            while True:
                await admin.rpush(FOREIGN, "x" * size)
        except OutOfMemoryError:
            continue
