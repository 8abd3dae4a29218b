"""One process of Serinus: start, pages, SIGTERM, and a graceful end."""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import faststream.redis  # noqa: F401 # takes a second, and each service needs it: before its pages are to answer
import uvicorn
from prometheus_client import CollectorRegistry, Info
from starlette.types import ASGIApp

from serinus_runtime import logs, traces
from serinus_runtime.clock import Clock, now_ms
from serinus_runtime.errors import PermanentError
from serinus_runtime.health import Health, pages
from serinus_runtime.serving import config
from serinus_runtime.settings import USAGE_ERROR, Settings, refuse, version_of
from serinus_runtime.watchdog import watched

logger = logging.getLogger(__name__)


@dataclass
class Service:
    """What a service's bootstrap is given."""

    name: str
    health: Health = field(default_factory=lambda: Health(time.monotonic))
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    clock: Clock = now_ms
    site: ASGIApp | None = None
    """What the service answers beside its own pages, once its bootstrap has set it."""

    def stop(self) -> None:
        """Unready at once; loops finish what they have begun."""
        self.health.stopping = True
        self.stopping.set()


class _Server(uvicorn.Server):
    """Leaves the signals to the service, which ends its work first, so that readiness is seen to go."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


Work = Callable[[Service], Awaitable[None]]


def collect_garbage_rarely() -> None:
    """Services make short-lived objects and hardly a cycle, beside hundreds of thousands that live long. By Python's
    own thresholds these are looked through again and again, for up to 0.2 s at a time, and a look costs half as much
    again. The youngest are looked through often enough that memory stands still (`make soak`). What was imported
    is there for good, and never looked through again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(3_000, 60, 100)


def run(name: str, settings: Settings, work: Work) -> None:
    """Run `work` until SIGTERM or SIGINT.

    A PermanentError ends the process with its message in the log and exit code 2, any other with a traceback and 1.
    """
    collect_garbage_rarely()
    logs.configure(f"serinus-{name}", settings.log_level)
    traces.configure(f"serinus-{name}")
    try:
        asyncio.run(_run(Service(name), settings, work))
    except PermanentError as error:
        logger.error("serinus-%s cannot start: %s", name, error)
        sys.exit(USAGE_ERROR)


async def _run(service: Service, settings: Settings, work: Work) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    Info("serinus_build", "version of this service", registry=service.registry).info(
        {"service": service.name, "version": version_of(f"serinus-{service.name}")}
    )
    listener = _listen(settings)
    server = _Server(config(pages(service.health, service.registry, lambda: service.site)))
    host, port = listener.getsockname()[:2]
    logger.info(
        "serinus-%s starting, pages on http://%s:%d", service.name, host, port, extra={"fields": {"port": port}}
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with watched(service.registry):
            await _work(service, settings, work)
    finally:
        server.should_exit = True
        await serving
    logger.info("serinus-%s stopped", service.name)


async def _work(service: Service, settings: Settings, work: Work) -> None:
    working = asyncio.ensure_future(work(service))
    stopping = asyncio.create_task(service.stopping.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        await asyncio.wait({working}, timeout=settings.stop_timeout)
    if not working.done():
        logger.warning("work under way did not finish within %.0f s", settings.stop_timeout)
        working.cancel()
        await asyncio.wait({working}, timeout=1.0)
        return
    await working


def _listen(settings: Settings) -> socket.socket:
    try:
        listener = socket.create_server((settings.http_host, settings.http_port), backlog=64)
    except OSError as error:
        refuse(
            f"cannot listen on {settings.http_host}:{settings.http_port}: {error.strerror}\n"
            "  set SERINUS_HTTP_PORT to another port, or to 0 for a free one"
        )
    # Inherited by what it accepts: asyncio sets it only on its own, and without it bodies come 40 ms late.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
