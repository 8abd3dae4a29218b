"""The command `serinus demo`."""

import asyncio
from typing import Annotated

import typer

from serinus.demo.run import DemoError, Options
from serinus.demo.run import demo as play
from serinus.options import INTERRUPTED, Output, fail
from serinus.terminal import Terminal

Redis = Annotated[str | None, typer.Option("--redis-url", help="Use this Redis instead of an embedded Valkey.")]


def demo(
    output: Output,
    redis_url: Redis = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds after which it gives up.")] = 150,
    seed: Annotated[int | None, typer.Option(help="Draw other traffic.")] = None,
) -> None:
    """Analyse four simulated releases: one healthy, two regressed, one whose metrics disappear."""
    console = Terminal(stderr=output.data)
    options = Options(redis_url, keep, limit, seed)
    try:
        result = asyncio.run(play(options, console, output))
    except KeyboardInterrupt:
        console.print("stopped, with all its processes")
        raise typer.Exit(INTERRUPTED) from None
    except DemoError as error:
        fail(str(error))
    raise typer.Exit(0 if result.passed else 1)
