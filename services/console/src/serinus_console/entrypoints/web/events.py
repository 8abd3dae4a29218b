"""Server-sent events whose id is a position in the streams: who comes back with Last-Event-ID misses nothing, or is
told by `gap` what was left out."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Literal

from serinus_contracts import Keys
from serinus_contracts.base import Millis
from serinus_contracts.streams import Stream
from serinus_readmodel.reader.runs import KINDS
from serinus_runtime.clock import Clock
from serinus_runtime.errors import RETRYABLE
from serinus_runtime.redis import Client
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from serinus_console.entrypoints.web.problems import Refused
from serinus_console.use_cases.position import FOLLOWED, Position, written
from serinus_console.use_cases.runs import Feed, News, Runs

HEARTBEAT = 5.0
RETRY_MS = 1_000
BATCH = 200
MAX_FEEDS = 1_000
MAX_FEEDS_PER_CLIENT = 50
# Of each stream, for one who comes back: an hour of ten runs. Beyond it reading the page again costs less.
MAX_RESENT = 1_000
BRIEF_PACE = 0.4
# Redis is asked at least once a second.
AWAY_MS = 5_000
Detail = Literal["full", "brief"]


def opened(runs: Runs, run: str | None, client: str) -> Feed:
    """A feed for a client. Raises 429 for one that has too many already, 503 if all together do."""
    if sum(feed.client == client for feed in runs.feeds) >= MAX_FEEDS_PER_CLIENT:
        detail = (
            f"{MAX_FEEDS_PER_CLIENT} event streams of {client} are open, and a client has no more: close some. Many "
            "people behind one proxy are told apart if SERINUS_TRUSTED_PROXIES names it"
        )
        raise Refused(429, detail, Retry_After="10")
    if len(runs.feeds) >= MAX_FEEDS:
        raise Refused(503, f"{MAX_FEEDS} streams are open", Retry_After="10")
    feed = Feed(run, client, runs.position)
    runs.feeds.add(feed)
    return feed


class EventStream(StreamingResponse):
    """Gives the feed back however the answer ends, begun or not."""

    def __init__(self, runs: Runs, feed: Feed, chunks: AsyncIterator[bytes]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(chunks, headers=headers, media_type="text/event-stream")
        self._runs, self._feed = runs, feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._runs.feeds.discard(self._feed)


async def stream(
    client: Client, keys: Keys, runs: Runs, clock: Clock, feed: Feed, after: Position | None, detail: Detail
) -> AsyncIterator[bytes]:
    """What is told from now on, or from a position on, and a heartbeat between. Ends when the console does, or the
    listener is too slow."""
    # Before that nothing is known to have been missed.
    await runs.wait_until_loaded()
    run, now = feed.run, feed.begun
    try:
        opening = f"retry: {RETRY_MS}\nid: {written(after or now)}\nevent: open"
        yield f"{opening}\ndata: {_beat(runs, clock(), run)}\n\n".encode()
        if after is not None:
            async for chunk in _missed(client, keys, run, after, now, detail):
                yield chunk
        seconds = asyncio.get_running_loop().time
        due = seconds() + HEARTBEAT
        while not feed.closed or not feed.empty:
            fresh = await feed.next(max(0.0, due - seconds()))
            if fresh:
                yield b"".join(_written(news, detail) for news in fresh)
            if seconds() >= due:
                yield f"event: heartbeat\ndata: {_beat(runs, clock(), run)}\n\n".encode()
                due = seconds() + HEARTBEAT
            if detail == "brief":
                await asyncio.sleep(BRIEF_PACE)  # a page fetches itself no faster, so what comes meanwhile is one write
    except RETRYABLE:
        return  # the listener comes back and resumes where it is


def _beat(runs: Runs, now: Millis, run: str | None) -> str:
    """How fresh what the console knows is. All times are by Redis' clock."""
    views = runs.views() if run is None else [history.view for history in [runs.histories.get(run)] if history]
    document = {
        "redis": now - runs.heard < AWAY_MS,
        "as_of": runs.heard + runs.offset,
        "now": now + runs.offset,
        "verdict": max((view.verdict.end for view in views if view.verdict), default=None),
    }
    return json.dumps(document)


async def _missed(
    client: Client, keys: Keys, run: str | None, after: Position, until: Position, detail: Detail
) -> AsyncIterator[bytes]:
    """The entries between two positions, stream by stream; `gap` where some were trimmed meanwhile, and where the rest
    are too many."""
    position = dict(after)
    for name in FOLLOWED:
        key = keys.stream(name)
        if await _trimmed(client, key, after[name]):
            yield _gap(name, "trimmed", position)
        for _ in range(0, MAX_RESENT, BATCH):
            entries: Any = await client.xrange(key, f"({position[name]}", until[name], count=BATCH)
            for entry, fields in entries:
                position[name] = entry.decode()
                if (news := _news(name, fields, written(position))) and run in (None, news.run):
                    yield _written(news, detail)
            if len(entries) < BATCH:
                break
            await asyncio.sleep(0)
        cut = len(entries) == BATCH and await client.xrange(key, f"({position[name]}", until[name], count=1)
        position[name] = until[name]
        if cut:
            yield _gap(name, "too many", position)


def _gap(name: Stream, why: Literal["trimmed", "too many"], position: Position) -> bytes:
    """With an id behind what is missing, so that who comes back is not told of it again."""
    return f"id: {written(position)}\nevent: gap\ndata: {json.dumps({'stream': name, 'why': why})}\n\n".encode()


async def _trimmed(client: Client, key: str, position: str) -> bool:
    """Whether entries behind a position may be gone: the entry at it is."""
    if position.partition("-")[0] == "0":
        return False
    first: Any = await client.xrange(key, count=1)
    return bool(first) and _order(first[0][0].decode()) > _order(position)


def _order(entry: str) -> tuple[int, int]:
    milliseconds, _, number = entry.partition("-")
    return int(milliseconds), int(number or 0)


def _news(stream: Stream, fields: dict[bytes, bytes], position: str) -> News | None:
    if b"ce" not in fields:
        return None
    run = fields.get(b"run", b"").decode()
    return News(position, KINDS[stream], run, fields[b"ce"].decode())


@lru_cache(maxsize=64)  # once for all who listen
def _written(news: News, detail: Detail) -> bytes:
    # A line break would end the field; in JSON it is only white space.
    data = " ".join(news.document.splitlines()) if detail == "full" else json.dumps({"run": news.run})
    return f"id: {news.id}\nevent: {news.kind.STREAM}\ndata: {data}\n\n".encode()
