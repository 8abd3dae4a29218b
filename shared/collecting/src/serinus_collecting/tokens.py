"""Tokens and credentials that end, renewed beside the work that they are for."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")
# A token is renewed this long before it ends, so that it does not end on the way.
EARLY_SECONDS = 10.0
# Between two tries to renew what is still good.
RETRY_SECONDS = 10.0


class Tokens(Generic[T]):
    """What `ask` gives: a token and the seconds that it lives.

    From `early_seconds` before its end on another one is asked for, every RETRY_SECONDS at most, and this one given
    meanwhile.
    """

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, tuple[T, float]]],
        *,
        clock: Callable[[], float],
        early_seconds: float = EARLY_SECONDS,
    ) -> None:
        self._clock, self._early_seconds = clock, early_seconds
        self._renewal = _OneAtATime(lambda: self._renew(ask))
        self._token: T | None = None
        self._ends, self._not_before = 0.0, float("-inf")

    async def token(self) -> T:
        """A token that is good now; many that ask at once cause one request. Raises ProviderError."""
        now = self._clock()
        if self._token is None or now >= self._ends:
            return await asyncio.shield(self._renewal.begun())
        if now >= max(self._ends - self._early_seconds, self._not_before):
            self._not_before = now + RETRY_SECONDS
            self._renewal.begun()
        return self._token

    async def _renew(self, ask: Callable[[], Awaitable[tuple[T, float]]]) -> T:
        token, seconds = await ask()
        self._token, self._ends = token, self._clock() + seconds
        return token

    def forget(self, token: T) -> None:
        """Ask for another one next time, unless that has happened already."""
        if token == self._token:
            self._token = None


class _OneAtATime(Generic[T]):
    """A call that is made once for all who ask while it is under way."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    def begun(self) -> asyncio.Task[T]:
        """The call that is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._call())
            self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._task
