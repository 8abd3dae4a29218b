"""Argo's experiment steps, minimal: ReplicaSets of their own that run beside the rollout for a while.

None of it is in the recordings. There is no traffic for an experiment's pods, and no analysis in it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from serinus_simulator.argo.analysis.assessing import COMPLETED
from serinus_simulator.argo.analysis.metrics import seconds
from serinus_simulator.argo.events import EventRecorder
from serinus_simulator.argo.hashing import pod_hash
from serinus_simulator.argo.view import HASH_LABEL, REVISION, ReplicaSetView, owner_reference
from serinus_simulator.clock import Agenda, moment, timestamp
from serinus_simulator.faults import Faults
from serinus_simulator.kinds import EXPERIMENTS, REPLICA_SETS, Object
from serinus_simulator.objects import Change, ObjectStore

if TYPE_CHECKING:
    from serinus_simulator.argo.reconcile import Reconciliation, Writing

INCONCLUSIVE = "InconclusiveExperiment"
DEADLINE = 600.0
SCALE_DOWN_DELAY = 30.0
"""Seconds in which its pods must get ready, and for which they stay at its end."""


def runs(experiment: Object) -> bool:
    return (experiment.get("status") or {}).get("phase") not in COMPLETED


def reconcile(pass_: Reconciliation) -> Writing:
    """The Rollout's side: create the Experiment of the step, heed how it ends, end those of other steps."""
    rollout, step = pass_.rollout, (pass_.rollout.step or {}).get("experiment")
    owned = pass_.store.owned(EXPERIMENTS, rollout.uid)
    if pass_.aborted or rollout.status.get("promoteFull") or rollout.fully_promoted:
        step = None
    named = (rollout.status.get("canary") or {}).get("currentExperiment")
    current = next((one for one in owned if step and one["metadata"]["name"] == named), None)
    if step and current is None and pass_.stable is not None and pass_.new is not None:
        yield
        current = pass_.store.create(EXPERIMENTS, rollout.namespace, _experiment(pass_, step, owned))
        pass_.record("Normal", "ExperimentCreated", f"Created Experiment '{current['metadata']['name']}'")
    pass_.experiment = current
    status = (current or {}).get("status") or {}
    if status.get("phase") == "Inconclusive":
        pass_.intent.add_pauses.append(INCONCLUSIVE)
    elif status.get("phase") in ("Error", "Failed"):
        message = status.get("message")
        pass_.intent.add_abort = True
        pass_.intent.abort_message = "Experiment analysis phase is error/failed" + (f": {message}" if message else "")
    for one in owned:
        if one is not current and runs(one) and not one["spec"].get("terminate"):
            yield
            pass_.store.modify(EXPERIMENTS, rollout.namespace, one["metadata"]["name"], partial(_with, terminate=True))


def _experiment(pass_: Reconciliation, step: Object, owned: list[Object]) -> Object:
    rollout, new, stable = pass_.rollout, pass_.new, pass_.stable
    assert new is not None
    name = first = f"{rollout.name}-{new.hash}-{rollout.revision}-{rollout.index}"
    taken = {one["metadata"]["name"] for one in owned}
    number = 0
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    templates = []
    for template in step["templates"]:
        source = new if template.get("specRef") == "canary" else stable
        assert source is not None
        spec = source.object["spec"]
        templates.append({"name": template["name"], "replicas": template.get("replicas", 1), **spec["template"]})
    return {
        "metadata": {
            "name": name,
            "labels": {HASH_LABEL: new.hash},
            "annotations": {REVISION: str(rollout.revision)},
            "ownerReferences": [owner_reference(rollout.object)],
        },
        "spec": {"duration": step.get("duration", ""), "templates": templates},
    }


