"""Reading runs: where they stand now, and the events that were published about them."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from serinus_contracts import (
    AnalysisPlan,
    CommandIssued,
    DecisionTaken,
    Event,
    Keys,
    MetricsCollected,
    RolloutObserved,
    UnreadableEntryError,
    VerdictReached,
    from_entry,
)
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.streams import Stream
from serinus_runtime.complaints import Complaints
from serinus_runtime.due import run_of
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client

from serinus_readmodel.run_view import RunView

KINDS: dict[Stream, type[Event]] = {
    kind.STREAM: kind for kind in (RolloutObserved, MetricsCollected, VerdictReached, DecisionTaken, CommandIssued)
}
BATCH = 200


class Standing(NamedTuple):
    """Where a run stands by the registry, its last verdict, and what people asked of it."""

    observed: RolloutObserved
    verdict: VerdictReached | None
    operator: OperatorState


class Entry(NamedTuple):
    """An entry of a stream, by its id."""

    stream: Stream
    id: str
    fields: dict[bytes, bytes]

    @property
    def event(self) -> Event | None:
        """None for what cannot be read: the services report it, and it must not end a person's view."""
        try:
            return from_entry(KINDS[self.stream], self.fields).data
        except UnreadableEntryError:
            return None


class RunReader:
    """Reads runs and their events from Redis. `complaints`: where runs that cannot be read are reported."""

    def __init__(self, client: Client, keys: Keys, complaints: Complaints | None = None) -> None:
        self._client, self._keys, self._complaints = client, keys, complaints or Complaints()
        self._plans = Plans(client, keys)

    async def live(self) -> AsyncIterator[Standing]:
        """The runs that go on. One that cannot be read is a complaint."""
        members: Any = await self._client.zrange(self._keys.due, 0, -1)
        runs = list(filter(None, map(run_of, members)))
        for begin in range(0, len(runs), BATCH):
            async for standing in self._standings(runs[begin : begin + BATCH]):
                yield standing

    async def standing(self, run: str) -> Standing | None:
        """None of a run that the registry does not have, or that cannot be read."""
        return await anext(self._standings([run]), None)

    async def _standings(self, runs: Sequence[str]) -> AsyncIterator[Standing]:
        async with self._client.pipeline(transaction=False) as pipe:
            for run in runs:
                pipe.hget(self._keys.run(run), "observed")
                pipe.hmget(self._keys.control(run), ("verdict", "operator"))
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        for run, observed, control in zip(runs, answers[::2], answers[1::2], strict=True):
            seen = None
            with self._complaints.about("run", run):
                seen = RolloutObserved.model_validate_json(_there(observed)) if observed else None
            if seen is None:
                continue
            verdict, operator = None, OperatorState()
            # A run of which one of these cannot be read is still one that goes on.
            with self._complaints.about("run", run):
                said, decided = _there(control)
                with self._complaints.about("verdict", run):
                    verdict = VerdictReached.model_validate_json(said) if said else None
                operator = OperatorState.read(decided)
            yield Standing(seen, verdict, operator)

    async def operator(self, run: str) -> OperatorState:
        """What people decided about a run, as its controller keeps it."""
        operator: Any = await self._client.hget(self._keys.control(run), "operator")
        return OperatorState.read(operator)

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """None where it is no longer kept."""
        return await self._plans.get(digest)

    async def with_plan(self, view: RunView) -> RunView:
        """The run with the plan that it was observed under."""
        if view.plan is not None and view.plan.digest == view.observed.plan:
            return view
        return replace(view, plan=await self._plans.get(view.observed.plan) or view.plan)

    async def ends(self, streams: Iterable[Stream]) -> dict[Stream, str]:
        """The id of the newest entry of each; 0-0 of an empty one. What comes later is news."""
        return {name: next((entry.id for entry in await self.before(name, "+", 1)), "0-0") for name in streams}

    async def before(self, stream: Stream, top: str, count: int, since: str = "-") -> list[Entry]:
        """The newest entries up to the id `top` (`(` in front leaves it out, + is the end), the newest first."""
        entries: Any = await self._client.xrevrange(self._keys.stream(stream), top, since, count=count)
        return [Entry(stream, entry.decode(), fields) for entry, fields in entries]

    async def after(self, positions: Mapping[Stream, str], *, count: int, block_ms: int) -> list[Entry]:
        """At most `count` entries of each stream behind a position; waits `block_ms` for one where there is none."""
        names = {self._keys.stream(name).encode(): name for name in positions}
        wanted: dict[Any, Any] = {self._keys.stream(name): at for name, at in positions.items()}
        answer: Any = await self._client.xread(wanted, count=count, block=block_ms)
        return [Entry(names[key], entry.decode(), fields) for key, entries in answer for entry, fields in entries]


def _there(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer
