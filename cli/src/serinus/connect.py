"""Reaching the runs: a command's work on a board, and what it ends with."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import typer

from serinus.board import Board, BoardError
from serinus.options import INTERRUPTED, Source, fail


def opened(source: Source) -> AbstractAsyncContextManager[Board]:
    """The board of a console where one is given, else of the streams."""
    # Imported here: one needs no Redis, the other no HTTP.
    if source.console:
        from serinus.adapters.console import console

        return console(source.console, source.token_file)
    from serinus.adapters.streams import streams

    return streams(source)


def with_board(source: Source, use: Callable[[Board], Awaitable[None]]) -> None:
    """Run `use` on a board; what fails ends with a word on what to do."""

    async def run() -> None:
        async with opened(source) as board:
            await use(board)

    finish(run())


def finish(work: Awaitable[None]) -> None:
    """Run to the end, to Ctrl-C or to an error of the board."""

    async def wait() -> None:
        await work

    try:
        asyncio.run(wait())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BoardError as error:
        fail(str(error))
