"""`serinus status` and `serinus watch`: the runs as they are now, and as they change."""

import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.text import Text
from serinus_contracts import Event
from serinus_readmodel.controllers import warnings
from serinus_readmodel.next_step import next_step
from serinus_readmodel.outcome import headline
from serinus_readmodel.overview import lines
from serinus_readmodel.run_view import RunView
from serinus_runtime.clock import now_ms

from serinus import show
from serinus.board import Board
from serinus.connect import with_board
from serinus.options import Source, WideOutput, without_password
from serinus.terminal import Terminal, say

WARNINGS_SECONDS = 5.0


def status(source: Source, output: WideOutput) -> None:
    """Show every run: verdict, counts, weight, and what happens next."""

    async def look(board: Board) -> None:
        await board.load()
        found = ordered(board)
        warn(warnings(await board.controllers(), now_ms()))
        if output.data:
            output.document([document(view) for view in found])
        else:
            output.terminal.print(show.board(found, now_ms(), wide=output.wide))
            if not found:
                where = source.console or f'{without_password(source.redis_url)} (tag "{source.redis_tag}")'
                hint = f"No runs in {where}. Is a controller running with this Redis and tag, and does a policy match?"
                Terminal(stderr=True).print(hint, soft_wrap=True)

    with_board(source, look)


def watch(source: Source, output: WideOutput) -> None:
    """Show the runs as they change.

    With -o json one event a line, with -o yaml one a document; without a terminal one change a line.
    """

    async def follow(board: Board) -> None:
        await board.load()
        console, warned = output.terminal, list[str]()
        changes = show.Changes()
        live = console.is_terminal and not output.data
        with Live(console=console, refresh_per_second=4) if live else nullcontext() as screen:
            async for events, now_warned in watched(board):
                if screen:
                    screen.update(Group(*_red(now_warned), show.board(ordered(board), now_ms(), wide=output.wide)))
                    continue
                warn(line for line in now_warned if line not in warned)
                warned = now_warned
                if output.data:
                    for event in events:
                        output.document(event.model_dump(mode="json", exclude_none=True), stream=True)
                    sys.stdout.flush()
                else:
                    _print_lines(changes.lines(ordered(board), now_ms()))

    with_board(source, follow)


async def watched(board: Board) -> AsyncIterator[tuple[Sequence[Event], list[str]]]:
    """Batches of what changes, at first an empty one, each with the warnings of the last WARNINGS_SECONDS."""
    looked, said = time.monotonic(), warnings(await board.controllers(), now_ms())
    yield (), said
    async for events in board.changes():
        if time.monotonic() - looked > WARNINGS_SECONDS:
            looked, said = time.monotonic(), warnings(await board.controllers(), now_ms())
        yield events, said


def _red(lines: Iterable[str]) -> list[Text]:
    return [Text(line, style="bold red") for line in lines]


def warn(lines: Iterable[str]) -> None:
    """Beside the output, so that a program reads nothing else there."""
    for line in _red(lines):
        Terminal(stderr=True).print(line, soft_wrap=True)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def ordered(board: Board) -> list[RunView]:
    """Live runs by how soon they want a person, then ended ones, the latest first."""
    return [line.view for line in lines(board.views.values(), now_ms())]


def document(view: RunView) -> dict[str, Any]:
    """A run for a program."""
    said = view.whole
    return {
        "run": view.id,
        "headline": headline(view),
        "next": next_step(view, now_ms()),
        "observed": view.observed.model_dump(mode="json", exclude_none=True),
        "verdict": said.model_dump(mode="json", exclude_none=True) if said else None,
        "decision": view.decision.model_dump(mode="json", exclude_none=True) if view.decision else None,
    }
