"""The command `serinus demo`."""

import asyncio
import shlex
from enum import StrEnum
from typing import Annotated

import typer

from serinus import running_demo
from serinus.demo.run import DemoError, Options
from serinus.demo.run import demo as play
from serinus.options import INTERRUPTED, Output, fail
from serinus.terminal import Terminal, say

Redis = Annotated[str | None, typer.Option("--redis-url", help="Use this Redis instead of an embedded Valkey.")]


class What(StrEnum):
    """What else than to play it."""

    env = "env"


Asked = Annotated[What | None, typer.Argument(help="env: print how a shell finds the demo that runs.")]


def print_environment() -> None:
    """As a shell reads it."""
    running = running_demo.found()
    if running is None:
        fail("no demo runs here: start one by serinus demo --keep")
    for name, value in running.environment.items():
        say(f"export {name}={shlex.quote(value)}")


def demo(
    output: Output,
    asked: Asked = None,
    redis_url: Redis = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds after which it gives up.")] = 150,
    seed: Annotated[int | None, typer.Option(help="Draw other traffic.")] = None,
) -> None:
    """Analyse four simulated releases: one healthy, two regressed, one whose metrics disappear.

    In another terminal, `eval "$(serinus demo env)"` lets every command and kubectl find the demo that runs; those
    that need Redis alone find it without.
    """
    if asked is not None:
        print_environment()
        return
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
