"""From snapshots to committed verdicts.

An entry is acknowledged by the commit that judges it, so a crash at any point loses nothing and doubles nothing. A
snapshot whose predecessor has not been judged is kept, unacknowledged, and tried again: another analyzer may hold the
one before. When nothing older is pending in the group and the chain is still broken, the one before is gone for good
(unreadable, or trimmed): the snapshot is judged with a recorded gap.
"""

import asyncio
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge
from serinus_contracts import AnalysisPlan
from serinus_contracts.written_verdict import WrittenVerdict, written
from serinus_judging.evaluation import Evaluation, evaluate
from serinus_judging.run_record import RunRecord
from serinus_runtime import traces
from serinus_runtime.complaints import Complaints
from serinus_runtime.errors import concerns_all

from serinus_analyzer.use_cases.ports import Commit, EvidenceStore, Stream
from serinus_analyzer.use_cases.snapshot_queue import (
    QueuedSnapshot,
    SnapshotQueue,
    forks,
    in_batches,
    next_in_chain,
    passes,
    repeats,
    stream_order,
    work,
)

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.1
# The controller writes a plan again that is not there, and what is kept of a run may be readable again.
WAIT_SECONDS = 60
MAX_TRIES = round(WAIT_SECONDS / RETRY_SECONDS)
# How often what waits is looked up in the stream: a failover may have lost it.
LOST_CHECK_SECONDS = 5
LOST_CHECK_TRIES = round(LOST_CHECK_SECONDS / RETRY_SECONDS)


