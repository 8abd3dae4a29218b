"""States of runs and verdicts in Redis."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from redis.exceptions import ResponseError
from serinus_contracts import AnalysisPlan, Keys
from serinus_contracts.streams import ANALYZER_GROUP
from serinus_judging.run_record import RunRecord
from serinus_runtime import scripts
from serinus_runtime.clock import Clock
from serinus_runtime.plans import Plans
from serinus_runtime.redis import KEPT_SECONDS, Client

from serinus_analyzer.use_cases.ports import Commit

SOURCE = "/serinus/analyzer"
VERDICTS_A_CALL = 20
_FIELDS = ("through", "evaluations", "gaps", "verdict", "reason", "since", "plan", "evidence", "guardrails", "served")


class RedisEvidence:
    """As `EvidenceStore`; `max_entries`: of the verdicts' stream, about."""

    def __init__(self, client: Client, keys: Keys, *, clock: Clock, max_entries: int) -> None:
        self._client, self._keys, self._clock, self._max_entries = client, keys, clock, max_entries
        self._plans = Plans(client, keys)
        self._commit = scripts.load(client, __package__, "commit", scripts.JUDGING)

    async def load(self, runs: Sequence[str]) -> Mapping[str, RunRecord]:
        """As `EvidenceStore.load`: one round trip for all."""
        async with self._client.pipeline(transaction=False) as pipe:
            for run in runs:
                pipe.hmget(self._keys.evidence(run), _FIELDS)
            found: list[Any] = await pipe.execute()
        return {run: _state(values) for run, values in zip(runs, found, strict=True)}

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """As `EvidenceStore.plan`, from memory where it was read before."""
        return await self._plans.get(digest)

    async def commit(self, commits: Sequence[Commit]) -> Sequence[bool]:
        """As `EvidenceStore.commit`, by `commit.lua`: one round trip for all, and one call for some.

        Raises ResponseError for what Redis refused of one; the others are done nevertheless.
        """
        answers = await self._commit.run([self._call(some) for some in _together(commits)])
        results = [result for answer in answers for result in answer]
        for result in results:
            if isinstance(result, bytes):
                raise ResponseError(result.decode())
        return [result == 1 for result in results]

    def _call(self, commits: Sequence[Commit]) -> scripts.Call:
        keys = [self._keys.stream("verdicts"), self._keys.stream("snapshots")]
        keys += [self._keys.evidence(commit.run) for commit in commits]
        arguments = [ANALYZER_GROUP, self._max_entries, KEPT_SECONDS]
        return scripts.Call(keys, [*arguments, *(part for commit in commits for part in self._arguments(commit))])

    def _arguments(self, commit: Commit) -> list[Any]:
        # What says nothing, as no gaps do, is not kept: none of it is ever taken back.
        state = [part for name in _FIELDS if (value := getattr(commit.after, name)) for part in (name, value)]
        arguments = [commit.before.through, len(state), *state, len(commit.entries), *commit.entries]
        arguments.append(len(commit.verdicts))
        now = self._clock()
        for verdict, trace in zip(commit.verdicts, commit.traces or [None] * len(commit.verdicts), strict=True):
            entry = verdict.to_entry(source=SOURCE, now=now, traceparent=trace)
            arguments += [2 * len(entry), *(part for pair in entry.items() for part in pair)]
        return arguments


def _together(commits: Sequence[Commit]) -> Iterator[list[Commit]]:
    """As many as one call of the script takes, so that Redis does nothing else for less than a millisecond."""
    some, total = list[Commit](), 0
    for commit in commits:
        if some and total + len(commit.verdicts) > VERDICTS_A_CALL:
            yield some
            some, total = [], 0
        some.append(commit)
        total += len(commit.verdicts)
    if some:
        yield some


def _state(values: Sequence[bytes | None]) -> RunRecord:
    if values[0] is None:
        return RunRecord()
    through, evaluations, gaps, verdict, reason, since, plan, evidence, guardrails, served = (
        value or b"" for value in values
    )
    return RunRecord(
        through=int(through),
        evaluations=int(evaluations or 0),
        gaps=int(gaps or 0),
        verdict=verdict.decode() or None,  # type: ignore[arg-type] # written by us
        reason=reason.decode() or None,  # type: ignore[arg-type]
        since=int(since or 0),
        plan=plan.decode(),
        evidence=evidence,
        guardrails=guardrails,
        served=served,
    )
