"""`/healthz` by the heartbeat of the loops, `/readyz` by what the service needs, `/metrics`.

Alive never asks Redis: restarting a pod does not mend a Redis that is away. A loop that has not come round within
its limit hangs, and only a restart helps.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, make_asgi_app
from redis.exceptions import OutOfMemoryError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str | None]]
CHECK_TIMEOUT = 2.0


@dataclass(frozen=True)
class Failure:
    """`since` by the process's monotonic clock, in seconds; the error is the last one."""

    since: float
    error: Exception


class Health:
    """Heartbeats and readiness of one process. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._beats: dict[str, tuple[float, float]] = {}
        self._checks: dict[str, Check] = {}
        self._failures: dict[str, Failure] = {}
        self.stopping = False

    def beat(self, loop: str, *, within: float) -> None:
        """The loop came round, and will again within so many seconds."""
        self._beats[loop] = (self._monotonic(), within)

    def forget(self, loop: str) -> None:
        """The loop has ended as it should."""
        self._beats.pop(loop, None)
        self._failures.pop(loop, None)

    def fails(self, loop: str, error: Exception) -> None:
        """The loop came round and did not do its work."""
        known = self._failures.get(loop)
        self._failures[loop] = Failure(known.since if known else self._monotonic(), error)

    @property
    def lacks_room(self) -> bool:
        """A loop cannot write, since Redis is full."""
        return any(isinstance(one.error, OutOfMemoryError) for one in self._failures.values())

    def works(self, loop: str) -> None:
        """The loop came round and did its work: its failures are over."""
        self._failures.pop(loop, None)

    def failing(self, seconds: float) -> Mapping[str, Failure]:
        """The loops that have failed for so long, the one that has for longest first."""
        begun = self._monotonic() - seconds
        found = [(loop, failure) for loop, failure in self._failures.items() if failure.since <= begun]
        return dict(sorted(found, key=lambda one: one[1].since))

    def require(self, name: str, check: Check) -> None:
        """Ready only while `check` gives None; else it gives the reason."""
        self._checks[name] = check

    def silent(self) -> dict[str, str]:
        """The loops that are overdue, each with since when."""
        now = self._monotonic()
        return {
            loop: f"silent for {now - last:.1f} s, limit {within:.1f} s"
            for loop, (last, within) in self._beats.items()
            if now - last > within
        }

    async def missing(self) -> dict[str, str]:
        """What keeps the service from being ready, each with its reason."""
        if self.stopping:
            return {"service": "stopping"}
        if not self._checks:
            return {"service": "starting"}
        reasons = {"room in Redis": "Redis is full: what is to be written waits"} if self.lacks_room else {}
        for name, check in self._checks.items():
            try:
                reason = await asyncio.wait_for(check(), CHECK_TIMEOUT)
            except Exception as error:  # noqa: BLE001 - any failure of a check is the answer to it
                reason = f"{type(error).__name__}: {error}"
            if reason:
                reasons[name] = reason
        return reasons


@contextmanager
def beating(health: Health, loop: str, *, within: float) -> Iterator[Callable[[], None]]:
    """A loop's own heartbeat: call it each time round; leaving forgets the loop."""

    def beat() -> None:
        health.beat(loop, within=within)

    beat()
    try:
        yield beat
    finally:
        health.forget(loop)


def pages(health: Health, registry: CollectorRegistry, site: Callable[[], ASGIApp | None] = lambda: None) -> Starlette:
    """The ASGI application with the three pages, and beside them whatever the service answers itself."""

    def answer(faults: dict[str, str]) -> JSONResponse:
        return JSONResponse({"ok": not faults, "faults": faults}, status_code=503 if faults else 200)

    async def alive(_: Request) -> JSONResponse:
        return answer(health.silent())

    async def ready(_: Request) -> JSONResponse:
        return answer(await health.missing())

    async def rest(scope: Scope, receive: Receive, send: Send) -> None:
        if (answering := site()) is not None:
            await answering(scope, receive, send)
        else:
            await PlainTextResponse("no such page", 404)(scope, receive, send)

    made = Starlette(
        routes=[
            Route("/healthz", alive),
            Route("/readyz", ready),
            Mount("/metrics", make_asgi_app(registry)),
        ]
    )
    made.router.default = rest
    return made
