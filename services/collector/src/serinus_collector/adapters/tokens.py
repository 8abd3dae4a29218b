"""Bearer tokens, kept until shortly before they end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from serinus_collector.use_cases.ports import ProviderError

T = TypeVar("T")
# A token is renewed this long before it ends, so that it does not end on the way.
EARLY_SECONDS = 10.0


class Tokens:
    """What `ask` gives: a token and the seconds that it lives, kept until `early_seconds` before its end."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[tuple[str, float]]],
        *,
        clock: Callable[[], float],
        early_seconds: float = EARLY_SECONDS,
    ) -> None:
        self._ask, self._clock, self._early_seconds = ask, clock, early_seconds
        self._lock = asyncio.Lock()
        self._token, self._ends = "", 0.0

    async def token(self) -> str:
        """A token that is good now; many that ask at once cause one request. Raises ProviderError."""
        async with self._lock:
            if not self._token or self._clock() >= self._ends - self._early_seconds:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        try:
            token, seconds = await self._ask()
        except ProviderError:
            if self._token and self._clock() < self._ends:
                return
            raise
        self._token, self._ends = token, self._clock() + seconds

    def forget(self, token: str) -> None:
        """Ask for another one next time, unless that has happened already."""
        if token == self._token:
            self._token = ""


class InThread(Generic[T]):
    """A blocking call in a thread, one at a time: who asks meanwhile waits for the same; giving up does not end it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(asyncio.to_thread(self._call))
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._task)
