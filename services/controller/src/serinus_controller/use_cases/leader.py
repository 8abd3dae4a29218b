"""One controller's part in the election, and the order of its work while it leads: a term."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial

from serinus_runtime.errors import RETRYABLE
from serinus_runtime.loops import forever
from serinus_runtime.service import Service
from serinus_runtime.witness import Position, Witness

from serinus_controller.use_cases.policy_store import PolicyStore
from serinus_controller.use_cases.ports import DeposedError, LostError
from serinus_controller.use_cases.recover import Remembered, ask_again
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_controller.use_cases.term import Election, FencedJournal, Housekeeper, Standing, Streams, Term

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 5.0
POLICIES_SECONDS = 5.0
# Why an act that was begun before is not carried on.
LOST = "Redis has lost data, and what became of it is not known"
UNREADABLE = "the plan on which it was decided could not be read back"


class Leader:
    """One controller. `make_term` makes what works for one term; `no_policy` says where a policy may be put."""

    def __init__(
        self,
        service: Service,
        election: Election,
        standing: Standing,
        journal: FencedJournal,
        witness: Witness,
        housekeeper: Housekeeper,
        streams: Streams,
        store: PolicyStore,
        telemetry: Telemetry,
        make_term: Callable[[], Term],
        *,
        no_policy: str,
    ) -> None:
        self._service, self._election, self._standing, self._journal = service, election, standing, journal
        self._witness, self._housekeeper, self._streams, self._store = witness, housekeeper, streams, store
        self._telemetry, self._make_term, self._no_policy = telemetry, make_term, no_policy
        self._work: asyncio.Task[None] | None = None
        self._remembered: Remembered | None = None
        self._planned = False

    @property
    def note(self) -> str:
        """For the lease: what a leader to come finds less than this has been lost; not before all is made of an earlier
        loss."""
        return str(self._journal.position) if self._planned else ""

    async def run(self) -> None:
        """Stand for election, and lead when elected, until the service stops."""
        telling = asyncio.create_task(self._keep("standing", self._tell_standing))
        try:
            await asyncio.gather(self._keep("election", self._stand), self._keep("memory", self._witness.look))
            await self._resign()
            with suppress(*RETRYABLE):
                await self._election.release()
        finally:
            telling.cancel()
            await self._resign()

    def _keep(self, name: str, step: Callable[[], Awaitable[float]]) -> Coroutine[None, None, None]:
        return forever(name, step, health=self._service.health, stopping=self._service.stopping)

    async def _stand(self) -> float:
        """One attempt at the lease, and what follows from it; also when the attempt failed."""
        try:
            await self._election.attempt()
            self._standing.stood = True
        finally:
            if not self._election.leading:
                await self._resign()
        if self._election.leading and (self._work is None or self._work.done()):
            if self._work and not self._work.cancelled() and (error := self._work.exception()):
                logger.error("leading failed, beginning again: %s", error, exc_info=error)
            logger.info("became leader")
            self._telemetry.is_leader.set(1)
            self._work = asyncio.create_task(self._lead())
        return self._election.pause

    async def _tell_standing(self) -> float:
        await self._standing.tell(self._election.leading)
        return self._election.pause

    async def _resign(self) -> None:
        work, self._work = self._work, None
        # Who leads meanwhile may be told what we do not know of.
        self._remembered = None
        if work is None:
            return
        self._telemetry.resign()
        self._housekeeper.resign()
        logger.info("lost leadership")
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    async def _lead(self) -> None:
        """One term: take up what is under way, then keep everything going until cancelled or something fails."""
        term = self._make_term()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                await self._take_over(term, tasks)
                await self._begin_work(term, tasks)
        except* LostError:
            logger.error("Redis has lost data: nothing is advanced until every run is planned again")
            if self._planned:
                self._remembered = Remembered(dict(term.reconciler.tracker.runs), dict(term.reconciler.states.controls))
        finally:
            self._planned = False
            # First what acts: a reader waits for its handler, longer than the lease may last.
            await term.reconciler.executor.stop()
            await self._streams.stop()

    async def _take_over(self, term: Term, tasks: asyncio.TaskGroup) -> None:
        """Take up runs and acts of the term before, and plan again what was lost of them."""
        noted = Position.parse(self._election.noted)
        whole = await self._journal.take_over(noted)
        tasks.create_task(self._keep_memory())
        tasks.create_task(self._keep("memory of the leader", self._journal.look))
        tasks.create_task(self._keep("housekeeping", self._housekeeper.step))
        if not whole:
            self._witness.begins_anew(self._journal.position, noted)
        # Kept until all is planned again: the term before may have ended while it wrote this down.
        remembered = self._remembered
        if not whole:
            await self._standing.found_loss(doubtful=not remembered)
        tracker = term.reconciler.tracker
        if remembered:
            await remembered.write_down(tracker, self._journal)
        await tracker.restore()
        # Before the runs are seen: one may have ended meanwhile, and what was begun must still be told.
        doubtful = not whole and not remembered
        await term.reconciler.resume(LOST if doubtful else "")
        # Policies first: a run keeps the policy under which it began. Then pods, on which rests what is told
        # of a Rollout.
        for watchers in term.watchers:
            for name, watcher in watchers.items():
                tasks.create_task(self._keep(f"watch {name}", watcher.step))
            for watcher in watchers.values():
                await watcher.synced.wait()
        tasks.create_task(self._keep("policies in force", self._watch_policies))
        await term.reconciler.resume(UNREADABLE)
        if doubtful:
            await ask_again(term.reconciler, f"lost-before {self._journal.position.generation}")
        self._planned, self._remembered = True, None

    async def _begin_work(self, term: Term, tasks: asyncio.TaskGroup) -> None:
        """From now on verdicts and commands are followed."""
        self._streams.lead(term)
        for name, reader in self._streams.readers.items():
            await reader.start()
            tasks.create_task(self._keep(f"reclaim {name}", reader.reclaim_stale))
        tasks.create_task(self._keep("silence", partial(self._watch_silence, term)))
        tasks.create_task(self._keep("pace", term.pace.step))

    async def _keep_lease(self) -> None:
        # An attempt to renew it may hang, or be put off by the server, for longer than the lease lasts.
        await self._election.lapse()
        raise DeposedError("the lease ran out")

    async def _keep_memory(self) -> None:
        await self._journal.lost.wait()
        raise LostError("Redis has lost data")

    async def _watch_policies(self) -> float:
        self._store.warn_of_none(self._no_policy)
        return POLICIES_SECONDS

    async def _watch_silence(self, term: Term) -> float:
        await term.silence.step(await term.now())
        term.reconciler.forget_ended()
        return SILENCE_SECONDS
