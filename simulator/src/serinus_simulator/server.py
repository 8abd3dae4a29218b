"""The simulator as a web application, and the loop that lets its time pass."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from serinus_simulator.control import Control
from serinus_simulator.kubernetes.reviews import Reviews
from serinus_simulator.stores.cloudwatch import CloudWatchApi
from serinus_simulator.stores.datadog import DatadogApi
from serinus_simulator.stores.points import ScrapedPoints
from serinus_simulator.world.world import World

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def create_app(world: World) -> Starlette:
    """Every path that the simulator answers. Time passes by itself only under a `Server`."""
    control, kubernetes, prometheus = Control(world), world.kubernetes, world.prometheus
    points = ScrapedPoints(world.samples, world.agenda)
    datadog, cloudwatch = DatadogApi(points, world.agenda.clock.now), CloudWatchApi(points)
    reviews = Reviews(world.scenario.people, world.agenda)
    routes = [
        Route("/world", control.world),
        Route("/world/rollouts", control.rollouts),
        Route("/world/truth", control.truth),
        Route("/world/faults", control.faults, methods=["GET", "POST", "DELETE"]),
        Route("/world/calls", control.calls, methods=["GET", "DELETE"]),
        Route("/world/release", control.release, methods=["POST"]),
        Route("/world/restart-pod", control.restart_pod, methods=["POST"]),
        Route("/pods/{namespace}/{pod}/{page}", control.metrics),
        Route("/sd", control.discovery),
        Route("/prometheus/api/v1/query", prometheus.query, methods=["GET", "POST"]),
        Route("/prometheus/api/v1/status/buildinfo", prometheus.build_info),
        Route("/datadog/api/v1/query", datadog.query),
        Route("/datadog/api/v1/metrics/{name}", datadog.metadata),
        Route("/cloudwatch/", cloudwatch.handle, methods=["POST"]),
        Route("/prometheus/-/ready", prometheus.ready),
        Route("/prometheus/-/healthy", prometheus.healthy),
        Route("/apis/authentication.k8s.io/v1/tokenreviews", reviews.token, methods=["POST"]),
        Route("/apis/authorization.k8s.io/v1/subjectaccessreviews", reviews.access, methods=["POST"]),
        Route("/{path:path}", kubernetes.handle, methods=_METHODS),
    ]
    return Starlette(routes=routes)


async def pass_time(world: World) -> None:
    """Let the world's time pass until cancelled: wake for the next thing that is due, or for a new one before it."""
    sooner = asyncio.Event()
    world.agenda.on_change = sooner.set
    while True:
        sooner.clear()
        world.catch_up()
        due = world.agenda.next_due()
        wait = None if due is None else max(0.0, due - world.agenda.clock.now())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(sooner.wait(), wait)


def listen(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises OSError."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by what it accepts: asyncio sets it only on its own, and without it bodies come 40 ms late.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind((host, port))
    return bound


class Server(uvicorn.Server):
    """A uvicorn server under which time passes, and which ends open watches as soon as it is told to stop."""

    def __init__(self, world: World) -> None:
        self._world = world
        config = uvicorn.Config(
            create_app(world),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises what stopped the world's time, if anything did."""
        passing = asyncio.create_task(pass_time(self._world))
        passing.add_done_callback(lambda _: self.stop())
        try:
            await super().serve(sockets=sockets)
        finally:
            passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing
            self._world.close()

    def stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the business of who runs the process; uvicorn would raise them again after a clean end."""
        yield

    async def main_loop(self) -> None:
        await super().main_loop()
        self._world.kubernetes.close_watches()


@asynccontextmanager
async def serve(world: World, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve a world in this process, on a real socket; the address as a URL. For tests."""
    bound = listen(host, port)
    server = Server(world)
    running = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started:
            if running.done():
                await running
            await asyncio.sleep(0.001)
        yield f"http://{host}:{bound.getsockname()[1]}"
    finally:
        server.stop()
        await running
        bound.close()
