"""What the commands share: options, the connection to Redis, printing, and the end with an exit code."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer
from redis.exceptions import RedisError
from rich.console import Console
from serinus_contracts import Keys
from serinus_runtime.redis import connected

from serinus.board import Board

ERROR, ABORTED, INCONCLUSIVE, INTERRUPTED = 1, 3, 4, 130
LOCAL = "redis://127.0.0.1:6379/0"


class Output(StrEnum):
    text = "text"
    json = "json"


RedisUrl = Annotated[
    str, typer.Option("--redis-url", envvar="SERINUS_REDIS_URL", help="Address of the Redis that the services use.")
]
RedisTag = Annotated[str, typer.Option("--redis-tag", envvar="SERINUS_REDIS_TAG", help="Hash tag of its keys.")]
OutputOption = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]


def with_board(redis_url: str, redis_tag: str, use: Callable[[Board], Awaitable[None]]) -> None:
    """Run `use` on the board of a Redis; an address that does not answer ends with a word on what to do."""

    async def run() -> None:
        async with connected(redis_url) as client:
            await use(Board(client, Keys(redis_tag)))

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (RedisError, OSError, ValueError) as error:
        fail(f"Redis at {without_password(redis_url)}: {error}\nGive its address by --redis-url or SERINUS_REDIS_URL.")


def without_password(url: str) -> str:
    """An address as it may be shown."""
    scheme, separator, rest = url.rpartition("://")
    return scheme + separator + rest.rpartition("@")[2]


def print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def fail(message: str, code: int = ERROR) -> NoReturn:
    """End with an error for the person at the terminal."""
    Console(stderr=True, highlight=False).print(f"[red]error:[/red] {message}", soft_wrap=True)
    raise typer.Exit(code)
