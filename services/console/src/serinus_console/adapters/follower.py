"""Keeps the runs up to date: the present from the registry, what is told from now on, and the past behind it."""

import asyncio
import logging
from typing import Any

from serinus_contracts import (
    CommandIssued,
    DecisionTaken,
    Event,
    Keys,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_contracts.streams import Stream
from serinus_readmodel.run_history import RunHistory
from serinus_readmodel.run_view import Asked
from serinus_runtime.clock import Clock
from serinus_runtime.complaints import Complaints
from serinus_runtime.due import run_of
from serinus_runtime.leading import controllers
from serinus_runtime.plans import Plans
from serinus_runtime.redis import BLOCK_MS, Client
from serinus_runtime.redis_clock import RedisClock

from serinus_console.use_cases.position import FOLLOWED
from serinus_console.use_cases.runs import Runs

logger = logging.getLogger(__name__)

KINDS: dict[Stream, type[Event]] = {
    "rollouts": RolloutObserved,
    "verdicts": VerdictReached,
    "decisions": DecisionTaken,
    "commands": CommandIssued,
}
BATCH = 200
# So far back the past is read at the start; a run's page says from when on its course is known.
MOST_PAST = 20_000


class Follower:
    def __init__(
        self, client: Client, keys: Keys, runs: Runs, clock: Clock, complaints: Complaints | None = None
    ) -> None:
        self._complaints = complaints or Complaints()
        self._client, self._keys, self._runs, self._clock = client, keys, runs, clock
        self._plans = Plans(client, keys)
        self._streams = {keys.stream(name).encode(): name for name in FOLLOWED}
        self._time = RedisClock(client, keys)
        self._past: list[tuple[Stream, str]] = []
        self._read_past = 0

    async def step(self) -> float:
        """One read of what is new; the first call reads the present. A step for `forever`."""
        if not self._runs.loaded:
            await self._load()
        streams: dict[Any, Any] = {key: self._runs.position[name] for key, name in self._streams.items()}
        answer: Any = await self._client.xread(streams, count=BATCH, block=BLOCK_MS)
        for key, entries in answer:
            for entry, fields in entries:
                stream = self._streams[key]
                with self._complaints.about("entry", f"{stream} {entry.decode()}"):
                    await self._news(stream, entry.decode(), fields)
                self._runs.position[stream] = entry.decode()
                await asyncio.sleep(0)  # pages are answered between the entries of a long read
        await self._hear()
        return 0.0

    async def past(self) -> float:
        """One batch of the past, newest first, as long as there is any. A step for `forever`."""
        if not self._runs.loaded:
            return 0.1
        if not self._past:
            return 60.0
        name, before = self._past[0]
        entries: Any = await self._client.xrevrange(self._keys.stream(name), max=before, count=BATCH)
        for entry, fields in entries:
            with self._complaints.about("entry", f"{name} {entry.decode()}"):
                known = fields.get(b"run", b"").decode() in self._runs.histories
                # Of where a run stood only the newest counts, and that is known of all that are.
                if known is (name != "rollouts") and (event := _event(name, fields)):
                    await self._know(self._runs.apply(event), event)
                    await asyncio.sleep(0)
        self._read_past += len(entries)
        if len(entries) < BATCH or self._read_past >= MOST_PAST:
            self._past.pop(0)
            self._read_past = 0
        else:
            self._past[0] = (name, f"({entries[-1][0].decode()}")
        return 0.0

    async def _load(self) -> None:
        """Where every stream ends, then the live runs; what is told meanwhile comes by the streams."""
        await self._hear()
        for name in FOLLOWED:
            last: Any = await self._client.xrevrange(self._keys.stream(name), count=1)
            self._runs.position[name] = last[0][0].decode() if last else "0-0"
        # Rollouts first: what is told of a run that was never seen is dropped.
        self._past = [(name, self._runs.position[name]) for name in FOLLOWED if self._runs.position[name] != "0-0"]
        live: Any = await self._client.zrange(self._keys.due, 0, -1)
        for begin in range(0, len(live), BATCH):
            await self._load_live([run for member in live[begin : begin + BATCH] if (run := run_of(member))])
        self._runs.has_loaded()
        logger.info("%d live runs", len(live))

    async def _load_live(self, runs: list[str]) -> None:
        async with self._client.pipeline(transaction=False) as pipe:
            for run in runs:
                pipe.hget(self._keys.run(run), "observed")
                pipe.hmget(self._keys.control(run), ("verdict", "memory"))
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        for run, observed, control in zip(runs, answers[::2], answers[1::2], strict=True):
            if not observed:
                continue
            with self._complaints.about("run", run):
                for answer in (observed, control):
                    if isinstance(answer, Exception):
                        raise answer
                verdict, memory = control
                event = RolloutObserved.model_validate_json(observed)
                history = self._runs.apply(event)
                await self._know(history, event)
                if history and verdict:
                    self._runs.apply(VerdictReached.model_validate_json(verdict))
                if history:
                    self._runs.know(history, asked=Asked.read(memory))

    async def _news(self, stream: Stream, entry: str, fields: dict[bytes, bytes]) -> None:
        event = _event(stream, fields)
        if event is None:
            self._runs.position[stream] = entry
            return
        history = self._runs.apply(event)
        await self._know(history, event)
        if history and isinstance(event, DecisionTaken):
            memory: Any = await self._client.hget(self._keys.control(event.run.id), "memory")
            self._runs.know(history, asked=Asked.read(memory))
        self._runs.publish(stream, entry, event, fields[b"ce"].decode())

    async def _know(self, history: RunHistory | None, event: Event | None) -> None:
        """The plan of a run, where it was not known or has changed."""
        if history is None or not isinstance(event, RolloutObserved):
            return
        wanted = history.view.observed.plan
        if history.view.plan is None or history.view.plan.digest != wanted:
            self._runs.know(history, plan=await self._plans.get(wanted))

    async def _hear(self) -> None:
        now = await self._time()
        self._runs.heard = self._clock()
        self._runs.offset = now - self._runs.heard
        self._runs.controllers = await controllers(self._client, self._keys)


def _event(stream: Stream, fields: dict[bytes, bytes]) -> Event | None:
    try:
        return from_entry(KINDS[stream], fields).data
    except UnreadableEntryError:
        return None  # the services report what cannot be read; it must not end a person's view
