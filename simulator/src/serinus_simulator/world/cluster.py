"""The rest of the cluster: the controller that makes pods of ReplicaSets, and a kubelet that runs them.

An image tag that ends in `never-ready` or `crash-loop` does as it says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from serinus_simulator.argo.view import HASH_LABEL, owner_reference
from serinus_simulator.clock import Agenda, timestamp
from serinus_simulator.kubernetes.kinds import PODS, REPLICA_SETS, Object
from serinus_simulator.kubernetes.objects import Change, ObjectStore

CRASH_LOOP_RESTARTS = 5
CRASHED: Object = {"waiting": {"reason": "CrashLoopBackOff"}}
_STARTING = 0.04
"""Seconds from a pod's creation to its first sign of life."""


@dataclass(frozen=True)
class ClusterSettings:
    """Times in seconds: `delay` of the ReplicaSet controller, and what a pod needs to get ready, to go, to restart.

    Each pod takes up to `ready_spread` longer to get ready than `ready_after`.
    """

    delay: float = 0.01
    ready_after: float = 0.2
    ready_spread: float = 0.0
    terminate_after: float = 0.03
    restart_takes: float = 1.0


class Cluster:
    """Runs the pods of every ReplicaSet of a store."""

    def __init__(self, store: ObjectStore, agenda: Agenda, settings: ClusterSettings, *, seed: int = 0) -> None:
        self.keeps_unready: Callable[[Object], bool] = lambda _: False
        """Asked of a pod that is about to get ready."""
        self._store = store
        self._agenda = agenda
        self._settings = settings
        self._random = random.Random(seed)
        self._queued: set[tuple[str, str]] = set()
        self._addresses = 0
        store.subscribe(REPLICA_SETS, self._replica_set_changed)
        store.subscribe(PODS, self._pod_changed)

    def terminate(self, namespace: str, name: str) -> Object:
        """Stop a pod, as a deletion does. Raises ApiError 404."""
        going = self._store.begin_deletion(PODS, namespace, name, 30)
        self._agenda.after(self._settings.terminate_after, partial(self._delete, namespace, name))
        return going

    def restart(self, namespace: str, name: str) -> Object:
        """Restart a pod's container: its counters begin at zero. Raises ApiError 404."""
        pod = self._store.get(PODS, namespace, name)
        restarts = restart_count(pod) + 1
        self._agenda.after(self._settings.restart_takes, partial(self._set_state, namespace, name, True, restarts))
        return self._set_state(namespace, name, False, restarts)

    def crash(self, namespace: str, name: str, back_off: float) -> None:
        """End a pod's container; it comes back, counted as a restart, after so many seconds, if the pod still is."""
        pod = self._store.peek(PODS, namespace, name)
        if pod is None or terminating(pod):
            return
        restarts = restart_count(pod)
        ended = {"exitCode": 1, "reason": "Error", "finishedAt": timestamp(self._agenda.now)}
        self._set_state(namespace, name, False, restarts, CRASHED, {"terminated": ended})

        def come_back() -> None:
            self._set_state(namespace, name, False, restarts + 1)
            self._agenda.after(self._settings.restart_takes, partial(self.set_ready, namespace, name, True))

        self._agenda.after(back_off, come_back)

    def set_ready(self, namespace: str, name: str, ready: bool) -> None:
        """What a pod's readiness probe says from now on; nothing of a pod that is gone or whose container is down."""
        pod = self._store.peek(PODS, namespace, name)
        if pod is None or terminating(pod) or not is_running(pod) or is_ready(pod) is ready:
            return
        if not (ready and self.keeps_unready(pod)):
            self._set_state(namespace, name, ready, restart_count(pod))

    def _replica_set_changed(self, change: Change) -> None:
        if change.new is None:
            for pod in self._store.owned(PODS, change.last["metadata"]["uid"]):
                self._agenda.after(
                    self._settings.delay, partial(self._terminate_if_there, pod["metadata"]["name"], pod)
                )
        elif change.old is None or change.old["spec"]["replicas"] != change.new["spec"]["replicas"]:
            self._enqueue(change.last["metadata"]["namespace"], change.last["metadata"]["name"])

    def _terminate_if_there(self, name: str, pod: Object) -> None:
        present = self._store.peek(PODS, pod["metadata"]["namespace"], name)
        if present is not None and not terminating(present):
            self.terminate(pod["metadata"]["namespace"], name)

    def _pod_changed(self, change: Change) -> None:
        for owner in change.last["metadata"].get("ownerReferences", []):
            self._enqueue(change.last["metadata"]["namespace"], owner["name"])

    def _enqueue(self, namespace: str, name: str) -> None:
        if (namespace, name) not in self._queued:
            self._queued.add((namespace, name))
            self._agenda.after(self._settings.delay, partial(self._sync, namespace, name))

    def _sync(self, namespace: str, name: str) -> None:
        self._queued.discard((namespace, name))
        replica_set = self._store.peek(REPLICA_SETS, namespace, name)
        if replica_set is None:
            return
        uid = replica_set["metadata"]["uid"]
        pods = [pod for pod in self._store.owned(PODS, uid) if not terminating(pod)]
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            self._create(replica_set)
        youngest_first = list(reversed(pods))
        for pod in sorted(youngest_first, key=is_ready)[: max(0, len(pods) - wanted)]:
            self.terminate(namespace, pod["metadata"]["name"])
        running = [pod for pod in self._store.owned(PODS, uid) if not terminating(pod)]
        ready = sum(map(is_ready, running))
        status = {
            "replicas": len(running),
            "observedGeneration": replica_set["metadata"]["generation"],
        }
        if ready:
            status |= {"readyReplicas": ready, "availableReplicas": ready}
        self._store.modify(REPLICA_SETS, namespace, name, lambda old: old | {"status": status}, "status")

    def _create(self, replica_set: Object) -> None:
        template = replica_set["spec"]["template"]
        namespace, owner = replica_set["metadata"]["namespace"], replica_set["metadata"]["name"]
        self._addresses += 1
        pod: Object = {
            "metadata": {
                "name": f"{owner}-{self._store.short_name()}",
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(replica_set)],
            },
            "spec": template.get("spec") or {},
            "status": {
                "phase": "Pending",
                "podIP": f"10.{self._addresses >> 16 & 255}.{self._addresses >> 8 & 255}.{self._addresses & 255}",
                "conditions": [_ready_condition(False, self._agenda.now)],
            },
        }
        made = self._store.create(PODS, namespace, pod, keep_status=True)
        name, fate = made["metadata"]["name"], _fate(made)
        ready_after = self._settings.ready_after + self._random.random() * self._settings.ready_spread
        if fate == "ready":
            self._agenda.after(ready_after, partial(self._get_ready, namespace, name))
        else:
            restarts = CRASH_LOOP_RESTARTS if fate == "crash-loop" else 0
            starting = min(_STARTING, ready_after)
            self._agenda.after(starting, partial(self._set_state, namespace, name, False, restarts))

    def _get_ready(self, namespace: str, name: str) -> None:
        pod = self._store.peek(PODS, namespace, name)
        ready = pod is not None and not self.keeps_unready(pod)
        self._set_state(namespace, name, ready, 0)

    def _set_state(
        self,
        namespace: str,
        name: str,
        ready: bool,
        restarts: int,
        state: Object | None = None,
        last_state: Object | None = None,
    ) -> Object:
        pod = self._store.peek(PODS, namespace, name)
        if pod is None or terminating(pod):
            return pod or {}
        now = self._agenda.now
        if state is None:
            state = CRASHED if _fate(pod) == "crash-loop" else {"running": {"startedAt": timestamp(now)}}
        past = {"lastState": last_state} if last_state else {}
        containers = [
            {
                "name": container.get("name", "app"),
                "image": container.get("image", ""),
                "imageID": container.get("image", ""),
                "ready": ready,
                "restartCount": restarts,
                "started": ready,
                "state": state,
                **past,
            }
            for container in pod["spec"].get("containers", [])
        ]
        status = pod["status"] | {
            "phase": "Running",
            "startTime": pod["status"].get("startTime", timestamp(now)),
            "conditions": [_ready_condition(ready, now)],
            "containerStatuses": containers,
        }
        return self._store.modify(PODS, namespace, name, lambda old: old | {"status": status}, "status")

    def _delete(self, namespace: str, name: str) -> None:
        if self._store.peek(PODS, namespace, name) is not None:
            self._store.delete(PODS, namespace, name)


def terminating(pod: Object) -> bool:
    """Whether the pod is being deleted."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Object) -> bool:
    """By its condition Ready."""
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in pod["status"].get("conditions", [])
    )


def is_running(pod: Object) -> bool:
    """Whether the first container runs, be it ready or not."""
    containers = pod["status"].get("containerStatuses") or [{}]
    return "running" in containers[0].get("state", {})


def restart_count(pod: Object) -> int:
    """Of all its containers."""
    return sum(container["restartCount"] for container in pod["status"].get("containerStatuses", []))


def pod_template_hash(pod: Object) -> str:
    """Of its Rollout's revision; empty for another's pod."""
    return str((pod["metadata"].get("labels") or {}).get(HASH_LABEL, ""))


def image(pod: Object) -> str:
    """Of the first container; empty without."""
    containers = pod["spec"].get("containers") or [{}]
    return str(containers[0].get("image", ""))


def _fate(pod: Object) -> str:
    for fate in ("never-ready", "crash-loop"):
        if image(pod).endswith(fate):
            return fate
    return "ready"


def _ready_condition(ready: bool, now: float) -> Object:
    return {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": timestamp(now)}
