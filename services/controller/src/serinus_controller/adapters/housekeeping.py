"""Keeps Redis from running full: the leader gives back what nobody needs any more, the oldest first (docs/adr/0076).

Entries that every group has finished, or that are past their use. When that is not enough, what is kept of ended runs.
"""

import collections
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge
from serinus_contracts import Keys
from serinus_contracts.base import Millis
from serinus_contracts.streams import ANALYZER_GROUP, STREAMS
from serinus_runtime import scripts
from serinus_runtime.due import run_of
from serinus_runtime.redis import Client

logger = logging.getLogger(__name__)

EVERY, SOON = 5.0, 1.0
# Shares of `maxmemory`: from where it trims and down to where, from where it waits for nobody and from where it forgets
# ended runs, and what is full.
TRIM_FROM, TRIM_TO, URGENT, LAST_RESORT, FULL = 0.7, 0.6, 0.9, 0.95, 0.98
PARTS = 8
# What is younger may not have been read yet by who reads without a group.
RECENT_MS, JUST_TOLD_MS = 600_000, 10_000
# A verdict, a command and a notification are past their use by then; a snapshot stays until it is judged.
PAST_USE_MS = 3_600_000
# Of the streams and of dead letters, as `trim.lua` is told.
READ_BY_CONTROLLERS = "".join(str(int(name in ("verdicts", "commands"))) for name in STREAMS) + "0"
RUNS_AT_ONCE = 10
# Among so many that ended first it is looked for who has most.
LOOKED_THROUGH = 10_000


class Room(NamedTuple):
    """`used` and `most` are bytes: no limit is 0, and -1 what may not be asked. `removed`: entries that were cut."""

    used: int
    most: int
    now: Millis
    oldest: Millis
    removed: int

    @property
    def share(self) -> float:
        """What is used of the limit, from 0 on; 0 where there is none, or where it may not be asked."""
        return self.used / self.most if self.most > 0 else 0.0

    def __str__(self) -> str:
        return f"{100 * self.share:.0f} % full, {self.used / 1e6:,.1f} of {self.most / 1e6:,.1f} MB"


