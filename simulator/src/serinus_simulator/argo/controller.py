"""Argo's controller: a queue of Rollouts to look at, and what it believes each of them to be.

What it believes is normally what is stored; `losses.py` says when it is not, `wakers.py` what else wakes it.
"""

from __future__ import annotations

from functools import partial

from serinus_simulator.argo.analysis.arguments import AnalysisError
from serinus_simulator.argo.context import Context, Environment, Writing
from serinus_simulator.argo.events import EventRecorder
from serinus_simulator.argo.losses import Losses
from serinus_simulator.argo.reconcile import reconcile
from serinus_simulator.argo.settings import ArgoSettings
from serinus_simulator.argo.traffic import canary_ingress_name, unmanaged
from serinus_simulator.argo.view import MANAGED_BY, WORKLOAD_GENERATION, Key, RolloutView
from serinus_simulator.argo.wakers import Wakers
from serinus_simulator.clock import Agenda, Entry
from serinus_simulator.faults import Faults
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import (
    ANALYSIS_RUNS,
    DEPLOYMENTS,
    INGRESSES,
    REPLICA_SETS,
    ROLLOUTS,
    SERVICES,
    Object,
)
from serinus_simulator.kubernetes.objects import Change, ObjectStore


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
        self._events = events
        self._settings = settings
        self._losses = Losses(agenda, faults, settings, seed)
        self._believed: dict[Key, Object] = {}
        self._queued: set[Key] = set()
        self._running: set[Key] = set()
        self._again: set[Key] = set()
        self._later: dict[Key, Entry] = {}
        self._writing = False
        Wakers(store, self._believed, self.enqueue)
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
            partial(self._losses.pausing, key),
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
            if not self._losses.wrote(key, change):
                return
        elif change.old is not None:
            seen = self._losses.seen(key, change.old, change.new)
            if seen is not change.new:
                if seen is not None:
                    self._believed[key] = seen
                    self.enqueue(key)
                return
        if change.old is None and (change.new.get("spec") or {}).get("workloadRef"):
            # Argo finds the workload while it is at its first pass, whose write then comes too late
            self._agenda.after(self._settings.delay * 0.75, partial(self._note_workload, key))
        if change.old is None:
            message = f"Rollout resource added to informer: {'/'.join(key)}"
            self._events.record(change.new, "Normal", "RolloutAddedToInformer", message)
        self._losses.hears(key)
        self._believed[key] = change.new
        self.enqueue(key)

    def _forget(self, key: Key, last: Object) -> None:
        self._believed.pop(key, None)
        self._losses.forget(key)
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
