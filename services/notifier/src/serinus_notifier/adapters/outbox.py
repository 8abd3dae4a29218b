"""What is to be told, and what was, in Redis.

It reads without a group: to be one of a group takes the right to write to the stream, by which one may also take from
another's group, such as verdicts from the controller.
"""

from collections.abc import Sequence
from typing import Any

from serinus_contracts import Keys, RolloutObserved, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.streams import Stream
from serinus_runtime import scripts
from serinus_runtime.complaints import Complaints
from serinus_runtime.redis import BLOCK_MS, KEPT_SECONDS, Client
from serinus_runtime.streams import MAX_DEAD_LETTERS, Entry, letter

from serinus_notifier.domain.notifications import Cause, Due
from serinus_notifier.use_cases.inbox import KINDS, Given, News
from serinus_notifier.use_cases.notify import Leased

READER = "notifier"
BATCH = 100


class RedisOutbox:
    """`lease_ms`: how long one may take to tell; who dies meanwhile is followed by another who tells it again."""

    def __init__(self, client: Client, keys: Keys, *, lease_ms: int, complaints: Complaints | None = None) -> None:
        self._complaints = complaints or Complaints()
        self._client, self._keys, self._lease_ms = client, keys, lease_ms
        self._streams = {keys.stream(name): name for name in KINDS}
        self._places = keys.notify("places")
        self._own = [keys.notify(part) for part in ("due", "causes", "tries")]
        self._put = scripts.load(client, __package__, "put", scripts.JUDGING)
        self._lease = scripts.load(client, __package__, "lease", scripts.JUDGING)
        self._finish = scripts.load(client, __package__, "finish", scripts.JUDGING)

    async def news(self) -> Sequence[News]:
        places = await self.places()
        unread: dict[Any, Any] = {key: places[name] for key, name in self._streams.items()}
        answer: Any = await self._client.xread(unread, count=BATCH, block=BLOCK_MS)
        found = [(self._streams[key.decode()], entries) for key, entries in answer]
        return [News(name, places[name], [Entry(*entry) for entry in entries]) for name, entries in found]

    async def places(self) -> dict[Stream, bytes]:
        """Up to which entry each stream was read.

        The first notifier tells what happens from now on, not what happened last week.
        """
        names = list(self._streams.values())
        known: Any = await self._client.hmget(self._places, names)
        for key, name in self._streams.items():
            if known[names.index(name)] is None:
                last: Any = await self._client.xrevrange(key, count=1)
                await self._client.hsetnx(self._places, name, last[0][0] if last else "0-0")
        if None in known:
            known = await self._client.hmget(self._places, names)
        return dict(zip(names, known, strict=True))

    async def put(self, stream: Stream, place: bytes, entry: Entry, given: Given) -> bool:
        known = [self._keys.notify(f"told:{due.id}") for due in given.dues]
        fields = letter(self._keys.stream(stream), READER, entry, given.fault) if given.fault else {}
        written = [part for pair in fields.items() for part in pair]
        args: list[Any] = [stream, place, entry.id, MAX_DEAD_LETTERS, len(written), *written]
        args += [len(given.ended), *given.ended]
        for due in given.dues:
            args += [due.id, due.at, due.cause.model_dump_json()]
        keys = [*self._own, self._places, self._keys.dead_letters, *known]
        return bool(await self._put(keys=keys, args=args))

    async def lease(self, limit: int) -> tuple[Sequence[Leased], float]:
        now, following, *found = await self._lease(keys=self._own, args=[limit, self._lease_ms])
        leases = []
        for id_, at, cause, tries in zip(*(found[part::4] for part in range(4)), strict=True):
            with self._complaints.about("notification", id_.decode(errors="replace")):
                due = Due(Cause.model_validate_json(cause), id_.decode().rpartition("|")[2], int(float(at)))
                leases.append(Leased(due, int(tries), int(now)))
        return leases, 1.0 if float(following) < 0 else max(0.0, (float(following) - int(now)) / 1000)

    async def standing(self, run: str) -> tuple[RolloutObserved | None, VerdictReached | None]:
        observed: Any = await self._client.hget(self._keys.run(run), "observed")
        verdict: Any = await self._client.hget(self._keys.control(run), "verdict")
        return (
            RolloutObserved.model_validate_json(observed) if observed else None,
            VerdictReached.model_validate_json(verdict) if verdict else None,
        )

    async def told(self, leased: Leased) -> None:
        keys = [*self._own, self._keys.notify(f"told:{leased.due.id}")]
        await self._finish(keys=keys, args=[leased.due.id, KEPT_SECONDS])

    async def drop(self, leased: Leased) -> None:
        await self._finish(keys=self._own, args=[leased.due.id])

    async def postpone(self, leased: Leased, at: Millis) -> None:
        await self._client.zadd(self._keys.notify("due"), {leased.due.id: at}, xx=True)

    async def waiting(self) -> int:
        count: int = await self._client.zcard(self._keys.notify("due"))
        return count
