"""From batches of stream entries to committed verdicts.

An entry is acknowledged by the commit that folds it, so a crash at any point loses nothing and doubles nothing. A
look whose predecessor has not been folded is kept, unacknowledged, and tried again: another analyzer may hold the one
before. When nothing older is pending in the group and the chain is still broken, the one before is gone for good
(unreadable, or trimmed): the look is folded with a recorded gap.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge
from serinus_contracts import AnalysisPlan, MetricsCollected, UnreadableEntryError, VerdictReached, from_entry
from serinus_runtime import traces
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import concerns_all
from serinus_runtime.streams import Entry

from serinus_analyzer.service_layer.chain import Look, Step, bridged, fold_all, forks, next_look, repeats
from serinus_analyzer.service_layer.ports import Evidence, Fold, Standing

logger = logging.getLogger(__name__)
I = TypeVar("I")  # noqa: E741 - any item

# A run whose plan is not there waits this many tries (about 100 ms each) for the controller to write it again.
PATIENCE = 600
# How often what waits is looked up in the stream, in tries: a failover may have lost it.
LOST_EVERY = 50
MOST_WAITING = 50_000
MAX_WAITING_BYTES = 64 * 1024 * 1024
# Read and judged in one go; a hundred looks of six metrics and some pods come to less.
TOGETHER_BYTES = 1024 * 1024


class Stream(Protocol):
    """The group of the snapshots' stream."""

    async def ack(self, *ids: bytes) -> None: ...

    async def bury(self, entry: Entry, error: str) -> None: ...

    async def oldest_pending(self) -> bytes | None:
        """The oldest entry that no analyzer has finished, None if there is none."""
        ...

    async def lost(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        """Those of the entries that are not in the stream any more."""
        ...


class Telemetry:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter("serinus_verdicts", "verdicts published", ["verdict"], registry=registry)
        self.holds = Counter("serinus_holds", "verdicts to hold, by why", ["reason"], registry=registry)
        self.gaps = Counter("serinus_gaps", "looks that could never be read", registry=registry)
        self.waiting = Gauge("serinus_looks_waiting", "looks that wait for the one before", registry=registry)
        self.last = Gauge("serinus_last_verdict_timestamp_seconds", "end of the newest judged look", registry=registry)


@dataclass
class Waiting:
    """A look that could not be folded yet."""

    look: Look
    entry: Entry
    tries: int = 0


@dataclass
class Progress:
    """How far a run has come in this batch. `stuck`: its next look was buried."""

    before: Standing
    after: Standing
    verdicts: list[VerdictReached] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    stuck: bool = False

    def go_on(self, after: Standing, verdict: VerdictReached, look: Look, began: int) -> None:
        self.after = after
        self.verdicts.append(verdict)
        self.entries.append(look.entry)
        self.traces.append(traces.record("judge", look.traceparent, began, run=verdict.run.id, verdict=verdict.verdict))

    def fold(self, run: str) -> Fold:
        return Fold(run, self.before, self.after, self.verdicts, self.entries, self.traces)


@dataclass
class Folder:
    """Folds what its analyzer reads. Runs of one batch are loaded and committed together."""

    stream: Stream
    evidence: Evidence
    telemetry: Telemetry
    complaints: Complaints = field(default_factory=Complaints)
    _waiting: dict[str, dict[bytes, Waiting]] = field(default_factory=dict)

    async def on_entries(self, entries: Sequence[Entry]) -> None:
        """Entries that were delivered for the first time, or taken over from a dead analyzer."""
        for some in _parts(entries, _size):
            await self._take(some)
            await asyncio.sleep(0)

    async def _take(self, entries: Sequence[Entry]) -> None:
        touched = set()
        for entry in entries:
            try:
                envelope = from_entry(MetricsCollected, entry.fields)
            except UnreadableEntryError as error:
                await self.stream.bury(entry, str(error))
                continue
            run = envelope.data.run.id
            look = Look(entry.id, envelope.data, envelope.traceparent)
            self._waiting.setdefault(run, {}).setdefault(entry.id, Waiting(look, entry))
            touched.add(run)
        await self._fold(touched)

    async def retry(self) -> float:
        """Try what waits once more; gives the seconds until the next try. A step for `forever`."""
        if self._waiting:
            for waiting in self._waiting.values():
                for one in waiting.values():
                    one.tries += 1
            await self._drop_lost()
            await self._fold(set(self._waiting))
        self.telemetry.waiting.set(sum(map(len, self._waiting.values())))
        return 0.1

    @property
    def full(self) -> bool:
        """Too much waits to take in more."""
        waiting = [one.entry for looks in self._waiting.values() for one in looks.values()]
        return len(waiting) > MOST_WAITING or sum(map(_size, waiting)) > MAX_WAITING_BYTES

    async def _fold(self, runs: set[str]) -> None:
        under_way = {run: Progress(standing, standing) for run, standing in (await self._load(runs)).items()}
        for run, progress in under_way.items():
            with self.complaints.about("run", run) as outcome:
                await self._settle_repeats(run, progress.before)
            progress.stuck = bool(outcome.problem)
        while steps := await self._next_steps(under_way):
            for some in _parts(steps.items(), lambda item: _size(item[1][0].entry)):
                await self._judge(under_way, dict(some))
                await asyncio.sleep(0)
        for run, progress in under_way.items():
            if not progress.entries and not progress.stuck:
                with self.complaints.about("run", run):
                    await self._bridge_gap(run, progress)
        folds = [one.fold(run) for run, one in under_way.items() if one.entries]
        if folds:
            for fold, done in zip(folds, await self.evidence.commit(folds), strict=True):
                if done:
                    self._settle(fold)

    async def _load(self, runs: set[str]) -> Mapping[str, Standing]:
        """What is kept of each run. Where that of one cannot be read, its looks wait a while, then they are buried:
        evidence that is lost may have stood against the canary, so nothing is judged without it."""
        try:
            return await self.evidence.load(sorted(runs))
        except Exception as error:
            if concerns_all(error):
                raise
            found: dict[str, Standing] = {}
            for run in sorted(runs):
                with self.complaints.about("run", run) as outcome:
                    found |= await self.evidence.load([run])
                if outcome.problem:
                    await self._give_up(run, f"evidence of {run} cannot be read: {outcome.problem}")
            return found

    async def _give_up(self, run: str, problem: str) -> None:
        for waiting in [one for one in self._waiting.get(run, {}).values() if one.tries >= PATIENCE]:
            await self.stream.bury(waiting.entry, problem)
            self._drop(run, [waiting.entry.id])

    async def _drop_lost(self) -> None:
        """Forget looks whose entries are gone: their collector takes them anew, with other ends."""
        runs = {id_: run for run, waiting in self._waiting.items() for id_, one in waiting.items()
                if one.tries % LOST_EVERY == 0}  # fmt: skip
        for id_ in await self.stream.lost(list(runs)) if runs else ():
            logger.warning("look of %s is not in the stream any more", runs[id_])
            self._drop(runs[id_], [id_])

    async def _settle_repeats(self, run: str, standing: Standing) -> None:
        waiting = self._waiting.get(run, {})
        done = [look.entry for look in repeats(standing, _looks(waiting))]
        await self.stream.ack(*done)
        for fork in forks(standing, _looks(waiting)):
            problem = f"it follows {fork.snapshot.follows}, but looks to {standing.through} are judged already"
            await self.stream.bury(waiting[fork.entry].entry, problem)
            done.append(fork.entry)
        self._drop(run, done)

    async def _next_steps(self, under_way: Mapping[str, Progress]) -> dict[str, tuple[Waiting, Step]]:
        """For each run the look that continues its chain, where it is here with its plan."""
        steps = {}
        for run, progress in under_way.items():
            waiting = self._waiting.get(run, {})
            left = [look for look in _looks(waiting) if look.entry not in progress.entries]
            look = None if progress.stuck else next_look(progress.after, left)
            plan = await self._plan(run, waiting[look.entry]) if look else None
            if look and plan:
                steps[run] = (waiting[look.entry], Step(progress.after, plan, look.snapshot))
        return steps

    async def _judge(self, under_way: Mapping[str, Progress], steps: Mapping[str, tuple[Waiting, Step]]) -> None:
        """Judge the looks together; where one of them is more than its judge can bear, one by one."""
        began = traces.now()
        try:
            judged = fold_all([step for _, step in steps.values()])
        except Exception:
            if len(steps) > 1:
                for run, one in steps.items():
                    await self._judge(under_way, {run: one})
                return
            # One look that a judge cannot bear must not stop its run, nor the others.
            ((run, (waiting, step)),) = steps.items()
            logger.exception("look %s cannot be judged", step.snapshot.event_id())
            await self.stream.bury(waiting.entry, traceback.format_exc(limit=-3))
            self._drop(run, [waiting.entry.id])
            under_way[run].stuck = True
            return
        for (run, (waiting, _)), (after, verdict) in zip(steps.items(), judged, strict=True):
            under_way[run].go_on(after, verdict, waiting.look, began)

    async def _bridge_gap(self, run: str, progress: Progress) -> None:
        """Go on behind a look that is gone for good."""
        waiting = self._waiting.get(run, {})
        if not waiting:
            return
        first = min(_looks(waiting), key=lambda look: look.snapshot.end)
        if first.snapshot.follows <= progress.before.through or waiting[first.entry].tries == 0:
            return
        oldest = await self.stream.oldest_pending()
        if oldest is not None and _order(oldest) < _order(first.entry):
            return
        plan = await self._plan(run, waiting[first.entry])
        if plan is None:
            return
        logger.warning("looks of %s between %d and %d are gone", run, progress.before.through, first.snapshot.follows)
        step = Step(bridged(progress.before, first), plan, first.snapshot)
        await self._judge({run: progress}, {run: (waiting[first.entry], step)})
        self.telemetry.gaps.inc(len(progress.entries))

    async def _plan(self, run: str, waiting: Waiting) -> AnalysisPlan | None:
        digest = waiting.look.snapshot.plan
        try:
            plan = await self.evidence.plan(digest)
        except Exception as error:
            if concerns_all(error):
                raise
            plan, problem = None, f"plan {digest} cannot be read: {error}"
        else:
            problem = f"plan {digest} is not in Redis"
        if plan is None and waiting.tries >= PATIENCE:
            await self.stream.bury(waiting.entry, problem)
            self._drop(run, [waiting.entry.id])
        return plan

    def _settle(self, done: Fold) -> None:
        self._drop(done.run, done.entries)
        for verdict in done.verdicts:
            self.telemetry.verdicts.labels(verdict.verdict).inc()
            if verdict.verdict == "hold":
                self.telemetry.holds.labels(verdict.reason).inc()
            self.telemetry.last.set(verdict.end / 1000)
            if verdict.changed:
                fields = {"run": done.run, "event_id": verdict.event_id()}
                logger.info("%s: %s", verdict.run.rollout, verdict.sentence, extra={"fields": fields})

    def _drop(self, run: str, entries: Sequence[bytes]) -> None:
        waiting = self._waiting.get(run)
        if waiting is None:
            return
        for entry in entries:
            waiting.pop(entry, None)
        if not waiting:
            del self._waiting[run]


def _size(entry: Entry) -> int:
    return sum(map(len, entry.fields.values()))


def _parts(items: Iterable[I], size: Callable[[I], int]) -> Iterator[list[I]]:
    """The items in their order, as many together as come to so many bytes, one at least."""
    part, total = list[I](), 0
    for item in items:
        if part and total + size(item) > TOGETHER_BYTES:
            yield part
            part, total = [], 0
        part.append(item)
        total += size(item)
    if part:
        yield part


def _looks(waiting: Mapping[bytes, Waiting]) -> list[Look]:
    return [one.look for one in waiting.values()]


def _order(entry: bytes) -> tuple[int, int]:
    """Entry ids in the order of the stream."""
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence or 0)
