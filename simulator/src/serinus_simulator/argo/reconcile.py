"""One reconciliation of one Rollout: what Argo does between reading an object and being done with it.

It is a generator that stops before each write. What others write while it waits is there when the write arrives,
as on a real API server: that is where most of Argo's surprises come from. `status.py` says what is written to
`/status`, `traffic.py` what to Services and Ingress, `replicasets.py` what to ReplicaSets, `analysis/runs.py` what
is done about AnalysisRuns and `experiments.py` about Experiments.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from serinus_simulator.argo import conditions, experiments, replicasets, status, traffic
from serinus_simulator.argo.analysis import runs
from serinus_simulator.argo.validation import complaint
from serinus_simulator.argo.view import (
    DESIRED_REPLICAS,
    HASH_LABEL,
    REVISION,
    REVISION_HISTORY,
    WORKLOAD_GENERATION,
    ReplicaSetView,
    RolloutView,
    owner_reference,
    pause_end,
)
from serinus_simulator.clock import moment
from serinus_simulator.failures import conflict
from serinus_simulator.kinds import DEPLOYMENTS, REPLICA_SETS, ROLLOUTS, Object
from serinus_simulator.objects import ObjectStore

Writing = Generator[None, None, None]
Asking = Generator[None, None, bool]
_NOT_COPIED = (REVISION, REVISION_HISTORY, DESIRED_REPLICAS, "kubectl.kubernetes.io/last-applied-configuration")


@dataclass
class Surroundings:
    """What a reconciliation may touch beside the object it was given."""

    store: ObjectStore
    now: Callable[[], float]
    requeue: Callable[[float], None]
    """Look again after so many seconds."""
    pausing: Callable[[Object], None] = lambda _: None
    """Told the object as it was read when a pause is being added."""
    record: Callable[[Object, str, str, str], None] = lambda *_: None
    """Writes an Event: what it is about, its type, reason and message."""
    version: str = "master"


@dataclass
class Intent:
    """What a reconciliation has decided about pauses and abort, to be written with the status."""

    add_pauses: list[str] = field(default_factory=list)
    remove_pauses: list[str] = field(default_factory=list)
    clear_pauses: bool = False
    add_abort: bool = False
    remove_abort: bool = False
    abort_message: str = ""


class Reconciliation:
    """The state of one pass over one Rollout."""

    def __init__(self, around: Surroundings, obj: Object) -> None:
        self.around = around
        self.store = around.store
        self.invalid = ""
        self.intent = Intent()
        self.modified = False
        self.analysis: Object = {}
        """What the status of the canary says of its AnalysisRuns."""
        self.step_run: Object | None = None
        self.experiment: Object | None = None
        """The AnalysisRun and the Experiment of the step at the index."""
        self.version = around.version
        self.rollout = self._resolve(obj)
        self.weights = self.rollout.weights
        self._read_replica_sets()

    def run(self) -> Writing:
        """Raises ApiError where somebody else wrote first; the caller tries again later."""
        rollout = self.rollout
        if "deletionTimestamp" in rollout.metadata:
            return
        if reason := self.invalid or complaint(rollout, self.store):
            yield from status.write_invalid(self, reason)
            self.around.requeue(20.0)
            return
        if self.new is None:
            yield from self._create()
            return
        if rollout.fully_promoted and self.aborted:
            self.intent.remove_abort = True
        if (yield from status.write_pause_conditions(self)):
            return
        yield from self.sync_revision()
        if self._scaling():
            yield from replicasets.reconcile(self)
            yield from status.write_counts(self)
            return
        if self.restarting:
            yield from self.sync_revision()
            yield from status.write(self)
            return
        yield from traffic.point_services(self)
        yield from traffic.set_weight(self)
        yield from experiments.reconcile(self)
        yield from runs.reconcile(self)
        if not self.intent.add_pauses and not (yield from replicasets.reconcile(self)):
            self._pause()
        yield from status.write(self)

    @property
    def now(self) -> float:
        return self.around.now()

    @property
    def aborted(self) -> bool:
        if self.intent.remove_abort:
            return False
        return self.intent.add_abort or bool(self.rollout.status.get("abort"))

    @property
    def restarting(self) -> bool:
        """Whether the template or the steps are not those of the status, so that it begins anew."""
        rollout = self.rollout
        if rollout.status.get("currentStepHash", "") != rollout.step_hash:
            return True
        present = self.new.hash if self.new else rollout.pod_hash
        return bool(rollout.current_hash) and rollout.current_hash != present

    @property
    def indefinite(self) -> bool:
        """Pauses, analyses and experiments do not count against the progress deadline."""
        if self.rollout.step is not None and self.rollout.step.keys() & {"pause", "analysis", "experiment"}:
            return True
        paused = conditions.find(self.rollout.status.get("conditions", []), "Paused")
        return paused is not None and paused["status"] == "True"

    def record(self, severity: str, reason: str, message: str) -> None:
        """Write an Event about the Rollout; `severity` is Normal or Warning."""
        self.around.record(self.rollout.object, severity, reason, message)

    def all_replica_sets(self) -> list[ReplicaSetView]:
        return self._all

    def update_replica_set(self, one: ReplicaSetView, change: Callable[[Object], Object]) -> Writing:
        yield
        self.store.modify(REPLICA_SETS, self.rollout.namespace, one.name, change)
        self._read_replica_sets()

    def sync_revision(self) -> Writing:
        """Number the new ReplicaSet above the older ones, then the Rollout after it."""
        if self.new is None:
            return
        number = 1 + max((one.revision for one in self._all if one.name != self.new.name), default=0)
        annotations = dict(self.new.annotations)
        changed = self._copy_annotations(annotations)
        if self.new.revision < number:
            annotations[REVISION] = str(number)
            changed = True
        if changed:
            history = annotations.get(REVISION_HISTORY)
            past = str(self.new.revision)
            annotations[REVISION_HISTORY] = f"{history},{past}" if history else past
            yield from self.update_replica_set(self.new, _annotate(annotations))
            return
        yield from self._set_revision(str(self.new.revision))
        if conditions.find(self.rollout.status.get("conditions", []), "Progressing") is None:
            message = f'Found new replica set "{self.new.name}"'
            yield from self._begin_conditions("FoundNewReplicaSet", message)
            # here Argo goes on with what the server answered and does not look up the workload again
            self.rollout.resolved = False

    def read_deadline(self, one: ReplicaSetView) -> float | None:
        """Seconds until a ReplicaSet may be scaled down; None where that is not delayed or the time has come."""
        left = moment(one.deadline) - self.now if one.deadline else 0.0
        return left if left > 0 else None

    def _resolve(self, obj: Object) -> RolloutView:
        reference = (obj.get("spec") or {}).get("workloadRef")
        if not reference:
            return RolloutView(obj)
        namespace, name = obj["metadata"]["namespace"], reference.get("name", "")
        workload = self.store.peek(DEPLOYMENTS, namespace, name)
        if workload is None:
            self.invalid = f'deployments.apps "{name}" not found'
            return RolloutView(obj)
        annotations = dict(obj["metadata"].get("annotations") or {})
        annotations[WORKLOAD_GENERATION] = str(workload["metadata"]["generation"])
        return RolloutView(obj | {"metadata": obj["metadata"] | {"annotations": annotations}}, workload)

    def _read_replica_sets(self) -> None:
        rollout = self.rollout
        self._all = [ReplicaSetView(obj) for obj in self.store.owned(REPLICA_SETS, rollout.uid)]
        wanted, stable = rollout.pod_hash, rollout.stable_hash
        self.new = next((one for one in self._all if one.hash == wanted), None)
        self.stable = next((one for one in self._all if stable and one.hash == stable), None)
        self.others = [one for one in self._all if one.hash not in (wanted, stable)]

    def _scaling(self) -> bool:
        active = [one for one in (self.new, self.stable) if one is not None and one.wanted > 0]
        return any(one.desired and one.desired != str(self.rollout.replicas) for one in active)

    def _pause(self) -> None:
        """At a pause: begin it, or see to it that its end is noticed."""
        rollout = self.rollout
        step = rollout.step
        if rollout.paused or rollout.status.get("promoteFull") or step is None or "pause" not in step:
            return
        condition = rollout.pause_condition("CanaryPauseStep")
        if condition is None:
            if not rollout.status.get("controllerPause"):
                self.intent.add_pauses.append("CanaryPauseStep")
                self.around.pausing(rollout.object)
            return
        if (end := pause_end(rollout)) is not None and end > self.now:
            self.around.requeue(end - self.now + 0.001)

    def _create(self) -> Writing:
        rollout = self.rollout
        template_hash = rollout.pod_hash
        number = str(1 + max((one.revision for one in self._all), default=0))
        template_metadata = rollout.template.get("metadata") or {}
        labels = (template_metadata.get("labels") or {}) | {HASH_LABEL: template_hash}
        match = (rollout.selector.get("matchLabels") or {}) | {HASH_LABEL: template_hash}
        annotations: dict[str, str] = {}
        self._copy_annotations(annotations)
        annotations |= {REVISION: number, DESIRED_REPLICAS: str(rollout.replicas)}
        replica_set = {
            "metadata": {
                "name": f"{rollout.name}-{template_hash}",
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner_reference(rollout.object)],
            },
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": match},
                "template": rollout.template | {"metadata": template_metadata | {"labels": labels}},
            },
        }
        yield
        made = self.store.create(REPLICA_SETS, rollout.namespace, replica_set)
        yield from self._set_revision(number)
        self.record(
            "Normal", "NewReplicaSetCreated", f"Created ReplicaSet {made['metadata']['name']} (revision {number})"
        )
        message = f'Created new replica set "{made["metadata"]["name"]}"'
        yield from self._begin_conditions("NewReplicaSetCreated", message)

    def _copy_annotations(self, annotations: dict[str, str]) -> bool:
        wanted = {key: value for key, value in self.rollout.annotations.items() if key not in _NOT_COPIED}
        changed = any(annotations.get(key) != value for key, value in wanted.items())
        annotations.update(wanted)
        return changed

    def _set_revision(self, number: str) -> Writing:
        if self.rollout.annotations.get(REVISION) == number:
            return
        annotations = self.rollout.annotations | {REVISION: number}

        def change(old: Object) -> Object:
            made = old | {"metadata": old["metadata"] | {"annotations": annotations}}
            if not self.rollout.resolved:
                made["spec"] = _with_resources(old["spec"])
            return made

        yield from self._update(change, "")
        self.record("Normal", "RolloutUpdated", f"Rollout updated to revision {number}")

    def _begin_conditions(self, reason: str, message: str) -> Writing:
        before = self.rollout.status
        made, _ = conditions.put(before.get("conditions", []), "Progressing", "True", reason, message, self.now)
        status: Object = {"blueGreen": {}, "canary": {}} | before | {"conditions": made}
        yield from self._update(lambda old: old | {"status": status}, "status")

    def _update(self, change: Callable[[Object], Object], subresource: str) -> Writing:
        """Write with the resourceVersion that was read, so that another's write in between is a conflict."""
        yield
        rollout = self.rollout
        present = self.store.get(ROLLOUTS, rollout.namespace, rollout.name)
        if present["metadata"]["resourceVersion"] != rollout.metadata["resourceVersion"]:
            raise conflict(ROLLOUTS.group, ROLLOUTS.plural, rollout.name)
        self.modified = True
        written = self.store.modify(ROLLOUTS, rollout.namespace, rollout.name, change, subresource)
        self.rollout = self._resolve(written)
        self._read_replica_sets()


def _annotate(annotations: dict[str, str]) -> Callable[[Object], Object]:
    return lambda old: old | {"metadata": old["metadata"] | {"annotations": annotations}}


def _with_resources(spec: Object) -> Object:
    """Argo writes the whole typed object back and so adds the empty `resources` that nobody wrote."""
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if not pod.get("containers"):
        return spec
    containers = [container | {"resources": container.get("resources", {})} for container in pod["containers"]]
    return spec | {"template": template | {"spec": pod | {"containers": containers}}}
