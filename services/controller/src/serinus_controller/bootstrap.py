"""Wires the controller: every instance stands for election, the one that leads observes, decides and acts."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from serinus_contracts import VerdictReached
from serinus_contracts.crd import PLURAL
from serinus_contracts.streams import controller_group
from serinus_rollouts.kubernetes.api import PODS, ROLLOUTS, Api, connect
from serinus_rollouts.pods import HASH_LABEL
from serinus_runtime.complaints import Complaints
from serinus_runtime.documents import DocumentError
from serinus_runtime.errors import PermanentError
from serinus_runtime.loops import forever
from serinus_runtime.redis import Client, make_broker, unreachable
from serinus_runtime.redis_clock import RedisClock
from serinus_runtime.service import Service
from serinus_runtime.streams import GroupReader, Handler, consumer_name
from serinus_runtime.streams import Telemetry as StreamTelemetry
from serinus_runtime.witness import Witness

from serinus_controller.adapters.election import Election
from serinus_controller.adapters.events import KubernetesEvents
from serinus_controller.adapters.housekeeping import Housekeeper
from serinus_controller.adapters.housekeeping import Telemetry as HousekeepingTelemetry
from serinus_controller.adapters.journal import RedisJournal
from serinus_controller.adapters.mirror import Mirror, Resource
from serinus_controller.adapters.policy_sources import RESOURCES, PolicyFolder, PolicySink
from serinus_controller.adapters.registry import RedisRegistry
from serinus_controller.adapters.rollouts import KubernetesRollouts
from serinus_controller.adapters.standing import Standing
from serinus_controller.adapters.watching import PodSink, RolloutSink, Sink, Watcher
from serinus_controller.entrypoints.streams import Stream, Streams
from serinus_controller.settings import ControllerSettings
from serinus_controller.use_cases.act import Actor
from serinus_controller.use_cases.announce import Announcements
from serinus_controller.use_cases.command_handler import CommandHandler
from serinus_controller.use_cases.decision_executor import DecisionExecutor
from serinus_controller.use_cases.leader import Leader
from serinus_controller.use_cases.notices import Notices
from serinus_controller.use_cases.pace_watch import PaceWatch
from serinus_controller.use_cases.plan_resolver import PlanResolver
from serinus_controller.use_cases.policy_store import PolicyStore
from serinus_controller.use_cases.policy_store import Telemetry as PolicyTelemetry
from serinus_controller.use_cases.rollout_reconciler import RolloutReconciler
from serinus_controller.use_cases.run_control import RunControls
from serinus_controller.use_cases.run_tracker import RunTracker
from serinus_controller.use_cases.silence import SilenceWatch
from serinus_controller.use_cases.telemetry import Telemetry
from serinus_controller.use_cases.term import Term

# What a leader has read and not handled is taken over by the next one soon, not after the usual wait.
RECLAIM_AFTER_MS = 3_000
# Of objects about which it may complain.
KINDS = ("rollout", "pod", "run", "command", VerdictReached.TYPE)


async def control(service: Service, settings: ControllerSettings) -> None:
    """Stand for election and lead when elected, until the service stops."""
    store = PolicyStore(PolicyTelemetry(service.registry))
    folder = PolicyFolder(settings.policies, store)
    try:
        folder.read()
        connection = await connect(settings.kubeconfig)
    except (DocumentError, ValueError) as error:
        raise PermanentError(str(error)) from error
    broker = make_broker(settings)
    async with connection, asyncio.TaskGroup() as tasks:
        tasks.create_task(forever("policies", folder.step, health=service.health, stopping=service.stopping))
        try:
            client = await broker.connect()
            telemetry, group = StreamTelemetry(service.registry), controller_group(settings.cluster)

            def reader(name: Stream, handler: Handler) -> GroupReader:
                return GroupReader(
                    broker,
                    client,
                    settings.keys,
                    name,
                    group,
                    handler,
                    reclaim_after_ms=RECLAIM_AFTER_MS,
                    telemetry=telemetry,
                )

            await _leader(service, settings, Api(connection, settings.api_timeout), client, store, reader).run()
        finally:
            await broker.stop()


def _leader(
    service: Service,
    settings: ControllerSettings,
    api: Api,
    client: Client,
    store: PolicyStore,
    reader: Callable[[Stream, Handler], GroupReader],
) -> Leader:
    keys, telemetry = settings.keys, Telemetry(service.registry)
    complaints = Complaints(service.registry, *KINDS)
    most, kept = settings.stream_maxlen, settings.history_kept
    announcements = Announcements(KubernetesEvents(api, service.clock))
    registry = RedisRegistry(client, keys, clock=service.clock, max_entries=most, kept=kept, complaints=complaints)
    journal = RedisJournal(
        client,
        keys,
        clock=service.clock,
        max_entries=most,
        cluster=settings.cluster,
        kept=kept,
        on_published=announcements.decision,
    )
    housekeeper = Housekeeper(client, keys, HousekeepingTelemetry(service.registry))
    witness = Witness(client, keys, service.registry)
    election = Election(
        # One answer that does not come is not to cost the lease: there is time left to ask again.
        api=api.within(settings.lease_duration / 3),
        namespace=settings.lease_namespace,
        name=settings.lease_name,
        identity=consumer_name(),
        duration=settings.lease_duration,
        monotonic=time.monotonic,
        clock=service.clock,
        note=lambda: leader.note,
    )
    standing = Standing(
        client,
        keys,
        settings.cluster,
        election.identity,
        valid_ms=round(2000 * settings.lease_duration),
        health=service.health,
        now=RedisClock(client, keys),
        monotonic=time.monotonic,
        redis=lambda: housekeeper.trouble,
    )

    def term() -> Term:
        resolver = PlanResolver(
            store.current,
            Notices(announcements.notice),
            settings.provider_namespaces,
            store.source_of,
            telemetry.plans_refused.inc,
        )
        tracker = RunTracker(registry, settings.cluster, resolver, settings.namespaces, complaints, settings.max_runs)
        actor = Actor(KubernetesRollouts(api), journal, service.clock, time.monotonic, updates=tracker.updates)
        executor = DecisionExecutor(RunControls(journal), journal, actor, telemetry, service.clock)
        reconciler = RolloutReconciler(tracker, executor, complaints)
        pace = PaceWatch(tracker, registry.paced)
        watchers = _watchers(service, settings, api, registry, store, pace, complaints)
        return Term(reconciler, CommandHandler(reconciler), SilenceWatch(reconciler), pace, watchers, registry.now)

    leader = Leader(
        service,
        election,
        standing,
        journal,
        witness,
        housekeeper,
        Streams(reader, registry.now, complaints),
        store,
        telemetry,
        term,
        no_policy=f"put one into {settings.policies.absolute()}, or create a CanaryPolicy",
    )
    service.health.require("redis", lambda: unreachable(client))
    service.health.require("kubernetes", standing.unready)
    service.health.require("what Redis had", witness.why)
    return leader


def _watchers(
    service: Service,
    settings: ControllerSettings,
    api: Api,
    registry: RedisRegistry,
    store: PolicyStore,
    pace: PaceWatch,
    complaints: Complaints,
) -> Sequence[Mapping[str, Watcher]]:
    """Those of policies, of pods and of Rollouts: all of a kind are synced before the next is read."""
    tracker = pace.tracker
    policies, pods, rollouts = dict[str, Watcher](), dict[str, Watcher](), dict[str, Watcher]()
    for namespace in settings.namespaces or ("",):

        def watcher(resource: Resource, sink: Sink, optional: bool = False, namespace: str = namespace) -> Watcher:
            return Watcher(Mirror(api, resource, namespace), sink, registry, settings.poll, optional)

        sink = PolicySink(api, store, namespace, service.clock, settings.provider_namespaces, lambda: pace.policies)
        policies[f"policies {namespace}".strip()] = watcher(Resource(RESOURCES, PLURAL), sink, optional=True)
        pods[f"pods {namespace}".strip()] = watcher(
            Resource(PODS, "pods", HASH_LABEL), PodSink(tracker, namespace, complaints)
        )
        rollouts[f"rollouts {namespace}".strip()] = watcher(
            Resource(ROLLOUTS, "rollouts"), RolloutSink(tracker, namespace, complaints)
        )
    return policies, pods, rollouts
