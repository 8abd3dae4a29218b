"""The board of the registry and the streams in Redis: whoever may read them sees all, whoever may write them acts."""

import asyncio
import getpass
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from redis.exceptions import OutOfMemoryError, RedisError
from serinus_contracts import (
    AnalysisPlan,
    ControllerStatus,
    DecisionTaken,
    Event,
    Keys,
    MetricsCollected,
    VerdictReached,
)
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_contracts.report import Report
from serinus_contracts.streams import Stream
from serinus_readmodel.reader.commands import Commands, ShareIsSentError, command
from serinus_readmodel.reader.controllers import controllers
from serinus_readmodel.reader.runs import Entry, RunReader
from serinus_readmodel.reader.stories import Stories
from serinus_readmodel.report import KeptRun
from serinus_readmodel.run_view import ENDINGS, RunView, apply
from serinus_runtime.address import parse
from serinus_runtime.errors import REDIS_IS_FULL
from serinus_runtime.redis import Client, connected
from serinus_runtime.redis_clock import RedisClock

from serinus import options
from serinus.board import BoardError, with_details

FOLLOWED: tuple[Stream, ...] = ("rollouts", "verdicts", "decisions")
# Ended runs are found among so many of the newest entries; older ones are history, not status.
RECENT = 1000
PAGE = 500
SOURCE = "/serinus/cli"
E = TypeVar("E", bound=Event)


@asynccontextmanager
async def streams(source: options.Streams) -> AsyncIterator["Streams"]:
    """Raises BoardError, also for what Redis refuses in its use."""
    where = f"Redis at {options.without_password(source.url)}"
    fix = "Give its address by --redis-url or SERINUS_REDIS_URL."
    try:
        parse(address := source.redis)
    except ValueError as error:
        raise BoardError(f"{where}: {error}\n{fix}") from error
    try:
        async with connected(address) as client:
            yield Streams(client, Keys(source.tag))
    except ShareIsSentError as error:
        raise BoardError(str(error)) from error
    except OutOfMemoryError as error:
        raise BoardError(REDIS_IS_FULL) from error
    except RedisError as error:
        raise BoardError(f"{where}: {error}\n{fix}") from error


def _says_all(event: Event) -> bool:
    """Whether older events of its run and kind add nothing to it."""
    if isinstance(event, DecisionTaken):
        return event.state == "confirmed" and event.action in ENDINGS
    return not isinstance(event, VerdictReached) or event.described


@dataclass
class Streams:
    """Runs by the registry and the streams in Redis."""

    client: Client
    keys: Keys
    views: dict[str, RunView] = field(default_factory=dict)
    _positions: dict[Stream, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = RunReader(self.client, self.keys)
        self._stories = Stories(self.client, self.keys)
        self._clock = RedisClock(self.client, self.keys)

    async def load(self) -> None:
        """What the newest entries tell, then the live runs by the registry."""
        self._positions = await self._reader.ends(FOLLOWED)
        for name in FOLLOWED:
            known: set[bytes | None] = set()
            for entry in await self._reader.before(name, "+", RECENT):
                run = entry.fields.get(b"run")
                event = None if run in known else await self._take(entry)
                if event and _says_all(event):
                    known.add(run)
        async for standing in self._reader.live():
            await self._put(standing.observed)
            if standing.verdict:
                await self._put(standing.verdict)
            live = standing.observed.run.id
            self.views[live] = replace(self.views[live], operator=standing.operator)

    async def changes(self, block_ms: int = 500) -> AsyncGenerator[Sequence[Event], None]:
        if not self._positions:
            self._positions = await self._reader.ends(FOLLOWED)
        while True:
            news: list[Event] = []
            for entry in await self._reader.after(self._positions, count=PAGE, block_ms=block_ms):
                self._positions[entry.stream] = entry.id
                if not (event := await self._take(entry)):
                    continue
                news.append(event)
                if isinstance(event, DecisionTaken) and (view := self.views.get(event.run.id)):
                    self.views[view.id] = replace(view, operator=await self._reader.operator(view.id))
            yield news
            await asyncio.sleep(0)

    async def controllers(self) -> Mapping[str, ControllerStatus]:
        return await controllers(self.client, self.keys)

    async def plan(self, verdict: VerdictReached | MetricsCollected) -> AnalysisPlan | None:
        return await self._reader.plan(verdict.plan)

    async def verdicts(self, run: str) -> Sequence[VerdictReached]:
        return await self.events(VerdictReached, run, lambda one: one.evaluation == 1)

    async def events(self, kind: type[E], run: str, is_last: Callable[[E], bool], since: Millis = 0) -> list[E]:
        """What was published of a run, oldest first: the stream is read from its end back to where `is_last` says."""
        found: list[E] = []
        top = "+"
        while entries := await self._reader.before(kind.STREAM, top, PAGE, str(since)):
            top = f"({entries[-1].id}"
            for entry in entries:
                event = entry.event if entry.fields.get(b"run") == run.encode() else None
                if isinstance(event, kind):
                    found.append(event)
                    if is_last(event):
                        return found[::-1]
        return found[::-1]

    async def kept(self) -> Sequence[KeptRun]:
        return [*await self._stories.live(), *reversed(await self._stories.ended())]

    async def report(self, run: str) -> Report | None:
        found = await self._stories.report(run)
        if found is None or found.verdict is None or found.verdict.described:
            return found
        verdicts = await self.events(VerdictReached, run, lambda one: one.described, since=found.began)
        return with_details(found, verdicts[0] if verdicts and verdicts[0].described else None)

    async def send(
        self, view: RunView, verb: Verb, reason: str, change: Mapping[str, Any], *, force: bool = False
    ) -> str:
        """The actor is who the operating system says, and marked unverified."""
        now = await self._clock()
        sent = command(view, verb, f"{getpass.getuser()}@{socket.gethostname()}", reason, change, now, force=force)
        await Commands(self.client, self.keys, SOURCE).send(sent, now)
        return sent.id

    async def _take(self, entry: Entry) -> Event | None:
        if event := entry.event:
            await self._put(event)
        return event

    async def _put(self, event: Event) -> None:
        if view := apply(self.views.get(event.run.id), event):
            self.views[view.id] = await self._reader.with_plan(view)
