import asyncio
import contextlib
import logging

import pytest
from serinus_runtime.errors import PermanentError, TransientError
from serinus_runtime.health import Health
from serinus_runtime.loops import forever


def run(step_results: list[float | Exception]) -> tuple[int, list[str]]:
    """Run `forever` over the results and stop; gives how often it was called, and its log."""
    calls = 0
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    async def main() -> None:
        stopping = asyncio.Event()

        async def step() -> float:
            nonlocal calls
            result = step_results[calls]
            calls += 1
            if calls == len(step_results):
                stopping.set()
            if isinstance(result, Exception):
                raise result
            return result

        await forever("example", step, health=Health(lambda: 0.0), stopping=stopping)

    handler = Lines()
    logger = logging.getLogger("serinus_runtime.loops")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        asyncio.run(main())
    finally:
        logger.removeHandler(handler)
    return calls, lines


def test_a_passing_failure_is_told_when_it_begins_and_when_it_ends_not_each_time() -> None:
    calls, lines = run([TransientError("away"), ConnectionError("still"), 0.0, 0.0])
    assert calls == 4
    assert lines == ["example fails: TransientError: away", "example works again after 2 failed attempts"]


def test_an_error_that_trying_again_cannot_mend_ends_the_loop() -> None:
    with pytest.raises(PermanentError):
        run([PermanentError("no"), 0.0])


def test_stopping_ends_a_pause_at_once() -> None:
    assert run([0.0, 3600.0])[0] == 2


@pytest.mark.anyio
async def test_a_loop_ends_when_it_is_cancelled_also_where_its_step_swallows_the_cancellation() -> None:
    began = asyncio.Event()

    async def step() -> float:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return 0.0

    loop = asyncio.create_task(forever("example", step, health=Health(lambda: 0.0), stopping=asyncio.Event()))
    await began.wait()
    loop.cancel()
    async with asyncio.timeout(30):
        with pytest.raises(asyncio.CancelledError):
            await loop
