"""Keeps the runs up to date: the present from the registry, what is published from now on, and the past behind it."""

import asyncio
import logging
from dataclasses import replace

from serinus_contracts import DecisionTaken, Event, Keys, RolloutObserved
from serinus_contracts.streams import Stream
from serinus_readmodel.reader.controllers import controllers
from serinus_readmodel.reader.runs import Entry, RunReader
from serinus_readmodel.run_history import RunHistory
from serinus_runtime.clock import Clock
from serinus_runtime.complaints import Complaints
from serinus_runtime.redis import BLOCK_MS, Client
from serinus_runtime.redis_clock import RedisClock

from serinus_console.use_cases.position import FOLLOWED
from serinus_console.use_cases.runs import Runs

logger = logging.getLogger(__name__)

BATCH = 200
# So far back the past is read at the start; a run's page says from when on its course is known.
MAX_PAST = 20_000


class Follower:
    """Two steps for `forever`: `step` reads what is new, `past` what was before. Errors of Redis are raised."""

    def __init__(
        self, client: Client, keys: Keys, runs: Runs, clock: Clock, complaints: Complaints | None = None
    ) -> None:
        self._complaints = complaints or Complaints()
        self._client, self._keys, self._runs, self._clock = client, keys, runs, clock
        self._reader = RunReader(client, keys, self._complaints)
        self._time = RedisClock(client, keys)
        self._past: list[tuple[Stream, str]] = []
        self._read_past = 0

    async def step(self) -> float:
        """One read of what is new; the first call reads the present. A step for `forever`."""
        if not self._runs.loaded:
            await self._load()
        for entry in await self._reader.after(self._runs.position, count=BATCH, block_ms=BLOCK_MS):
            with self._complaints.about("entry", f"{entry.stream} {entry.id}"):
                await self._news(entry)
            self._runs.position[entry.stream] = entry.id
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
        entries = await self._reader.before(name, before, BATCH)
        for entry in entries:
            with self._complaints.about("entry", f"{name} {entry.id}"):
                known = entry.fields.get(b"run", b"").decode() in self._runs.histories
                # Of where a run stood only the newest counts, and that is known of all that are.
                if known is (name != "rollouts") and (event := entry.event):
                    await self._apply(event)
                    await asyncio.sleep(0)
        self._read_past += len(entries)
        if len(entries) < BATCH or self._read_past >= MAX_PAST:
            self._past.pop(0)
            self._read_past = 0
        else:
            self._past[0] = (name, f"({entries[-1].id}")
        return 0.0

    async def _load(self) -> None:
        """Where every stream ends, then the live runs; what is published meanwhile comes by the streams."""
        await self._hear()
        self._runs.position |= await self._reader.ends(FOLLOWED)
        # Rollouts first: what is published of a run that was never seen is dropped.
        self._past = [(name, self._runs.position[name]) for name in FOLLOWED if self._runs.position[name] != "0-0"]
        count = 0
        async for standing in self._reader.live():
            with self._complaints.about("run", standing.observed.run.id):
                history = await self._apply(standing.observed)
                if standing.verdict:
                    self._runs.apply(standing.verdict)
                if history:
                    history.view = replace(history.view, operator=standing.operator)
                count += 1
        self._runs.has_loaded()
        logger.info("%d live runs", count)

    async def _news(self, entry: Entry) -> None:
        event = entry.event
        if event is None:
            return
        history = await self._apply(event)
        if history and isinstance(event, DecisionTaken):
            # Not in one: what is applied while it is read would be lost.
            operator = await self._reader.operator(event.run.id)
            history.view = replace(history.view, operator=operator)
        self._runs.publish(entry.stream, entry.id, event, entry.fields[b"ce"].decode())

    async def _apply(self, event: Event) -> RunHistory | None:
        """To its run, with the plan of one that was not known or has another."""
        history = self._runs.apply(event)
        if history and isinstance(event, RolloutObserved):
            plan = (await self._reader.with_plan(history.view)).plan
            if history.view.observed.plan == event.plan:
                history.view = replace(history.view, plan=plan)
        return history

    async def _hear(self) -> None:
        now = await self._time()
        self._runs.heard = self._clock()
        self._runs.offset = now - self._runs.heard
        self._runs.controllers = await controllers(self._client, self._keys)
