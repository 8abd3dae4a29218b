"""The one factory of Redis connections, as a FastStream broker whose client everything else shares.

FastStream is imported where a broker is made: it takes longer than most commands, which need a client only.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from redis.asyncio import Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError  # noqa: A004

from serinus_runtime.address import Address, parse

if TYPE_CHECKING:
    from faststream.redis import RedisBroker

    from serinus_runtime.settings import Settings

# Longer than any blocking read below, so that a read that waits is not taken for a dead server.
SOCKET_TIMEOUT = 10.0
CONNECT_TIMEOUT = 3.0
BLOCK_MS = 1000

# How long what is known of a run outlives it: long enough to replay what happened last week.
KEPT_SECONDS = 7 * 86_400
# How long the story of a run outlives it, unless the controller is told otherwise.
STORY_SECONDS = 30 * 86_400

# One server, a master that Sentinels name, or a Cluster: the commands are the same.
Client = Redis


def make_broker(settings: "Settings", socket_timeout: float = SOCKET_TIMEOUT) -> "RedisBroker":
    """A broker for the Redis of the settings, not yet connected."""
    return broker_of(settings.redis, settings.stop_timeout, socket_timeout)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """The client of an address, for who needs no broker. Raises ValueError for what is no address."""
    address = parse(url)
    if address.kind == "server":
        async with Redis.from_url(address.url, **_options()) as client:
            yield client
        return
    broker = broker_of(url)
    try:
        yield await broker.connect()
    finally:
        await broker.stop()


def _options(socket_timeout: float = SOCKET_TIMEOUT) -> dict[str, Any]:
    """Calls are retried three times within about a second: a script compares before it writes, so that a call
    that was carried out and lost its answer changes nothing when it is repeated."""
    return {
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "health_check_interval": 15,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
        "retry_on_error": [BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError],
    }


def broker_of(url: str, stop_timeout: float = 10.0, socket_timeout: float = SOCKET_TIMEOUT) -> "RedisBroker":
    """A broker of an address, not yet connected."""
    from faststream.redis import RedisBroker, RedisClusterBroker

    address = parse(url)
    options: dict[str, Any] = {
        **_options(socket_timeout),
        "apply_types": False,
        "graceful_timeout": stop_timeout,
        # It would print tracebacks of its own; readers log what went wrong (`streams.py`).
        "logger": None,
    }
    if address.kind == "cluster":
        return RedisClusterBroker(address.url, startup_nodes=address.hosts, **options)
    if address.kind == "sentinel":
        return _of_sentinels(address, options)
    return RedisBroker(address.url, **options)


def _of_sentinels(address: Address, options: dict[str, Any]) -> "RedisBroker":
    from faststream.redis import RedisSentinelBroker

    # To a Sentinel pool, TLS is an option and not a class of connections, so it cannot come with the address.
    found: dict[str, Any] = dict(parse_url(address.url))
    tls = {"ssl": True, **{name: found[name] for name in found if name.startswith("ssl_")}}
    tls = tls if found.pop("connection_class", None) else {}
    asking = {"socket_timeout": CONNECT_TIMEOUT, "socket_connect_timeout": CONNECT_TIMEOUT}
    return RedisSentinelBroker(
        "redis://",
        sentinels=address.hosts,
        sentinel_master_name=address.master,
        sentinel_kwargs={**asking, **address.sentinel, **tls},
        **options,
        **{**found, **tls},
    )


async def unreachable(client: Client) -> str | None:
    """The readiness check: None, or why Redis does not answer."""
    await client.ping()
    return None
