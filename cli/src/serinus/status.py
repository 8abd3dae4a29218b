"""`serinus status` and `serinus watch`: the runs as they are now, and as they change."""

import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text
from serinus_contracts import Event
from serinus_readmodel.controllers import warnings
from serinus_readmodel.next_step import next_step
from serinus_readmodel.outcome import headline
from serinus_readmodel.overview import Line
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import state_of
from serinus_runtime.clock import now_ms

from serinus import show
from serinus.board import Board
from serinus.connect import with_board
from serinus.options import Source, WideOutput, without_password
from serinus.run_table import Selection, table, table_lines
from serinus.runs import newest
from serinus.terminal import Terminal, say

WARNINGS_SECONDS = 5.0


Wanted = Annotated[
    list[str] | None,
    typer.Argument(metavar="RUN", help="Shown in full: namespace/name, a name alone, or the id of a run."),
]


def status(
    source: Source,
    output: WideOutput,
    selection: Selection,
    run: Wanted = None,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Show changes too, as serinus watch.")] = False,
) -> None:
    """Show runs, the most urgent first: one line each, or those that are named in full.

    In full: verdict, counts, weight and what happens next. What ended over an hour ago is left out of the table.
    """
    if follow:
        watch(source, output, selection, run)
        return

    async def look(board: Board) -> None:
        await board.load()
        found, old = _selected(board, selection, run, data=output.data)
        warn(warnings(await board.controllers(), now_ms()))
        if output.data:
            output.document([document(line.view) for line in found])
            return
        if found and not run and (output.wide or not output.terminal.is_terminal):
            _print_lines(table_lines(found, wide=output.wide))
        elif found or not selection.narrowed:
            output.terminal.print(_shown(found, output, named=bool(run)))
        if old:
            _hint(f"{old} more ended over an hour ago: --all")
        elif not found:
            _hint(_why_none(board, source, selection))

    with_board(source, look)


def watch(source: Source, output: WideOutput, selection: Selection, run: Wanted = None) -> None:
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
                found, _ = _selected(board, selection, run, data=not live)
                if screen:
                    screen.update(Group(*_red(now_warned), _shown(found, output, named=bool(run))))
                    continue
                warn(line for line in now_warned if line not in warned)
                warned = now_warned
                if output.data:
                    wanted = {line.view.id for line in found}
                    for event in events:
                        if not (run or selection.narrowed) or event.run.id in wanted:
                            output.document(event.model_dump(mode="json", exclude_none=True), stream=True)
                    sys.stdout.flush()
                else:
                    _print_lines(changes.lines((line.view for line in found), now_ms()))

    with_board(source, follow)


def _selected(board: Board, selection: Selection, run: Sequence[str] | None, *, data: bool) -> tuple[list[Line], int]:
    """The runs that are wanted, and how many are left out as old."""
    found, old = selection.lines(board.views.values(), now_ms(), data=data or bool(run))
    if not run:
        return found, old
    views = {line.view.id: line.view for line in found}
    ids = {newest(views, one) for one in run}
    return [line for line in found if line.view.id in ids], 0


def _shown(found: Sequence[Line], output: WideOutput, *, named: bool) -> RenderableType:
    if found and not named:
        return table(found)
    return show.board((line.view for line in found), now_ms(), wide=output.wide)


def _why_none(board: Board, source: Source, selection: Selection) -> str:
    if selection.narrowed:
        states = Counter(state_of(view, now_ms()).word for view in board.views.values())
        return (
            f"No such run. All runs: {', '.join(f'{count} {word}' for word, count in states.most_common()) or 'none'}."
        )
    where = source.console or f'{without_password(source.url)} (tag "{source.tag}")'
    return f"No runs in {where}. Is a controller running with this Redis and tag, and does a policy match?"


def _hint(text: str) -> None:
    Terminal(stderr=True).print(text, soft_wrap=True)


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


def document(view: RunView) -> dict[str, Any]:
    """A run for a program."""
    said = view.whole
    return {
        "run": view.id,
        "state": state_of(view, now_ms()).word,
        "headline": headline(view),
        "next": next_step(view, now_ms()),
        "observed": view.observed.model_dump(mode="json", exclude_none=True),
        "verdict": said.model_dump(mode="json", exclude_none=True) if said else None,
        "decision": view.decision.model_dump(mode="json", exclude_none=True) if view.decision else None,
    }
