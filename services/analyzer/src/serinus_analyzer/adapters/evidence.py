"""Standings and verdicts in Redis."""

from collections.abc import Mapping, Sequence
from typing import Any

from serinus_contracts import AnalysisPlan, Keys, seal, to_entry
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_runtime import scripts
from serinus_runtime.clock import Clock
from serinus_runtime.plans import Plans
from serinus_runtime.redis import KEPT_SECONDS, Client

from serinus_analyzer.service_layer.ports import Fold, Standing

SOURCE = "/serinus/analyzer"
_FIELDS = ("through", "looks", "gaps", "verdict", "reason", "since", "plan", "evidence", "beside", "served")


class RedisEvidence:
    def __init__(self, client: Client, keys: Keys, *, clock: Clock, most_entries: int) -> None:
        self._client, self._keys, self._clock, self._most_entries = client, keys, clock, most_entries
        self._plans = Plans(client, keys)
        self._commit = scripts.load(client, __package__, "commit", scripts.JUDGING)

    async def load(self, runs: Sequence[str]) -> Mapping[str, Standing]:
        async with self._client.pipeline(transaction=False) as pipe:
            for run in runs:
                pipe.hmget(self._keys.evidence(run), _FIELDS)
            found: list[Any] = await pipe.execute()
        return {run: _standing(values) for run, values in zip(runs, found, strict=True)}

    async def plan(self, digest: str) -> AnalysisPlan | None:
        return await self._plans.get(digest)

    async def commit(self, folds: Sequence[Fold]) -> Sequence[bool]:
        calls = [scripts.Call(self._touched(fold), self._arguments(fold)) for fold in folds]
        return [result == 1 for result in await self._commit.run(calls)]

    def _touched(self, fold: Fold) -> list[str]:
        return [self._keys.evidence(fold.run), self._keys.stream("verdicts"), self._keys.stream("snapshots")]

    def _arguments(self, fold: Fold) -> list[Any]:
        # What says nothing, as no gaps do, is not kept: none of it is ever taken back.
        state = [part for name in _FIELDS if (value := getattr(fold.after, name)) for part in (name, value)]
        arguments = [fold.before.through, ANALYZER_GROUP, self._most_entries, KEPT_SECONDS, len(state), *state]
        arguments += [len(fold.entries), *fold.entries]
        now = self._clock()
        for verdict, trace in zip(fold.verdicts, fold.traces or [None] * len(fold.verdicts), strict=True):
            entry = to_entry(seal(verdict, source=SOURCE, now=now, traceparent=trace))
            arguments += [2 * len(entry), *(part for pair in entry.items() for part in pair)]
        return arguments


def _standing(values: Sequence[bytes | None]) -> Standing:
    if values[0] is None:
        return Standing()
    through, looks, gaps, verdict, reason, since, plan, evidence, beside, served = (value or b"" for value in values)
    return Standing(
        through=int(through),
        looks=int(looks or 0),
        gaps=int(gaps or 0),
        verdict=verdict.decode() or None,  # type: ignore[arg-type] # written by us
        reason=reason.decode() or None,  # type: ignore[arg-type]
        since=int(since or 0),
        plan=plan.decode(),
        evidence=evidence,
        beside=beside,
        served=served,
    )
