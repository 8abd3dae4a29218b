"""The command line. Exit codes: 0 pass, 1 error, 2 usage, 3 aborted, 4 inconclusive or timeout."""

import asyncio
import json
import sys
from enum import StrEnum
from importlib.metadata import version as installed
from typing import Annotated, Any, NoReturn

import typer
from redis.asyncio import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.live import Live
from serinus_contracts import Keys
from serinus_runtime.clock import now_ms

from serinus import show
from serinus.board import Board, Card
from serinus.next_step import next_step

app = typer.Typer(
    name="serinus",
    help="Continuous canary judgement for Argo Rollouts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: serinus demo",
)


class Output(StrEnum):
    text = "text"
    json = "json"


RedisUrl = Annotated[
    str, typer.Option("--redis-url", envvar="SERINUS_REDIS_URL", help="Address of the Redis that the services use.")
]
RedisTag = Annotated[str, typer.Option("--redis-tag", envvar="SERINUS_REDIS_TAG", help="Hash tag of its keys.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
LOCAL = "redis://127.0.0.1:6379/0"


@app.command(epilog="Example: serinus demo --keep")
def demo(
    redis_url: Annotated[str | None, typer.Option(help="Use this Redis instead of an embedded Valkey.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds after which it gives up.")] = 150,
    seed: Annotated[int | None, typer.Option(help="Draw other traffic.")] = None,
    output: OutputOption = Output.text,
) -> None:
    """Judge three simulated releases: a good one, a bad one, and one whose metrics vanish."""
    from serinus.demo.run import DemoError, Options
    from serinus.demo.run import demo as play

    console = Console(highlight=False)
    options = Options(redis_url=redis_url, keep=keep, limit=limit, seed=seed, json=output is Output.json)
    try:
        result = asyncio.run(play(options, console))
    except KeyboardInterrupt:
        console.print("ended, all processes with it")
        raise typer.Exit(130) from None
    except DemoError as error:
        fail(str(error))
    raise typer.Exit(0 if result.passed else 1)


@app.command(epilog="Example: serinus status -o json | jq '.[].verdict.sentence'")
def status(redis_url: RedisUrl = LOCAL, redis_tag: RedisTag = "serinus", output: OutputOption = Output.text) -> None:
    """Show every run: its verdict, counts, weight, and what happens next."""

    async def look(board: Board) -> None:
        await board.load()
        if output is Output.json:
            print_json([document(card) for card in board.cards.values()])
        else:
            Console(highlight=False).print(show.board(board.cards.values(), now_ms()))
            if not board.cards:
                Console(stderr=True, highlight=False).print(
                    f"A controller makes runs known to {shown(redis_url)} under the tag {redis_tag}: is one running?",
                    soft_wrap=True,
                )

    with_board(redis_url, redis_tag, look)


@app.command(epilog="Example: serinus watch")
def watch(redis_url: RedisUrl = LOCAL, redis_tag: RedisTag = "serinus", output: OutputOption = Output.text) -> None:
    """Show the runs as they change. With -o json, one event a line; without a terminal, one change a line."""

    async def follow(board: Board) -> None:
        await board.load()
        console = Console(highlight=False)
        if output is Output.json:
            async for events in board.changes():
                for event in events:
                    sys.stdout.write(event.model_dump_json(exclude_none=True) + "\n")
                sys.stdout.flush()
        elif console.is_terminal:
            with Live(show.board(board.cards.values(), now_ms()), console=console, refresh_per_second=4) as live:
                async for _ in board.changes():
                    live.update(show.board(board.cards.values(), now_ms()))
        else:
            async for events in board.changes():
                for run in dict.fromkeys(event.run.id for event in events):
                    if run in board.cards:
                        console.print(show.line(board.cards[run], now_ms()), soft_wrap=True)

    with_board(redis_url, redis_tag, follow)


@app.command(epilog="Example: serinus version")
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"serinus {installed('serinus')}\n")


def with_board(redis_url: str, redis_tag: str, use: Any) -> None:
    """Run `use` on the board of a Redis; an address that does not answer ends with a word on what to do."""

    async def run() -> None:
        async with Redis.from_url(redis_url, socket_timeout=10, socket_connect_timeout=3) as client:
            await use(Board(client, Keys(redis_tag)))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (RedisError, OSError, ValueError) as error:
        fail(f"Redis at {shown(redis_url)}: {error}\nGive its address by --redis-url or SERINUS_REDIS_URL.")


def document(card: Card) -> dict[str, Any]:
    """A run for a program."""
    return {
        "run": card.id,
        "next": next_step(card, now_ms()),
        "observed": card.observed.model_dump(mode="json", exclude_none=True),
        "verdict": card.verdict.model_dump(mode="json", exclude_none=True) if card.verdict else None,
        "decision": card.decision.model_dump(mode="json", exclude_none=True) if card.decision else None,
    }


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def shown(url: str) -> str:
    """An address without its password."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def fail(message: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(f"[red]error:[/red] {message}", soft_wrap=True)
    raise typer.Exit(1)


def main() -> None:
    app()
