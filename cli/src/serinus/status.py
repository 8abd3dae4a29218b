"""`serinus status` and `serinus watch`: the runs as they are now, and as they change."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.live import Live
from serinus_console.domain.card import Card
from serinus_console.domain.controllers import warnings
from serinus_console.domain.next_step import next_step
from serinus_console.domain.outcome import headline
from serinus_console.domain.overview import lines
from serinus_runtime.clock import now_ms

from serinus import show
from serinus.board import Board, with_board
from serinus.options import Source, WideOutput, without_password
from serinus.terminal import Terminal, say


def status(source: Source, output: WideOutput) -> None:
    """Show every run: verdict, counts, weight, and what happens next."""

    async def look(board: Board) -> None:
        await board.load()
        found = ordered(board)
        # Beside the runs, so that a program reads nothing else on standard output.
        for text in warnings(await board.controllers(), now_ms()):
            Terminal(stderr=True).print(text, style="bold red", soft_wrap=True)
        if output.data:
            output.document([document(card) for card in found])
        else:
            output.terminal.print(show.board(found, now_ms(), wide=output.wide))
            if not found:
                where = source.console or f"{without_password(source.redis_url)} under the tag {source.redis_tag}"
                hint = f"A controller makes runs known to {where}: is one running? Its log says if it has no policy."
                Terminal(stderr=True).print(hint, soft_wrap=True)

    with_board(source, look)


def watch(source: Source, output: WideOutput) -> None:
    """Show the runs as they change.

    With -o json one event a line, with -o yaml one a document; without a terminal one change a line.
    """

    async def follow(board: Board) -> None:
        await board.load()
        console = output.terminal
        if output.data:
            async for events in board.changes():
                for event in events:
                    output.document(event.model_dump(mode="json", exclude_none=True), stream=True)
                sys.stdout.flush()
        elif console.is_terminal:
            with Live(show.board(ordered(board), now_ms()), console=console, refresh_per_second=4) as live:
                async for _ in board.changes():
                    live.update(show.board(ordered(board), now_ms(), wide=output.wide))
        else:
            changes = show.Changes()
            print_lines(changes.lines(ordered(board), now_ms()))
            async for _ in board.changes():
                print_lines(changes.lines(ordered(board), now_ms()))

    with_board(source, follow)


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def ordered(board: Board) -> list[Card]:
    """Live runs by how soon they want a person, then ended ones, the latest first."""
    return [line.card for line in lines(board.cards.values(), now_ms())]


def document(card: Card) -> dict[str, Any]:
    """A run for a program."""
    said = card.verdict and card.verdict.model_copy(update={"findings": card.findings})
    return {
        "run": card.id,
        "headline": headline(card),
        "next": next_step(card, now_ms()),
        "observed": card.observed.model_dump(mode="json", exclude_none=True),
        "verdict": said.model_dump(mode="json", exclude_none=True) if said else None,
        "decision": card.decision.model_dump(mode="json", exclude_none=True) if card.decision else None,
    }
