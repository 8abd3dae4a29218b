"""`serinus archive`: the reports of ended runs as JSON Lines, to a folder or an object store, before they expire.

Each call writes what has ended since the one before into one new file, named by when the first of its runs ended.
Where it came to is kept in Redis per address, and moved after the file is written; a call that died in between is
repeated by the next one into a file of the same name, so nothing is lost and nothing is there twice.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any

import fsspec
import typer
from serinus_contracts.base import Millis
from serinus_readmodel.reader.stories import Stories
from serinus_runtime.redis_clock import RedisClock

from serinus.adapters.streams import Streams, streams
from serinus.connect import finish
from serinus.options import Output, fail
from serinus.options import Streams as Source
from serinus.terminal import say

# What is published after the end of a run, such as that its abort is confirmed, comes within this time.
SETTLED_MS = 60_000
MAX_REPORTS = 1_000

To = Annotated[str, typer.Option("--to", help="Folder, or an address that fsspec knows: s3://bucket/path, gs://...")]


def archive(to: To, source: Source, output: Output) -> None:
    """Write the reports of ended runs as JSON Lines; for a cron job.

    Of the runs that have ended since the last time, a minute after their end. s3:// needs the package s3fs, gs://
    gcsfs, abfs:// adlfs.
    """

    async def write() -> None:
        files: list[str] = []
        runs = 0
        async with streams(source) as board:
            while True:
                found, name = await _next(board, to)
                if not name:
                    break
                files.append(name)
                runs += found
        if output.data:
            output.document({"runs": runs, "files": files})
        else:
            say("nothing has ended since the last time" if not files else f"wrote {runs} runs to {', '.join(files)}")

    finish(write())


async def _next(board: Streams, to: str) -> tuple[int, str]:
    """Write the next file; how many runs it holds, and its name, empty if there was nothing to write."""
    stories = Stories(board.client, board.keys)
    kept: Any = await board.client.hget(board.keys.archived, to)
    since: Millis = int(kept) + 1 if kept else 0
    ended = await stories.ended(since, await _settled(board))
    if not ended:
        return 0, ""
    # Runs that ended at the same moment stay together, since the place is kept as a moment.
    last = ended[:MAX_REPORTS][-1].ended or 0
    chosen = [run for run in ended if (run.ended or 0) <= last]
    lines = []
    for run in chosen:
        one = await stories.report(run.run)
        if one:
            lines.append(one.model_dump_json(exclude_none=True))
    first = chosen[0].ended or 0
    moment = datetime.fromtimestamp(first / 1000, UTC)
    name = f"{to.rstrip('/')}/{moment:%Y/%m}/{moment:%Y-%m-%dT%H-%M-%S}.{first % 1000:03}Z.jsonl"
    try:
        await asyncio.to_thread(_write, name, "\n".join(lines) + "\n")
    except Exception as error:  # noqa: BLE001 - every store of fsspec has errors of its own
        fail(f"--to {to}: {type(error).__name__}: {error}")
    await board.client.hset(board.keys.archived, to, last)
    return len(lines), name


async def _settled(board: Streams) -> Millis:
    """Up to when runs must have ended, by the clock that their ends were written with."""
    return await RedisClock(board.client, board.keys)() - SETTLED_MS


def _write(name: str, text: str) -> None:
    # Stores without folders take no auto_mkdir.
    options = {"auto_mkdir": True} if "://" not in name or name.startswith("file://") else {}
    with fsspec.open(name, "w", encoding="utf-8", **options) as file:
        file.write(text)
