"""The command line. Exit codes: 0 pass, 1 error, 2 usage, 3 aborted, 4 inconclusive or timeout."""

import asyncio
import sys
from importlib.metadata import version as installed
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from serinus_console.domain.card import Card
from serinus_console.domain.next_step import next_step
from serinus_runtime.clock import now_ms

from serinus import people, show
from serinus.archive import archive
from serinus.board import Board
from serinus.doctor.command import doctor, init
from serinus.explain import explain
from serinus.import_.command import import_
from serinus.options import (
    INTERRUPTED,
    LOCAL,
    Output,
    OutputOption,
    RedisTag,
    RedisUrl,
    fail,
    print_json,
    with_board,
    without_password,
)
from serinus.power import power
from serinus.replay.command import replay
from serinus.reports import history, report
from serinus.rollout import rollout
from serinus.validate import validate

app = typer.Typer(
    name="serinus",
    help="Continuous canary judgement for Argo Rollouts.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: serinus demo",
)


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
        raise typer.Exit(INTERRUPTED) from None
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
                where = f"{without_password(redis_url)} under the tag {redis_tag}"
                hint = f"A controller makes runs known to {where}: is one running?"
                Console(stderr=True, highlight=False).print(hint, soft_wrap=True)

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


def document(card: Card) -> dict[str, Any]:
    """A run for a program."""
    return {
        "run": card.id,
        "next": next_step(card, now_ms()),
        "observed": card.observed.model_dump(mode="json", exclude_none=True),
        "verdict": card.verdict.model_dump(mode="json", exclude_none=True) if card.verdict else None,
        "decision": card.decision.model_dump(mode="json", exclude_none=True) if card.decision else None,
    }


app.command(epilog="Example: serinus validate policies/*.yaml --rollout rollout.yaml")(validate)
app.command(epilog="Example: serinus explain shop/checkout")(explain)
app.command(epilog="Example: serinus power policy.yaml -r rollout.yaml --rate 50/s --baseline errors=0.002")(power)
app.command(epilog="Example: serinus replay policy.yaml shop/checkout --judge sequential --save looks.jsonl")(replay)
app.command("import", epilog="Example: serinus import rollout.yaml templates.yaml > policy.yaml")(import_)
app.command(epilog="Example: serinus report shop/checkout --html report.html")(report)
app.command(epilog="Example: serinus history checkout --outcome aborted")(history)
app.command(epilog="Example: serinus doctor shop/checkout --prometheus http://prometheus:9090")(doctor)
app.command(epilog="Example: serinus init shop/checkout > policies/checkout.yaml")(init)
app.command(epilog="Example: serinus rollout checkout registry.example.com/checkout:v2 -n shop --wait")(rollout)
app.command(epilog="Example: serinus archive --to s3://bucket/serinus")(archive)
people.register(app)


def main() -> None:
    app()
