"""Reading the stories of runs: those that go on, and those that have ended and are still kept."""

from collections.abc import Sequence
from typing import Any

from serinus_contracts import Keys, RolloutObserved, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.report import Report, read_chapter
from serinus_runtime.due import run_of
from serinus_runtime.redis import Client

from serinus_readmodel.report import KeptRun, make_report


class Stories:
    """The stories that controllers keep of runs in progress and of finished ones."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client, self._keys = client, keys

    async def ended(self, since: Millis = 0, until: Millis | None = None) -> Sequence[KeptRun]:
        """Runs that ended from `since` to before `until`, the first that ended first."""
        last = "+inf" if until is None else f"({until}"
        members: Any = await self._client.zrangebyscore(self._keys.ended, since, last, withscores=True)
        found = []
        for member, score in members:
            rollout, _, run = member.decode().partition(" ")
            found.append(KeptRun(rollout, run, int(score)))
        return found

    async def live(self) -> Sequence[KeptRun]:
        """Runs that go on."""
        runs: Any = await self._client.zrange(self._keys.due, 0, -1)
        async with self._client.pipeline(transaction=False) as pipe:
            for run in filter(None, map(run_of, runs)):
                pipe.hget(self._keys.run(run), "observed")
            documents: list[Any] = await pipe.execute()
        seen = [RolloutObserved.model_validate_json(document) for document in documents if document]
        return [KeptRun(one.run.rollout, one.run.id) for one in seen]

    async def report(self, run: str) -> Report | None:
        """The report of a run; None if nothing is kept of it. Raises ValueError if what is kept is no story."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.lrange(self._keys.story(run), 0, -1)
            pipe.hget(self._keys.control(run), "verdict")
            chapters, verdict = await pipe.execute()
        if not chapters:
            return None
        last = VerdictReached.model_validate_json(verdict) if verdict else None
        return make_report(map(read_chapter, chapters), last)
