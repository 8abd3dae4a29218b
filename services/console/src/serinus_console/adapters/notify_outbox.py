"""What is to be told, and what was, in Redis."""

from collections.abc import Sequence
from typing import Any

from serinus_contracts import Keys, RolloutObserved, VerdictReached
from serinus_contracts.base import Millis
from serinus_runtime import scripts
from serinus_runtime.complaints import Complaints
from serinus_runtime.redis import KEPT_SECONDS, Client

from serinus_console.domain.notify import Cause, Due
from serinus_console.service_layer.notify import Leased


class RedisOutbox:
    """`lease_ms`: how long one may take to tell; who dies meanwhile is followed by another who tells it again."""

    def __init__(
        self, client: Client, keys: Keys, *, group: str, lease_ms: int, complaints: Complaints | None = None
    ) -> None:
        self._complaints = complaints or Complaints()
        self._client, self._keys, self._group, self._lease_ms = client, keys, group, lease_ms
        self._own = [keys.notify(part) for part in ("due", "causes", "tries")]
        self._put = scripts.load(client, __package__, "notify_put")
        self._lease = scripts.load(client, __package__, "notify_lease")
        self._finish = scripts.load(client, __package__, "notify_finish")

    async def put(self, stream: str, entry: bytes, dues: Sequence[Due], ended: Sequence[str]) -> None:
        """Write down what an entry gives to tell, forget what it ends, and acknowledge it: all or nothing."""
        known = [self._keys.notify(f"told:{due.id}") for due in dues]
        args: list[Any] = [self._group, entry, len(ended), *ended]
        for due in dues:
            args += [due.id, due.at, due.cause.model_dump_json()]
        await self._put(keys=[*self._own, stream, *known], args=args)

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