class Telemetry:
    """What is measured of processing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.verdicts = Counter("serinus_verdicts", "verdicts published", ["verdict"], registry=registry)
        self.holds = Counter("serinus_holds", "verdicts to hold, by why", ["reason"], registry=registry)
        self.gaps = Counter("serinus_gaps", "snapshots that could never be read", registry=registry)
        self.waiting = Gauge("serinus_snapshots_waiting", "snapshots that wait for the one before", registry=registry)
        self.last = Gauge(
            "serinus_last_verdict_timestamp_seconds", "end of the newest evaluated snapshot", registry=registry
        )


@dataclass
class _Chain:
    """How far a run has come in this pass. `stuck`: its next snapshot became a dead letter."""

    before: RunRecord
    after: RunRecord
    verdicts: list[WrittenVerdict] = field(default_factory=list)
    entries: list[bytes] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    stuck: bool = False

    def extend(self, after: RunRecord, verdict: WrittenVerdict, queued: QueuedSnapshot, began: int) -> None:
        self.after = after
        self.verdicts.append(verdict)
        self.entries.append(queued.id)
        trace = traces.record("judge", queued.traceparent, began, run=verdict.run.id, verdict=verdict.verdict)
        self.traces.append(trace)

    def commit(self, run: str) -> Commit:
        return Commit(run, self.before, self.after, self.verdicts, self.entries, self.traces)


@dataclass
class SnapshotProcessor:
    """Judges what its analyzer reads. Runs of one batch are loaded and committed together."""

    stream: Stream
    store: EvidenceStore
    telemetry: Telemetry
    complaints: Complaints = field(default_factory=Complaints)
    queue: SnapshotQueue = field(default_factory=SnapshotQueue)

    async def process(self, snapshots: Sequence[QueuedSnapshot]) -> None:
        """Take in snapshots, and judge what of their runs is next."""
        for queued in snapshots:
            self.queue.add(queued)
        await self._in_passes({queued.snapshot.run.id for queued in snapshots})

    async def retry(self) -> float:
        """Try what waits once more; gives the seconds until the next try. A step for `forever`."""
        for queued in self.queue:
            queued.tries += 1
        if self.queue:
            await self._drop_lost()
            await self._in_passes(self.queue.runs)
        self.telemetry.waiting.set(len(self.queue))
        return RETRY_SECONDS

    async def _in_passes(self, runs: set[str]) -> None:
        for some in passes({run: max((work(one.snapshot) for one in self.queue.of(run)), default=0) for run in runs}):
            await self._process(some)

    async def _process(self, runs: set[str]) -> None:
        chains = {run: _Chain(state, state) for run, state in (await self._load(runs)).items()}
        for run, chain in chains.items():
            with self.complaints.about("run", run) as outcome:
                await self._settle_repeats(run, chain.before)
            chain.stuck = bool(outcome.problem)
        while steps := await self._next_steps(chains):
            for batch in in_batches(steps.items(), lambda item: item[1][0].size):
                await self._judge(chains, dict(batch))
                await asyncio.sleep(0)
        for run, chain in chains.items():
            if not chain.entries and not chain.stuck:
                with self.complaints.about("run", run):
                    await self._bridge_gap(run, chain)
        commits = [chain.commit(run) for run, chain in chains.items() if chain.entries]
        if commits:
            for commit, done in zip(commits, await self.store.commit(commits), strict=True):
                if done:
                    self._settle(commit)

    async def _load(self, runs: set[str]) -> Mapping[str, RunRecord]:
        """What is kept of each run. Where that of one cannot be read, its snapshots wait a while, then they become dead
        letters: evidence that is lost may have stood against the canary, so nothing is judged without it."""
        try:
            return await self.store.load(sorted(runs))
        except Exception as error:
            if concerns_all(error):
                raise
            states: dict[str, RunRecord] = {}
            for run in sorted(runs):
                with self.complaints.about("run", run) as outcome:
                    states |= await self.store.load([run])
                if outcome.problem:
                    for queued in self.queue.of(run):
                        await self._give_up(queued, f"evidence of {run} cannot be read: {outcome.problem}")
            return states

    async def _give_up(self, queued: QueuedSnapshot, problem: str) -> None:
        if queued.tries >= MAX_TRIES:
            await self._dead_letter(queued, problem)

    async def _dead_letter(self, queued: QueuedSnapshot, problem: str) -> None:
        await self.stream.dead_letter(queued.entry, problem)
        self.queue.drop(queued.snapshot.run.id, [queued.id])

    async def _drop_lost(self) -> None:
        """Forget snapshots whose entries are gone: their collector takes them again, with other ends."""
        runs = {q.id: q.snapshot.run.id for q in self.queue if q.tries % LOST_CHECK_TRIES == 0}
        for id_ in await self.stream.lost(list(runs)) if runs else ():
            logger.warning("snapshot of %s is not in the stream any more", runs[id_])
            self.queue.drop(runs[id_], [id_])

    async def _settle_repeats(self, run: str, state: RunRecord) -> None:
        done = [queued.id for queued in repeats(state.through, self.queue.of(run))]
        await self.stream.ack(*done)
        self.queue.drop(run, done)
        for fork in forks(state.through, self.queue.of(run)):
            follows, through = fork.snapshot.follows, state.through
            await self._dead_letter(fork, f"it follows {follows}, but snapshots to {through} are judged already")

    async def _next_steps(self, chains: Mapping[str, _Chain]) -> dict[str, tuple[QueuedSnapshot, Evaluation]]:
        """For each run the snapshot that continues its chain, where it is here with its plan."""
        steps = {}
        for run, chain in chains.items():
            left = [queued for queued in self.queue.of(run) if queued.id not in chain.entries]
            queued = None if chain.stuck else next_in_chain(chain.after.through, left)
            plan = await self._plan(queued) if queued else None
            if queued and plan:
                steps[run] = (queued, Evaluation(chain.after, plan, queued.snapshot))
        return steps

    async def _judge(
        self, chains: Mapping[str, _Chain], steps: Mapping[str, tuple[QueuedSnapshot, Evaluation]]
    ) -> None:
        """Judge the snapshots together; where one of them is more than its judge can bear, one by one."""
        began = traces.now()
        try:
            found = evaluate([evaluation for _, evaluation in steps.values()])
            judged = [(after, written(verdict)) for after, verdict in found]
        except Exception:
            if len(steps) > 1:
                for run, step in steps.items():
                    await self._judge(chains, {run: step})
                return
            # One snapshot that a judge cannot bear must not stop its run, nor the others.
            ((run, (queued, _)),) = steps.items()
            logger.exception("snapshot %s cannot be judged", queued.snapshot.event_id())
            await self._dead_letter(queued, traceback.format_exc(limit=-3))
            chains[run].stuck = True
            return
        for (run, (queued, _)), (after, verdict) in zip(steps.items(), judged, strict=True):
            chains[run].extend(after, verdict, queued, began)

    async def _bridge_gap(self, run: str, chain: _Chain) -> None:
        """Go on behind a snapshot that is gone for good."""
        first = min(self.queue.of(run), key=lambda queued: queued.snapshot.end, default=None)
        if first is None or first.snapshot.follows <= chain.before.through or first.tries == 0:
            return
        oldest = await self.stream.oldest_pending()
        if oldest is not None and stream_order(oldest) < stream_order(first.id):
            return
        plan = await self._plan(first)
        if plan is None:
            return
        follows = first.snapshot.follows
        logger.warning("snapshots of %s between %d and %d are gone", run, chain.before.through, follows)
        evaluation = Evaluation(chain.before.bridged(first.snapshot), plan, first.snapshot)
        await self._judge({run: chain}, {run: (first, evaluation)})
        self.telemetry.gaps.inc(len(chain.entries))

    async def _plan(self, queued: QueuedSnapshot) -> AnalysisPlan | None:
        digest = queued.snapshot.plan
        try:
            plan = await self.store.plan(digest)
        except Exception as error:
            if concerns_all(error):
                raise
            plan, problem = None, f"plan {digest} cannot be read: {error}"
        else:
            problem = f"plan {digest} is not in Redis"
        if plan is None:
            await self._give_up(queued, problem)
        return plan

    def _settle(self, done: Commit) -> None:
        self.queue.drop(done.run, done.entries)
        for verdict in done.verdicts:
            self.telemetry.verdicts.labels(verdict.verdict).inc()
            if verdict.verdict == "hold":
                self.telemetry.holds.labels(verdict.reason).inc()
            self.telemetry.last.set(verdict.end / 1000)
            if verdict.changed:
                fields = {"run": done.run, "event_id": verdict.event_id}
                logger.info("%s: %s", verdict.run.rollout, verdict.sentence, extra={"fields": fields})
