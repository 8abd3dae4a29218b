"""The one factory of Redis connections, as a FastStream broker whose client everything else shares."""

import logging

from faststream.redis import RedisBroker
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError  # noqa: A004

from serinus_runtime.settings import Settings

# Longer than any blocking read below, so that a read that waits is not taken for a dead server.
SOCKET_TIMEOUT = 10.0
BLOCK_MS = 1000

# How long what is known of a run outlives it: long enough to replay what happened last week.
KEPT_SECONDS = 7 * 86_400

Client = Redis


def make_broker(settings: Settings) -> RedisBroker:
    """A broker for the Redis of the settings, not yet connected.

    Calls are retried three times within about a second: a script compares before it writes, so that a call
    that was carried out and lost its answer changes nothing when it is repeated.
    """
    return RedisBroker(
        str(settings.redis_url),
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=3.0,
        health_check_interval=15,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
        retry_on_error=[BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError],
        apply_types=False,
        graceful_timeout=settings.stop_timeout,
        logger=logging.getLogger("faststream"),
        log_level=logging.DEBUG,
    )


async def unreachable(client: Client) -> str | None:
    """The readiness check: None, or why Redis does not answer."""
    await client.ping()
    return None
