"""The one way to run something again and again: with a heartbeat, back-off after failures, and an end."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from serinus_runtime.errors import RETRYABLE
from serinus_runtime.health import Health, beating

logger = logging.getLogger(__name__)

MAX_PAUSE_SECONDS = 5.0
HUNG_SECONDS = 60.0


async def sleep_until(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until the event is set."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return


def heed_cancellation() -> None:
    """Raise what somebody below has swallowed: a client library, or asyncio.wait_for before Python 3.12, when the
    cancellation comes at the very moment at which something else is done."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def forever(
    name: str,
    step: Callable[[], Awaitable[float]],
    *,
    health: Health,
    stopping: asyncio.Event,
) -> None:
    """Call `step` until `stopping`; it gives the seconds to wait before the next call.

    A retryable failure is logged when it begins and when it ends, and the pause doubles meanwhile, up to 5 s with
    jitter, so that a service outlives Redis, Prometheus or Kubernetes and does not storm them on their return.
    A call that takes longer than HUNG_SECONDS counts as hung.
    """
    failures = 0
    with beating(health, name, within=HUNG_SECONDS + MAX_PAUSE_SECONDS) as beat:
        while not stopping.is_set():
            beat()
            try:
                pause = await step()
            except RETRYABLE as error:
                if failures == 0:
                    logger.warning("%s fails: %s: %s", name, type(error).__name__, error)
                failures += 1
                health.fails(name, error)
                pause = min(MAX_PAUSE_SECONDS, 0.05 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
                pause = max(pause, getattr(error, "retry_after", 0.0))
            else:
                if failures:
                    logger.info("%s works again after %d failed attempts", name, failures)
                failures = 0
                health.works(name)
            heed_cancellation()
            if pause > 0:
                await sleep_until(stopping, pause)