class ExperimentController:
    """Runs the pods of every Experiment for its duration, once they are all ready. `delay` is that of one pass."""

    def __init__(
        self, store: ObjectStore, agenda: Agenda, faults: Faults, events: EventRecorder, *, delay: float
    ) -> None:
        self._store = store
        self._agenda = agenda
        self._faults = faults
        self._events = events
        self._delay = delay
        store.subscribe(EXPERIMENTS, self._changed)
        store.subscribe(REPLICA_SETS, self._replica_set_changed)

    def _changed(self, change: Change) -> None:
        metadata = change.last["metadata"]
        self._agenda.after(self._delay, partial(self._look, metadata["namespace"], metadata["name"]))
        if change.new is None:
            self._agenda.after(self._delay, partial(self._delete_pods, change.last))

    def _replica_set_changed(self, change: Change) -> None:
        for owner in change.last["metadata"].get("ownerReferences", []):
            if owner["kind"] == EXPERIMENTS.kind:
                namespace = change.last["metadata"]["namespace"]
                self._agenda.after(self._delay, partial(self._look, namespace, owner["name"]))

    def _look(self, namespace: str, name: str) -> None:
        experiment = self._store.peek(EXPERIMENTS, namespace, name)
        if experiment is None or not runs(experiment):
            return
        status, now = dict(experiment.get("status") or {}), self._agenda.now
        sets = [ReplicaSetView(one) for one in self._replica_sets(experiment)]
        ready = bool(sets) and all(one.available == one.wanted for one in sets)
        if "availableAt" not in status and ready:
            status["availableAt"] = timestamp(now)
        phase, message = self._phase(experiment, status)
        if phase != status.get("phase"):
            status |= {"phase": phase} | ({"message": message} if message else {})
            self._events.record(experiment, "Normal", f"Experiment{phase}", f"Experiment is {phase}")
            self._store.modify(EXPERIMENTS, namespace, name, lambda old: old | {"status": status})
            if phase in COMPLETED:
                self._agenda.after(SCALE_DOWN_DELAY, partial(self._scale_down, experiment))

    def _phase(self, experiment: Object, status: Object) -> tuple[str, str]:
        namespace, name = experiment["metadata"]["namespace"], experiment["metadata"]["name"]
        for effect, phase in (("fail_experiments", "Failed"), ("inconclusive_experiments", "Inconclusive")):
            if "availableAt" in status and self._faults.argo(effect, namespace, name):
                return phase, "the simulator was told to"
        if experiment["spec"].get("terminate"):
            return "Successful", ""
        if "availableAt" not in status:
            self._create_pods(experiment)
            late = self._agenda.now - moment(experiment["metadata"]["creationTimestamp"]) - DEADLINE
            if late >= 0:
                return "Failed", f"a template exceeded its progressDeadlineSeconds ({DEADLINE:.0f})"
            self._agenda.after(-late, partial(self._look, namespace, name))
            return "Pending", ""
        duration = experiment["spec"].get("duration")
        left = moment(status["availableAt"]) + seconds(duration) - self._agenda.now if duration else None
        if left is not None and left > 0:
            self._agenda.after(left, partial(self._look, namespace, name))
        return ("Successful" if left is not None and left <= 0 else "Running"), ""

    def _create_pods(self, experiment: Object) -> None:
        namespace, name = experiment["metadata"]["namespace"], experiment["metadata"]["name"]
        for template in experiment["spec"]["templates"]:
            whole = f"{name}-{template['name']}"
            if self._store.peek(REPLICA_SETS, namespace, whole) is not None:
                continue
            metadata = template.get("metadata") or {}
            labels = (metadata.get("labels") or {}) | {HASH_LABEL: pod_hash(template)}
            pods = {"metadata": metadata | {"labels": labels}, "spec": template.get("spec") or {}}
            owner = owner_reference(experiment)
            spec = {"replicas": template["replicas"], "selector": {"matchLabels": labels}, "template": pods}
            made = {"metadata": {"name": whole, "labels": labels, "ownerReferences": [owner]}, "spec": spec}
            self._store.create(REPLICA_SETS, namespace, made)

    def _replica_sets(self, experiment: Object) -> list[Object]:
        return self._store.owned(REPLICA_SETS, experiment["metadata"]["uid"])

    def _scale_down(self, experiment: Object) -> None:
        for one in self._replica_sets(experiment):
            metadata = one["metadata"]
            self._store.modify(REPLICA_SETS, metadata["namespace"], metadata["name"], partial(_with, replicas=0))

    def _delete_pods(self, experiment: Object) -> None:
        for one in self._replica_sets(experiment):
            self._store.delete(REPLICA_SETS, one["metadata"]["namespace"], one["metadata"]["name"])


def _with(obj: Object, **spec: object) -> Object:
    return obj | {"spec": obj["spec"] | spec}
