"""Wires the controller: every instance stands for election, the one that leads observes, decides and acts."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial

from serinus_contracts import CommandIssued, UnreadableEntryError, VerdictReached, from_entry
from serinus_contracts.crd import PLURAL
from serinus_contracts.envelope import CloudEvent, E
from serinus_contracts.streams import controller_group
from serinus_rollouts.kubernetes.api import PODS, ROLLOUTS, Api, connect
from serinus_rollouts.pods import HASH_LABEL
from serinus_runtime import traces
from serinus_runtime.complaints import Complaints
from serinus_runtime.documents import DocumentError
from serinus_runtime.errors import RETRYABLE, PermanentError
from serinus_runtime.loops import forever
from serinus_runtime.redis import make_broker, unreachable
from serinus_runtime.redis_clock import RedisClock
from serinus_runtime.service import Service
from serinus_runtime.streams import Entry, GroupReader, consumer_name
from serinus_runtime.streams import Telemetry as StreamTelemetry
from serinus_runtime.witness import Position, Witness

from serinus_controller.adapters.election import Election
from serinus_controller.adapters.events import KubernetesEvents
from serinus_controller.adapters.housekeeping import Housekeeper
from serinus_controller.adapters.housekeeping import Telemetry as HousekeepingTelemetry
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.mirror import Mirror, Resource
from serinus_controller.adapters.policy_sources import EVERY, RESOURCES, PolicyFolder, PolicySink
from serinus_controller.adapters.registry import RedisRegistry
from serinus_controller.adapters.rollouts import KubernetesRollouts
from serinus_controller.adapters.standing import Standing
from serinus_controller.adapters.watching import PodSink, RolloutSink, Sink, Watcher
from serinus_controller.settings import ControllerSettings
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.announce import AnnouncedJournal
from serinus_controller.use_cases.batches import each, foremost
from serinus_controller.use_cases.command_handler import CommandHandler
from serinus_controller.use_cases.policy_store import PolicyStore
from serinus_controller.use_cases.policy_store import Telemetry as PolicyTelemetry
from serinus_controller.use_cases.ports import DeposedError, LostError
from serinus_controller.use_cases.recover import Remembered, ask_again
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler, Telemetry
from serinus_controller.use_cases.run_tracker import RunTracker

logger = logging.getLogger(__name__)

# What a leader has read and not handled is taken over by the next one soon, not after the usual wait.
RECLAIM_AFTER_MS = 3_000
SILENCE_EVERY = 5.0
# Why an act that was begun before is not carried on.
LOST = "Redis has lost data, and what became of it is not known"
UNREADABLE = "the plan on which it was decided could not be read back"
# Of objects about which it may complain.
KINDS = ("rollout", "pod", "run", "command", VerdictReached.TYPE)


async def control(service: Service, settings: ControllerSettings) -> None:
    """Stand for election and lead when elected, until the service stops."""
    store = PolicyStore(PolicyTelemetry(service.registry))
    folder = PolicyFolder(settings.policies, store)
    try:
        folder.read()
    except DocumentError as error:
        raise PermanentError(str(error)) from error
    try:
        client = await connect(settings.kubeconfig, settings.context)
    except ValueError as error:
        raise PermanentError(str(error)) from error
    async with client, asyncio.TaskGroup() as tasks:
        tasks.create_task(forever("policies", folder.step, health=service.health, stopping=service.stopping))
        tasks.create_task(Leader(service, settings, Api(client, settings.api_timeout), store).run())


class Leader:
    """One controller: its part in the election, and its work while it leads."""

    def __init__(self, service: Service, settings: ControllerSettings, api: Api, store: PolicyStore) -> None:
        self._service, self._settings, self._api, self._store = service, settings, api, store
        self._broker = make_broker(settings)
        self._telemetry = Telemetry(service.registry)
        self._complaints = Complaints(service.registry, *KINDS)
        self._term: asyncio.Task[None] | None = None
        self._remembered: Remembered | None = None
        self._planned = False
        self._election = Election(
            # One answer that does not come is not to cost the lease: there is time left to ask again.
            api=api.within(settings.lease_duration / 3),
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=consumer_name(),
            duration=settings.lease_duration,
            monotonic=time.monotonic,
            clock=service.clock,
            # What a leader to come finds less than this has been lost; not before all is made of an earlier loss.
            note=lambda: str(self._journal.position) if self._planned else "",
        )

    async def run(self) -> None:
        settings, service = self._settings, self._service
        client = await self._broker.connect()
        service.health.require("redis", lambda: unreachable(client))
        self._housekeeper = Housekeeper(client, settings.keys, HousekeepingTelemetry(service.registry))
        self._standing = Standing(
            client,
            settings.keys,
            settings.cluster,
            self._election.identity,
            lasts_ms=round(2000 * settings.lease_duration),
            health=service.health,
            now=RedisClock(client, settings.keys),
            monotonic=time.monotonic,
            redis=lambda: self._housekeeper.trouble,
        )
        service.health.require("kubernetes", self._standing.unready)
        most = settings.stream_maxlen
        kept = settings.history_kept
        self._registry = RedisRegistry(
            client, settings.keys, clock=service.clock, most_entries=most, kept=kept, complaints=self._complaints
        )
        self._journal = RedisJournal(
            client, settings.keys, clock=service.clock, most_entries=most, cluster=settings.cluster, kept=kept
        )
        self._witness = Witness(client, settings.keys, service.registry)
        service.health.require("what Redis had", self._witness.why)
        reader = partial(
            GroupReader,
            self._broker,
            client,
            group=controller_group(settings.cluster),
            dead_letters=settings.keys.dead_letters,
            reclaim_after_ms=RECLAIM_AFTER_MS,
            telemetry=StreamTelemetry(service.registry),
        )
        self._verdicts = reader(stream=settings.keys.stream("verdicts"), handler=self._on_verdicts)
        self._commands = reader(stream=settings.keys.stream("commands"), handler=self._on_commands)
        telling = asyncio.create_task(
            forever("standing", self._tell_standing, health=service.health, stopping=service.stopping)
        )
        try:
            keep = partial(forever, health=service.health, stopping=service.stopping)
            await asyncio.gather(keep("election", self._stand), keep("memory", self._witness.look))
            await self._resign()
            with suppress(*RETRYABLE):
                await self._election.release()
        finally:
            telling.cancel()
            await self._resign()
            await self._broker.stop()

    async def _stand(self) -> float:
        """One attempt at the lease, and what follows from it; also when the attempt failed."""
        try:
            await self._election.attempt()
            self._standing.stood = True
        finally:
            if not self._election.leading:
                await self._resign()
        if self._election.leading and (self._term is None or self._term.done()):
            if self._term and not self._term.cancelled() and (error := self._term.exception()):
                logger.error("leading failed, beginning anew: %s", error, exc_info=error)
            logger.info("became leader")
            self._telemetry.is_leader.set(1)
            self._term = asyncio.create_task(self._lead())
        return self._election.pause

    async def _tell_standing(self) -> float:
        await self._standing.tell(self._election.leading)
        return self._election.pause

    async def _resign(self) -> None:
        term, self._term = self._term, None
        # Who leads meanwhile may be told what we do not know of.
        self._remembered = None
        if term is None:
            return
        self._telemetry.resign()
        self._housekeeper.resign()
        logger.info("lost leadership")
        term.cancel()
        await asyncio.gather(term, return_exceptions=True)

    async def _lead(self) -> None:
        """One term: take up what is under way, then keep everything going until cancelled or something fails."""
        settings, service = self._settings, self._service
        journal = AnnouncedJournal(self._journal, KubernetesEvents(self._api, service.clock))
        tracker = RunTracker(
            self._registry,
            settings.cluster,
            self._store.current,
            settings.namespaces,
            self._complaints,
            journal.notify,
            settings.provider_namespaces,
            settings.max_runs,
            self._store.source_of,
            self._telemetry.plans_refused.inc,
        )
        actor = Actor(KubernetesRollouts(self._api), journal, service.clock, time.monotonic, updates=tracker.updates)
        self._reconciler = RolloutReconciler(tracker, journal, actor, self._telemetry, service.clock, self._complaints)

        def keep(name: str, step: Callable[[], Awaitable[float]]) -> Coroutine[None, None, None]:
            return forever(name, step, health=service.health, stopping=service.stopping)

        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_lease())
                noted = Position.parse(self._election.noted)
                whole = await self._journal.take_over(noted)
                tasks.create_task(self._keep_memory())
                tasks.create_task(keep("memory of the leader", self._journal.look))
                tasks.create_task(keep("housekeeping", self._housekeeper.step))
                if not whole:
                    self._witness.begins_anew(self._journal.position, noted)
                # Kept until all is planned anew: the term before may have ended while it wrote this down.
                remembered = self._remembered
                if not whole:
                    await self._standing.found_loss(doubtful=not remembered)
                if remembered:
                    await remembered.write_down(tracker, journal)
                await tracker.restore()
                # Before the runs are seen: one may have ended meanwhile, and what was begun must still be told.
                doubtful = not whole and not remembered
                await self._reconciler.resume(LOST if doubtful else "")
                # Policies first: a run keeps the policy under which it began. Then pods, on which rests what is told
                # of a Rollout.
                for watchers in self._watchers(tracker):
                    for name, watcher in watchers.items():
                        tasks.create_task(keep(f"watch {name}", watcher.step))
                    for watcher in watchers.values():
                        await watcher.synced.wait()
                tasks.create_task(keep("policies in force", self._watch_policies))
                await self._reconciler.resume(UNREADABLE)
                if doubtful:
                    await ask_again(self._reconciler, f"lost-before {self._journal.position.generation}")
                self._planned, self._remembered = True, None
                for name, reader in (("verdicts", self._verdicts), ("commands", self._commands)):
                    await reader.start()
                    tasks.create_task(keep(f"tend {name}", reader.tend))
                tasks.create_task(keep("silence", self._watch_silence))
        except* LostError:
            logger.error("Redis has lost data: nothing is advanced until every run is planned again")
            if self._planned:
                self._remembered = Remembered(dict(tracker.runs), dict(self._reconciler.controls))
        finally:
            self._planned = False
            # First what acts: a reader waits for its handler, longer than the lease may last.
            await self._reconciler.stop()
            await self._verdicts.stop()
            await self._commands.stop()

    async def _keep_lease(self) -> None:
        # An attempt to renew it may hang, or be put off by the server, for longer than the lease lasts.
        await self._election.lapse()
        raise DeposedError("the lease ran out")

    async def _keep_memory(self) -> None:
        await self._journal.lost.wait()
        raise LostError("Redis has lost data")

    def _watchers(self, tracker: RunTracker) -> tuple[dict[str, Watcher], ...]:
        """Those of policies, of pods and of Rollouts: all of a kind are synced before the next is read."""
        policies, pods, rollouts = dict[str, Watcher](), dict[str, Watcher](), dict[str, Watcher]()
        access = self._settings.provider_namespaces
        for namespace in self._settings.namespaces or ("",):

            def watcher(resource: Resource, sink: Sink, optional: bool = False, namespace: str = namespace) -> Watcher:
                mirror = Mirror(self._api, resource, namespace)
                return Watcher(mirror, sink, self._registry, self._settings.poll, optional)

            sink = PolicySink(self._api, self._store, namespace, self._service.clock, access)
            policies[f"policies {namespace}".strip()] = watcher(Resource(RESOURCES, PLURAL), sink, optional=True)
            pods[f"pods {namespace}".strip()] = watcher(
                Resource(PODS, "pods", HASH_LABEL), PodSink(tracker, namespace, self._complaints)
            )
            rollouts[f"rollouts {namespace}".strip()] = watcher(
                Resource(ROLLOUTS, "rollouts"), RolloutSink(tracker, namespace, self._complaints)
            )
        return policies, pods, rollouts

    async def _watch_policies(self) -> float:
        self._store.warn_of_none(f"put one into {self._settings.policies.absolute()}, or create a CanaryPolicy")
        return EVERY

    async def _watch_silence(self) -> float:
        await self._reconciler.watch_silence(await self._registry.now())
        self._reconciler.forget_ended()
        return SILENCE_EVERY

    async def _on_verdicts(self, entries: Sequence[Entry]) -> None:
        now = await self._registry.now()

        async def react(verdict: CloudEvent[VerdictReached]) -> None:
            with traces.span("decide", verdict.traceparent, run=verdict.data.run.id):
                await self._reconciler.on_verdict(verdict.data, now)

        found = await _readable(self._verdicts, VerdictReached, entries)
        failed = await each(foremost(found.values()), react, self._complaints)
        await self._verdicts.ack(*(id_ for id_, verdict in found.items() if verdict.data.run.id not in failed))

    async def _on_commands(self, entries: Sequence[Entry]) -> None:
        now = await self._registry.now()

        handler = CommandHandler(self._reconciler)
        for entry in entries:
            found = await _readable(self._commands, CommandIssued, [entry])
            for command in found.values():
                run = command.data.run.id
                with (
                    self._complaints.about("command", f"{command.data.id} of {run}") as outcome,
                    traces.span("command", command.traceparent, run=run),
                ):
                    await handler.on_command(command.data, now)
                if outcome.problem:
                    # Who gave it waits for an answer; what it has begun already, another try could do twice.
                    with self._complaints.about("command", f"{command.data.id} of {run}, its answer"):
                        await handler.failed(command.data, outcome.problem)
                    await self._commands.bury(entry, outcome.problem)
            await self._commands.ack(*found)


async def _readable(reader: GroupReader, kind: type[E], entries: Sequence[Entry]) -> dict[bytes, CloudEvent[E]]:
    """The events by their entries' ids; what cannot be read goes to the dead letters, which acknowledges it."""
    found = {}
    for entry in entries:
        try:
            found[entry.id] = from_entry(kind, entry.fields)
        except UnreadableEntryError as error:
            await reader.bury(entry, str(error))
    return found
