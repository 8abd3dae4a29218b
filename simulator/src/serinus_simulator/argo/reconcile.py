"""One reconciliation of one Rollout: what Argo does between reading an object and being done with it.

It is a generator that stops before each write. What others write while it waits is there when the write arrives,
as on a real API server: that is where most of Argo's surprises come from. `status.py` says what is written to
`/status`, `traffic.py` what to Services and Ingress, `replicasets.py` what to ReplicaSets, `analysis/runs.py` what
is done about AnalysisRuns.
"""

from __future__ import annotations

from collections.abc import Callable

from serinus_simulator.argo import conditions, replicasets, status, traffic
from serinus_simulator.argo.analysis import runs
from serinus_simulator.argo.context import Context, Writing
from serinus_simulator.argo.validation import complaint
from serinus_simulator.argo.view import (
    DESIRED_REPLICAS,
    HASH_LABEL,
    REVISION,
    REVISION_HISTORY,
    owner_reference,
    pause_end,
)
from serinus_simulator.kubernetes.kinds import REPLICA_SETS, Object

_NOT_COPIED = (REVISION, REVISION_HISTORY, DESIRED_REPLICAS, "kubectl.kubernetes.io/last-applied-configuration")


def reconcile(context: Context) -> Writing:
    """Raises ApiError where somebody else wrote first; the caller tries again later."""
    rollout = context.rollout
    if "deletionTimestamp" in rollout.metadata:
        return
    if reason := context.invalid or complaint(rollout, context.store):
        yield from status.write_invalid(context, reason)
        context.env.requeue(20.0)
        return
    if context.new is None:
        yield from _create(context)
        return
    if rollout.fully_promoted and context.aborted:
        context.intent.remove_abort = True
    if (yield from status.write_pause_conditions(context)):
        return
    yield from sync_revision(context)
    if _scaling(context):
        yield from replicasets.reconcile(context)
        yield from status.write_counts(context)
        return
    if context.restarting:
        yield from sync_revision(context)
        yield from status.write(context)
        return
    yield from traffic.point_services(context)
    yield from traffic.set_weight(context)
    yield from runs.reconcile(context)
    if not context.intent.add_pauses and not (yield from replicasets.reconcile(context)):
        _pause(context)
    yield from status.write(context)


def sync_revision(context: Context) -> Writing:
    """Number the new ReplicaSet above the older ones, then the Rollout after it."""
    if context.new is None:
        return
    number = 1 + max((one.revision for one in context.all_replica_sets() if one.name != context.new.name), default=0)
    annotations = dict(context.new.annotations)
    changed = _copy_annotations(context, annotations)
    if context.new.revision < number:
        annotations[REVISION] = str(number)
        changed = True
    if changed:
        history = annotations.get(REVISION_HISTORY)
        past = str(context.new.revision)
        annotations[REVISION_HISTORY] = f"{history},{past}" if history else past
        yield from context.update_replica_set(context.new, _annotate(annotations))
        return
    yield from _set_revision(context, str(context.new.revision))
    if conditions.find(context.rollout.status.get("conditions", []), "Progressing") is None:
        message = f'Found new replica set "{context.new.name}"'
        yield from _begin_conditions(context, "FoundNewReplicaSet", message)
        # here Argo goes on with what the server answered and does not look up the workload again
        context.rollout.resolved = False


def _scaling(context: Context) -> bool:
    active = [one for one in (context.new, context.stable) if one is not None and one.wanted > 0]
    return any(one.desired and one.desired != str(context.rollout.replicas) for one in active)


def _pause(context: Context) -> None:
    """At a pause: begin it, or see to it that its end is noticed."""
    rollout = context.rollout
    step = rollout.step
    if rollout.paused or rollout.status.get("promoteFull") or step is None or "pause" not in step:
        return
    condition = rollout.pause_condition("CanaryPauseStep")
    if condition is None:
        if not rollout.status.get("controllerPause"):
            context.intent.add_pauses.append("CanaryPauseStep")
            context.env.pausing(rollout.object)
        return
    if (end := pause_end(rollout)) is not None and end > context.now:
        context.env.requeue(end - context.now + 0.001)


def _create(context: Context) -> Writing:
    rollout = context.rollout
    template_hash = rollout.pod_hash
    number = str(1 + max((one.revision for one in context.all_replica_sets()), default=0))
    template_metadata = rollout.template.get("metadata") or {}
    labels = (template_metadata.get("labels") or {}) | {HASH_LABEL: template_hash}
    match = (rollout.selector.get("matchLabels") or {}) | {HASH_LABEL: template_hash}
    annotations: dict[str, str] = {}
    _copy_annotations(context, annotations)
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
    made = context.store.create(REPLICA_SETS, rollout.namespace, replica_set)
    yield from _set_revision(context, number)
    context.record(
        "Normal", "NewReplicaSetCreated", f"Created ReplicaSet {made['metadata']['name']} (revision {number})"
    )
    message = f'Created new replica set "{made["metadata"]["name"]}"'
    yield from _begin_conditions(context, "NewReplicaSetCreated", message)


def _copy_annotations(context: Context, annotations: dict[str, str]) -> bool:
    wanted = {key: value for key, value in context.rollout.annotations.items() if key not in _NOT_COPIED}
    changed = any(annotations.get(key) != value for key, value in wanted.items())
    annotations.update(wanted)
    return changed


def _set_revision(context: Context, number: str) -> Writing:
    if context.rollout.annotations.get(REVISION) == number:
        return
    annotations = context.rollout.annotations | {REVISION: number}

    def change(old: Object) -> Object:
        made = old | {"metadata": old["metadata"] | {"annotations": annotations}}
        if not context.rollout.resolved:
            made["spec"] = _with_resources(old["spec"])
        return made

    yield from context.update(change, "")
    context.record("Normal", "RolloutUpdated", f"Rollout updated to revision {number}")


def _begin_conditions(context: Context, reason: str, message: str) -> Writing:
    before = context.rollout.status
    made, _ = conditions.put(before.get("conditions", []), "Progressing", "True", reason, message, context.now)
    status: Object = {"blueGreen": {}, "canary": {}} | before | {"conditions": made}
    yield from context.update(lambda old: old | {"status": status}, "status")


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
