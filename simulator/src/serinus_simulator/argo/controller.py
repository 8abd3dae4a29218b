"""Argo's controller: a queue of Rollouts to look at, and what it believes each of them to be.

What it believes is normally what is stored. v1.9.1 now and then put an older version over what it had just been told
and so lost a promote or an abort: the patch stood, nobody acted, and any later change woke it. That happens here as
often as it was measured of the version, with a set probability, or on command; a pause begun again from such an old
version only in the last two ways.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from serinus_simulator.argo import losses
from serinus_simulator.argo.analysis.arguments import AnalysisError
from serinus_simulator.argo.analysis.templates import refers_to
from serinus_simulator.argo.context import Context, Environment, Writing
from serinus_simulator.argo.events import EventRecorder
from serinus_simulator.argo.reconcile import reconcile
from serinus_simulator.argo.traffic import canary_ingress_name, ingress_names, unmanaged
from serinus_simulator.argo.view import HASH_LABEL, MANAGED_BY, WORKLOAD_GENERATION, RolloutView
from serinus_simulator.clock import Agenda, Entry
from serinus_simulator.faults import Faults
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import (
    ANALYSIS_RUNS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    DEPLOYMENTS,
    INGRESSES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Object,
)
from serinus_simulator.kubernetes.objects import Change, ObjectStore

Key = tuple[str, str]
DEAF_SECONDS = 1.0
"""How long a lost change stays unseen among Argo's own writes; another's change is seen at once."""


@dataclass(frozen=True)
class ArgoSettings:
    """`delay` is the time in seconds that one pass takes: half of it in the queue, half of it at each write.

    The others are probabilities; None is what was measured of the version.
    """

    delay: float = 0.01
    version: str = "master"
    lose_promotes: float | None = None
    lose_aborts: float | None = None
    repauses: float = 0.0


class ArgoController:
    """Reconciles every Rollout of a store."""

    def __init__(
        self,
        store: ObjectStore,
        agenda: Agenda,
        faults: Faults,
        settings: ArgoSettings,
        events: EventRecorder,
        *,
        seed: int = 0,
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._faults = faults
        self._events = events
        self._settings = settings
        self._random = random.Random(seed)
        self._believed: dict[Key, Object] = {}
        self._before_pause: dict[Key, Object] = {}
        self._deaf_until: dict[Key, float] = {}
        self._paused_at: dict[Key, float] = {}
        self._queued: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._later: dict[Key, Entry] = {}
        self._writing = False
        store.subscribe(REPLICA_SETS, self._owned_changed)
        store.subscribe(INGRESSES, self._ingress_changed)
        store.subscribe(SERVICES, self._service_changed)
        store.subscribe(ANALYSIS_RUNS, self._run_changed)
        for kind in (ANALYSIS_TEMPLATES, CLUSTER_ANALYSIS_TEMPLATES):
            store.subscribe(kind, self._template_changed)
        store.subscribe(ROLLOUTS, self._rollout_changed)
        store.subscribe(DEPLOYMENTS, self._workload_changed)

    def enqueue(self, key: Key, seconds: float = 0.0) -> None:
        """Look at a Rollout soon, or after so many seconds."""
        if seconds > 0:
            self._enqueue_later(key, self._agenda.now + seconds)
        elif key in self._running:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._agenda.after(self._settings.delay / 2, partial(self._begin, key))

    def _enqueue_later(self, key: Key, when: float) -> None:
        """Of several wishes to come back only the earliest is kept; who comes back wishes again."""
        waiting = self._later.get(key)
        if waiting is not None and not waiting.cancelled:
            if waiting.when <= when:
                return
            waiting.cancel()
        self._later[key] = self._agenda.at(when, partial(self.enqueue, key))

    def _begin(self, key: Key) -> None:
        self._queued.discard(key)
        obj = self._believed.get(key)
        if obj is None:
            return
        env = Environment(
            self._store,
            lambda: self._agenda.now,
            partial(self.enqueue, key),
            partial(self._before_pause.__setitem__, key),
            self._events.record,
            self._settings.version,
        )
        self._running.add(key)
        self._resume(key, reconcile(Context(env, obj)))

    def _resume(self, key: Key, writing: Writing) -> None:
        self._writing = True
        try:
            next(writing)
        except StopIteration:
            self._end(key)
        except ApiError:
            # somebody else was faster, or the object is gone: read again
            self._end(key)
            self.enqueue(key, max(self._settings.delay, 0.001))
        except AnalysisError:
            # an argument that the Rollout does not have yet
            self._end(key)
            self.enqueue(key, 1.0)
        else:
            self._agenda.after(self._settings.delay / 2, partial(self._resume, key, writing))
        finally:
            self._writing = False

    def _end(self, key: Key) -> None:
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.enqueue(key)

    def _rollout_changed(self, change: Change) -> None:
        key = _key(change.last)
        if change.new is None:
            self._forget(key, change.last)
            return
        if self._writing:
            self._notice_pause(key, change)
            if self._agenda.now < self._deaf_until.get(key, 0.0):
                return
        elif change.old is not None and self._misses(key, change.old, change.new):
            return
        if change.old is None and (change.new.get("spec") or {}).get("workloadRef"):
            # Argo finds the workload while it is at its first pass, whose write then comes too late
            self._agenda.after(self._settings.delay * 0.75, partial(self._note_workload, key))
        if change.old is None:
            message = f"Rollout resource added to informer: {'/'.join(key)}"
            self._events.record(change.new, "Normal", "RolloutAddedToInformer", message)
        self._deaf_until.pop(key, None)
        self._believed[key] = change.new
        self.enqueue(key)

    def _misses(self, key: Key, old: Object, new: Object) -> bool:
        """Whether this change by somebody else goes unseen, or is answered from an older version."""
        before, after = old.get("status") or {}, new.get("status") or {}
        promoted = bool(before.get("pauseConditions")) and not after.get("pauseConditions")
        aborted = bool(after.get("abort")) and not before.get("abort")
        settings = self._settings
        lost = promoted and self._loses("lose_promotes", settings.lose_promotes, losses.PROMOTES, key)
        if lost or (aborted and self._loses("lose_aborts", settings.lose_aborts, losses.ABORTS, key)):
            self._deaf_until[key] = self._agenda.now + DEAF_SECONDS
            return True
        older = self._before_pause.get(key)
        if promoted and older is not None and self._happens("repause", settings.repauses, key):
            self._believed[key] = older
            self.enqueue(key)
            return True
        return False

    def _notice_pause(self, key: Key, change: Change) -> None:
        before, after = ((obj or {}).get("status") or {} for obj in (change.old, change.new))
        if after.get("pauseConditions") and not before.get("pauseConditions"):
            self._paused_at[key] = self._agenda.now

    def _loses(
        self, effect: str, probability: float | None, measured: tuple[tuple[float, float], ...], key: Key
    ) -> bool:
        if probability is None:
            since = self._agenda.now - self._paused_at.get(key, -math.inf)
            probability = losses.chance(measured, since) if self._settings.version == "1.9.1" else 0.0
        return self._happens(effect, probability, key)

    def _happens(self, effect: str, probability: float, key: Key) -> bool:
        return self._faults.argo(effect, *key) or (probability > 0 and self._random.random() < probability)

    def _forget(self, key: Key, last: Object) -> None:
        self._believed.pop(key, None)
        self._before_pause.pop(key, None)
        self._paused_at.pop(key, None)
        self._events.forget(last)
        self._agenda.after(self._settings.delay / 2, partial(self._clean_up, RolloutView(last)))

    def _clean_up(self, rollout: RolloutView) -> None:
        """After a deletion: the hash goes out of the Services, what the Rollout owned goes altogether."""
        namespace = rollout.namespace
        for name in (rollout.stable_service, rollout.canary_service):
            service = self._store.peek(SERVICES, namespace, name) if name else None
            if service is not None and MANAGED_BY in (service["metadata"].get("annotations") or {}):
                self._store.modify(SERVICES, namespace, name, unmanaged)
        name = canary_ingress_name(rollout)
        if rollout.routing is not None and self._store.peek(INGRESSES, namespace, name) is not None:
            self._store.delete(INGRESSES, namespace, name)
        for kind in (REPLICA_SETS, ANALYSIS_RUNS):
            for obj in self._store.owned(kind, rollout.uid):
                self._store.delete(kind, namespace, obj["metadata"]["name"])

    def _owned_changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        owners = [owner["name"] for owner in metadata.get("ownerReferences", []) if owner["kind"] == "Rollout"]
        if managed_by := (metadata.get("annotations") or {}).get(MANAGED_BY):
            owners.append(managed_by)
        for name in owners:
            self.enqueue((metadata["namespace"], name))

    def _service_changed(self, change: Change) -> None:
        """Only a Service that carries a hash wakes anybody: that it is gone, or is back as its owner writes it, is seen
        when Argo next looks by itself."""
        service = change.new
        if service is None or HASH_LABEL not in ((service.get("spec") or {}).get("selector") or {}):
            return
        if MANAGED_BY in (service["metadata"].get("annotations") or {}):
            self._owned_changed(change)
        else:
            self._wake(service, lambda rollout: (rollout.stable_service, rollout.canary_service))

    def _ingress_changed(self, change: Change) -> None:
        """Those that name it, and the one that it was made for, look again, but not when it is gone."""
        if change.new is not None:
            self._wake(change.new, ingress_names)

    def _wake(self, named: Object, names: Callable[[RolloutView], tuple[str, ...]]) -> None:
        metadata = named["metadata"]
        for key, obj in self._believed.items():
            if key[0] == metadata["namespace"] and metadata["name"] in names(RolloutView(obj)):
                self.enqueue(key)

    def _run_changed(self, change: Change) -> None:
        """A measurement alone wakes no Rollout, another phase does."""
        phases = [((obj or {}).get("status") or {}).get("phase") for obj in (change.old, change.new)]
        if None in (change.old, change.new) or phases[0] != phases[1]:
            self._owned_changed(change)

    def _template_changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        for key, obj in self._believed.items():
            canary = RolloutView(obj).canary
            analyses = [canary.get("analysis"), *(step.get("analysis") for step in canary.get("steps") or [])]
            here = metadata.get("namespace", key[0]) == key[0]
            if here and any(refers_to(analysis, metadata["name"]) for analysis in analyses):
                self.enqueue(key)

    def _workload_changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        for key, obj in self._believed.items():
            reference = (obj.get("spec") or {}).get("workloadRef") or {}
            if key[0] == metadata["namespace"] and reference.get("name") == metadata["name"]:
                self._agenda.after(self._settings.delay / 2, partial(self._note_workload, key))

    def _note_workload(self, key: Key) -> None:
        obj = self._store.peek(ROLLOUTS, *key)
        reference = ((obj or {}).get("spec") or {}).get("workloadRef") or {}
        workload = self._store.peek(DEPLOYMENTS, key[0], reference.get("name", ""))
        if obj is None or workload is None:
            return
        generation = str(workload["metadata"]["generation"])

        def change(old: Object) -> Object:
            annotations = (old["metadata"].get("annotations") or {}) | {WORKLOAD_GENERATION: generation}
            return old | {"metadata": old["metadata"] | {"annotations": annotations}}

        self._store.modify(ROLLOUTS, *key, change)


def _key(obj: Object) -> Key:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
