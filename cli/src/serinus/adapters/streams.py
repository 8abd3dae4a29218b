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
    CommandIssued,
    ControllerStatus,
    DecisionTaken,
    Event,
    Keys,
    MetricsCollected,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from serinus_contracts.report import Report
from serinus_readmodel.reader.stories import Stories, Told
from serinus_readmodel.run_view import ENDINGS, Asked, RunView, apply
from serinus_runtime.address import parse
from serinus_runtime.commands import Commands
from serinus_runtime.due import run_of
from serinus_runtime.errors import REDIS_IS_FULL
from serinus_runtime.leading import controllers
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client, connected
from serinus_runtime.redis_clock import RedisClock
from ulid import ULID

from serinus import options
from serinus.board import BoardError, with_descriptions

KINDS: dict[str, type[Event]] = {"rollouts": RolloutObserved, "verdicts": VerdictReached, "decisions": DecisionTaken}
# Ended runs are found among so many of the newest entries; older ones are history, not status.
RECENT = 1000
PAGE = 500
VALID_MS = 120_000
SOURCE = "/serinus/cli"
E = TypeVar("E", bound=Event)


@asynccontextmanager
async def streams(source: options.Streams) -> AsyncIterator["Streams"]:
    """Raises BoardError, also for what Redis refuses in its use."""
    where = f"Redis at {options.without_password(source.redis_url)}"
    mend = "Give its address by --redis-url or SERINUS_REDIS_URL."
    try:
        parse(address := source.redis)
    except ValueError as error:
        raise BoardError(f"{where}: {error}\n{mend}") from error
    try:
        async with connected(address) as client:
            yield Streams(client, Keys(source.redis_tag))
    except OutOfMemoryError as error:
        raise BoardError(REDIS_IS_FULL) from error
    except RedisError as error:
        raise BoardError(f"{where}: {error}\n{mend}") from error


def _says_all(event: Event) -> bool:
    """Whether older events of its run and kind add nothing to it."""
    if isinstance(event, DecisionTaken):
        return event.state == "confirmed" and event.action in ENDINGS
    return not isinstance(event, VerdictReached) or event.described


@dataclass
class Streams:
    client: Client
    keys: Keys
    views: dict[str, RunView] = field(default_factory=dict)
    _positions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._plans = Plans(self.client, self.keys)
        self._stories = Stories(self.client, self.keys)
        self._clock = RedisClock(self.client, self.keys)

    async def load(self) -> None:
        """What the newest entries tell, then the live runs by the registry."""
        await self._begin()
        for name, kind in KINDS.items():
            entries: Any = await self.client.xrevrange(self.keys.stream(name), count=RECENT)  # type: ignore[arg-type]
            known: set[bytes | None] = set()
            for _, fields in entries:
                run = fields.get(b"run")
                event = None if run in known else await self._take(kind, fields)
                if event and _says_all(event):
                    known.add(run)
        live: Any = await self.client.zrange(self.keys.due, 0, -1)
        for member in live:
            if run := run_of(member):
                await self._load_live(run)

    async def _begin(self) -> None:
        """Where the streams are now: what comes later is news."""
        for name in KINDS:
            last: Any = await self.client.xrevrange(self.keys.stream(name), count=1)  # type: ignore[arg-type]
            self._positions[name] = last[0][0].decode() if last else "0"

    async def changes(self, block_ms: int = 500) -> AsyncGenerator[Sequence[Event], None]:
        if not self._positions:
            await self._begin()
        while True:
            streams: dict[Any, Any] = {self.keys.stream(name): at for name, at in self._positions.items()}  # type: ignore[arg-type]
            answer: Any = await self.client.xread(streams, count=500, block=block_ms)
            news: list[Event] = []
            for stream, entries in answer:
                name = next(name for name in KINDS if self.keys.stream(name) == stream.decode())  # type: ignore[arg-type]
                for position, fields in entries:
                    self._positions[name] = position.decode()
                    event = await self._take(KINDS[name], fields)
                    if event:
                        news.append(event)
                    if isinstance(event, DecisionTaken) and event.run.id in self.views:
                        memory = await self.client.hget(self.keys.control(event.run.id), "memory")
                        self.views[event.run.id] = replace(self.views[event.run.id], asked=Asked.read(memory))
            yield news
            await asyncio.sleep(0)

    async def controllers(self) -> Mapping[str, ControllerStatus]:
        return await controllers(self.client, self.keys)

    async def plan(self, verdict: VerdictReached | MetricsCollected) -> AnalysisPlan | None:
        return await self._plans.get(verdict.plan)

    async def verdicts(self, run: str) -> Sequence[VerdictReached]:
        return await self.events(VerdictReached, run, lambda one: one.look == 1)

    async def events(self, kind: type[E], run: str, is_last: Callable[[E], bool], since: Millis = 0) -> list[E]:
        """What was told of a run, oldest first: the stream is read from its end back to where `is_last` says."""
        found: list[E] = []
        top = "+"
        while True:
            entries: Any = await self.client.xrevrange(self.keys.stream(kind.STREAM), top, str(since), count=PAGE)
            for position, fields in entries:
                top = f"({position.decode()}"
                if fields.get(b"run") != run.encode():
                    continue
                try:
                    event = from_entry(kind, fields).data
                except UnreadableEntryError:
                    continue  # reported by the services, as dead letters
                found.append(event)
                if is_last(event):
                    return found[::-1]
            if not entries:
                return found[::-1]

    async def kept(self) -> Sequence[Told]:
        return [*await self._stories.live(), *reversed(await self._stories.ended())]

    async def report(self, run: str) -> Report | None:
        found = await self._stories.report(run)
        if found is None or found.verdict is None or found.verdict.described:
            return found
        told = await self.events(VerdictReached, run, lambda one: one.described, since=found.began)
        return with_descriptions(found, told[0] if told and told[0].described else None)

    async def send(
        self, view: RunView, verb: Verb, reason: str, change: Mapping[str, Any], *, force: bool = False
    ) -> str:
        """The actor is who the operating system says, and marked unverified."""
        now = await self._clock()
        command = CommandIssued(
            run=view.observed.run,
            id=str(ULID()),
            verb=verb,
            step=view.observed.step,
            expires=now + VALID_MS,
            actor=f"{getpass.getuser()}@{socket.gethostname()}",
            reason=reason,
            change=dict(change),
            force=force,
        )
        await Commands(self.client, self.keys).send(command, source=SOURCE, now=now)
        return command.id

    async def _load_live(self, run: str) -> None:
        observed, (verdict, memory) = await asyncio.gather(
            self.client.hget(self.keys.run(run), "observed"),
            self.client.hmget(self.keys.control(run), ("verdict", "memory")),
        )
        if observed:
            await self._put(RolloutObserved.model_validate_json(observed))
        if verdict and run in self.views:
            await self._put(VerdictReached.model_validate_json(verdict))
        if memory and run in self.views:
            self.views[run] = replace(self.views[run], asked=Asked.read(memory))

    async def _take(self, kind: type[Event], fields: dict[bytes, bytes]) -> Event | None:
        try:
            event: Event = from_entry(kind, fields).data
        except UnreadableEntryError:
            return None  # a garbled entry is the services' to report; it must not end a person's view
        await self._put(event)
        return event

    async def _put(self, event: Event) -> None:
        view = apply(self.views.get(event.run.id), event)
        if view is None:
            return
        if view.plan is None or view.plan.digest != view.observed.plan:
            view = replace(view, plan=await self._plans.get(view.observed.plan))
        self.views[view.id] = view
