"""From batches of stream entries to committed verdicts.

An entry is acknowledged by the commit that folds it, so a crash at any point loses nothing and doubles nothing. A
look whose predecessor has not been folded is kept, unacknowledged, and tried again: another analyzer may hold the one
before. When nothing older is pending in the group and the chain is still broken, the one before is gone for good
(unreadable, or trimmed): the look is folded with a recorded gap.
"""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge
from serinus_contracts import AnalysisPlan, MetricsCollected, UnreadableEntryError, VerdictReached, from_entry
from serinus_runtime import logs
from serinus_runtime.streams import Entry

from serinus_analyzer.service_layer.chain import Look, bridged, fold, next_look, repeats
from serinus_analyzer.service_layer.ports import Evidence, Fold, Standing

logger = logging.getLogger(__name__)

# A run whose plan is not there waits this many tries (about 100 ms each) for the controller to write it again.
PATIENCE = 600
MOST_WAITING = 50_000


class Stream(Protocol):
    """The group of the snapshots' stream."""

    async def ack(self, *ids: bytes) -> None: ...

    async def bury(self, entry: Entry, error: str) -> None: ...

    async def oldest_pending(self) -> bytes | None:
        """The oldest entry that no analyzer has finished, None if there is none."""
        ...


class Telemetry:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter("serinus_verdicts", "verdicts published", ["verdict"], registry=registry)
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
class Folder:
    """Folds what its analyzer reads. Runs of one batch are loaded and committed together."""

    stream: Stream
    evidence: Evidence
    telemetry: Telemetry
    _waiting: dict[str, dict[bytes, Waiting]] = field(default_factory=dict)

    async def on_entries(self, entries: Sequence[Entry]) -> None:
        """Entries that were delivered for the first time, or taken over from a dead analyzer."""
        touched = set()
        for entry in entries:
            try:
                snapshot = from_entry(MetricsCollected, entry.fields).data
            except UnreadableEntryError as error:
                await self.stream.bury(entry, str(error))
                continue
            known = self._waiting.setdefault(snapshot.run.id, {})
            known.setdefault(entry.id, Waiting(Look(entry.id, snapshot), entry))
            touched.add(snapshot.run.id)
        await self._fold(touched)

    async def retry(self) -> float:
        """Try what waits once more; gives the seconds until the next try. A step for `forever`."""
        if self._waiting:
            for waiting in self._waiting.values():
                for one in waiting.values():
                    one.tries += 1
            await self._fold(set(self._waiting))
        self.telemetry.waiting.set(sum(map(len, self._waiting.values())))
        return 0.1

    @property
    def full(self) -> bool:
        """Too much waits to take in more."""
        return sum(map(len, self._waiting.values())) > MOST_WAITING

    async def _fold(self, runs: set[str]) -> None:
        standings = await self.evidence.load(sorted(runs))
        folds = []
        for run, standing in standings.items():
            with logs.about(run=run):
                found = await self._fold_run(run, standing)
            if found:
                folds.append(found)
        if not folds:
            return
        for one, done in zip(folds, await self.evidence.commit(folds), strict=True):
            if done:
                self._settle(one)

    async def _fold_run(self, run: str, standing: Standing) -> Fold | None:
        """What can be folded of a run's waiting looks, None for nothing."""
        waiting = self._waiting.get(run, {})
        done = [look.entry for look in repeats(standing, _looks(waiting))]
        await self.stream.ack(*done)
        self._drop(run, done)
        after, verdicts, entries = standing, list[VerdictReached](), list[bytes]()
        while look := next_look(after, [one for one in _looks(waiting) if one.entry not in entries]):
            judged = await self._judge(run, after, waiting[look.entry])
            if judged is None:
                break
            after, verdict = judged
            verdicts.append(verdict)
            entries.append(look.entry)
        if entries:
            return Fold(run, standing, after, verdicts, entries)
        return await self._fold_behind_gap(run, standing, waiting)

    async def _fold_behind_gap(self, run: str, standing: Standing, waiting: Mapping[bytes, Waiting]) -> Fold | None:
        if not waiting:
            return None
        first = min(_looks(waiting), key=lambda look: look.snapshot.end)
        if first.snapshot.follows <= standing.through or waiting[first.entry].tries == 0:
            return None
        oldest = await self.stream.oldest_pending()
        if oldest is not None and _order(oldest) < _order(first.entry):
            return None
        judged = await self._judge(run, bridged(standing, first), waiting[first.entry])
        if judged is None:
            return None
        logger.warning("looks between %d and %d are gone: going on", standing.through, first.snapshot.follows)
        self.telemetry.gaps.inc()
        after, verdict = judged
        return Fold(run, standing, after, [verdict], [first.entry])

    async def _judge(self, run: str, standing: Standing, waiting: Waiting) -> tuple[Standing, VerdictReached] | None:
        """The standing after the look and its verdict, None if it has to wait or was buried."""
        look = waiting.look
        plan = await self._plan(run, waiting)
        if plan is None:
            return None
        try:
            return fold(standing, plan, look.snapshot)
        except Exception:  # one look that a judge cannot bear must not stop the run, nor the others
            logger.exception("look %s cannot be judged", look.snapshot.event_id())
            await self.stream.bury(waiting.entry, traceback.format_exc(limit=-3))
            self._drop(run, [look.entry])
            return None

    async def _plan(self, run: str, waiting: Waiting) -> AnalysisPlan | None:
        digest = waiting.look.snapshot.plan
        try:
            plan = await self.evidence.plan(digest)
        except ValueError as error:
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


def _looks(waiting: Mapping[bytes, Waiting]) -> list[Look]:
    return [one.look for one in waiting.values()]


def _order(entry: bytes) -> tuple[int, int]:
    """Entry ids in the order of the stream."""
    milliseconds, _, sequence = entry.partition(b"-")
    return int(milliseconds), int(sequence or 0)