class Telemetry:
    """Memory of Redis in bytes, and what was given up for room."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.used = Gauge("serinus_redis_memory_used_bytes", "memory that Redis uses, by who leads", registry=registry)
        self.most = Gauge(
            "serinus_redis_memory_limit_bytes", "maxmemory of Redis, 0 without one, by who leads", registry=registry
        )
        self.trimmed = Counter("serinus_redis_trimmed_entries", "entries given up for room in Redis", registry=registry)
        self.forgotten = Counter("serinus_redis_forgotten_runs", "ended runs given up for room", registry=registry)

    def resign(self) -> None:
        """What only a leader knows is not told by who leads no longer."""
        self.used.set(0)
        self.most.set(0)


@dataclass
class Housekeeper:
    """`trouble` is what people are told, empty while there is room."""

    client: Client
    keys: Keys
    telemetry: Telemetry
    trouble: str = ""
    _level: str = ""

    def __post_init__(self) -> None:
        self._trim = scripts.load(self.client, __package__, "trim")
        self._streams = [*(self.keys.stream(name) for name in STREAMS), self.keys.dead_letters]

    async def step(self) -> float:
        """Measure, and make room where it is needed; gives the seconds until the next time."""
        found = room = await self._measure()
        removed, runs = 0, 0
        if room.share >= TRIM_FROM:
            room, removed = await self._trimmed(room)
        if room.share >= LAST_RESORT and (runs := await self._forget_ended()):
            room = await self._measure()
        self.telemetry.used.set(max(room.used, 0))
        self.telemetry.most.set(max(room.most, 0))
        self.telemetry.trimmed.inc(removed)
        self.telemetry.forgotten.inc(runs)
        self._say(found, room, removed, runs)
        return SOON if room.share >= TRIM_FROM else EVERY

    def resign(self) -> None:
        """Who leads no longer knows nothing of it."""
        self.trouble = self._level = ""
        self.telemetry.resign()

    async def _measure(self, cut: Millis = 0, past_use: Millis = 0) -> Room:
        read: Any = await self.client.hmget(self.keys.notify("places"), STREAMS)
        places = [*(place or b"" for place in read), b""]
        args = [cut, past_use, ANALYZER_GROUP, *places, READ_BY_CONTROLLERS]
        return Room(*await self._trim(keys=self._streams, args=args))

    async def _trimmed(self, room: Room) -> tuple[Room, int]:
        """Cut part after part of the time that the streams reach back to."""
        oldest, removed = room.oldest, 0
        last = room.now - (JUST_TOLD_MS if room.share >= URGENT else RECENT_MS)
        for part in range(1, PARTS + 1):
            cut = min(oldest + (room.now - oldest) * part // PARTS, last)
            if cut < oldest:
                break
            room = await self._measure(cut, room.now - PAST_USE_MS)
            removed += room.removed
            if room.share < TRIM_TO or cut == last:
                break
        return room, removed

    async def _forget_ended(self) -> int:
        """Give up those that ended first of the namespace that has most, with their reports; gives how many."""
        ended: Any = await self.client.zrange(self.keys.ended, 0, LOOKED_THROUGH - 1)
        counts = collections.Counter(member.partition(b"/")[0] for member in ended)
        most = max(counts, key=counts.__getitem__, default=b"")
        members = [member for member in ended if member.partition(b"/")[0] == most][:RUNS_AT_ONCE]
        runs = [run.decode(errors="replace") for member in members if (run := member.partition(b" ")[2])]
        needed = set(await self._plans([run for one in await self._due() if (run := run_of(one))]))
        plans = set(await self._plans(runs)) - needed
        async with self.client.pipeline(transaction=False) as pipe:
            for run in runs:
                for name in (self.keys.run, self.keys.window, self.keys.control, self.keys.evidence, self.keys.story):
                    pipe.expire(name(run), 0)
            for plan in plans:
                pipe.expire(self.keys.plan(plan), 0)
            for member in members:
                pipe.zrem(self.keys.ended, member)
            await pipe.execute()
        return len(members)

    async def _due(self) -> Sequence[bytes]:
        found: Any = await self.client.zrange(self.keys.due, 0, -1)
        return list(found)

    async def _plans(self, runs: Sequence[str]) -> Sequence[str]:
        async with self.client.pipeline(transaction=False) as pipe:
            for run in runs:
                pipe.hget(self.keys.run(run), "plan")
            found: list[Any] = await pipe.execute() if runs else []
        return [plan.decode() for plan in found if plan]

    def _say(self, found: Room, room: Room, removed: int, runs: int) -> None:
        """A word for each change, and for each time that it was enough."""
        level = _level(room)
        given = f"{removed} entries" + (f" and {runs} ended runs with their reports" if runs else "")
        self.trouble = ""
        if level == "full":
            self.trouble = f"Redis is {room}: snapshots wait, acts and commands go on"
        elif room.share >= LAST_RESORT:
            self.trouble = f"Redis is {room}: ended runs are given up with their reports until it has more memory"
        if level == "" and (removed or runs):
            logger.info("Redis was %s: gave up the oldest %s, now it is %s", found, given, room)
        if level == self._level:
            return
        self._level = level
        if level == "full":
            logger.error("%s. What may be given up was, at last %s", self.trouble, given)
        elif level == "high":
            logger.warning("Redis is %s, after %s were given up", room, given)
        elif level:
            logger.warning("Redis cannot be kept from running full: %s", level)
        else:
            logger.info("Redis has room again, it is %s", room)


def _level(room: Room) -> str:
    if room.most < 0:
        return "this user may not ask for its memory, load the present users.acl"
    if room.most == 0:
        return "it has no limit of memory, set maxmemory"
    return "full" if room.share >= FULL else "high" if room.share >= TRIM_FROM else ""
