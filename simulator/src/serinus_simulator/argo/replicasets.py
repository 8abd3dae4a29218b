"""What Argo does to ReplicaSets: the sizes of both sides, and the delayed end of those that are no longer used."""

from __future__ import annotations

from collections.abc import Generator

from serinus_simulator.argo import scale
from serinus_simulator.argo.analysis.runs import INCONCLUSIVE
from serinus_simulator.argo.context import Asking, Context, Writing
from serinus_simulator.argo.view import DESIRED_REPLICAS, HASH_LABEL, SCALE_DOWN_DEADLINE, ReplicaSetView
from serinus_simulator.clock import timestamp
from serinus_simulator.kubernetes.kinds import SERVICES, Object

DEFAULT_DELAY = 30
"""Seconds for which a ReplicaSet without traffic is kept, after a promotion as after an abort."""


def reconcile(context: Context) -> Asking:
    """Whether a size was changed; then nothing more is done in this pass."""
    if context.rollout.paused or context.rollout.pause_condition(INCONCLUSIVE) is not None:
        return False
    if context.new is not None and not _kept_after_abort(context):
        yield from _annotate_deadline(context, context.new, None)
    if context.stable is not None:
        yield from _annotate_deadline(context, context.stable, None)
    if (yield from _scale_stable(context)):
        return True
    if (yield from _scale_new(context)):
        return True
    return (yield from _scale_others(context))


def waiting_for_scale_down(context: Context) -> bool:
    """Whether an old ReplicaSet has its deadline before it."""
    return any(one.deadline for one in context.others)


def _kept_after_abort(context: Context) -> bool:
    return context.aborted and context.stable is not None and context.rollout.routing is not None


def _scale_stable(context: Context) -> Asking:
    new, stable = context.new, context.stable
    if stable is None or (new is not None and new.name == stable.name):
        return False
    _, wanted = scale.counts(context.rollout, new, stable, context.others)
    return (yield from _resize(context, stable, wanted))


def _scale_new(context: Context) -> Asking:
    new, stable = context.new, context.stable
    if new is None:
        return False
    wanted, _ = scale.counts(context.rollout, new, stable, context.others)
    if _kept_after_abort(context):
        if new.deadline:
            left = context.read_deadline(new)
            if left is not None:
                context.env.requeue(left)
                yield from _resize(context, new, new.wanted)
                return False
            wanted = 0
        else:
            yield from _resize(context, new, new.wanted)
            if stable is not None and stable.available >= context.rollout.replicas:
                delay = context.rollout.canary.get("abortScaleDownDelaySeconds", DEFAULT_DELAY)
                yield from _annotate_deadline(context, new, context.now + delay)
            return False
    return (yield from _resize(context, new, wanted))


def _scale_others(context: Context) -> Asking:
    """ReplicaSets that are neither side's: broken pods go first, the rest as far as availability allows."""
    if not any(one.wanted for one in context.others):
        return False
    for one in list(context.others):
        if one.wanted and one.wanted != one.available:
            yield from _resize(context, one, one.available)
    _, unavailable = scale.surge_and_unavailable(context.rollout)
    spare = sum(one.available for one in context.all_replica_sets()) - (context.rollout.replicas - unavailable)
    scaled = False
    for one in sorted(context.others, key=lambda one: one.revision, reverse=True):
        if spare <= 0:
            break
        if one.wanted == 0 or (context.rollout.routing is not None and _referenced(context, one)):
            continue
        wanted = yield from _size_of_other(context, one, spare)
        if wanted != one.wanted:
            yield from _resize(context, one, wanted)
            spare -= one.wanted - wanted
            scaled = True
    return scaled


def _size_of_other(context: Context, one: ReplicaSetView, spare: int) -> Generator[None, None, int]:
    if context.rollout.routing is None:
        return max(0, one.wanted - spare)
    if not one.deadline:
        if not context.rollout.fully_promoted:
            return 0
        delay = context.rollout.canary.get("scaleDownDelaySeconds", DEFAULT_DELAY)
        yield from _annotate_deadline(context, one, context.now + delay)
        context.env.requeue(delay)
        return one.wanted
    left = context.read_deadline(one)
    if left is None:
        return 0
    context.env.requeue(left)
    return one.wanted


def _referenced(context: Context, one: ReplicaSetView) -> bool:
    rollout = context.rollout
    hashes = {rollout.stable_hash, rollout.current_hash}
    for side in (rollout.weights or {}).values():
        hashes.add(side.get("podTemplateHash", ""))
    for name in (rollout.stable_service, rollout.canary_service):
        service = context.store.peek(SERVICES, rollout.namespace, name)
        if service is not None:
            hashes.add((service["spec"].get("selector") or {}).get(HASH_LABEL, ""))
    return one.hash in hashes


def _resize(context: Context, one: ReplicaSetView, wanted: int) -> Asking:
    """Write the size and the number of replicas that it belongs to; whether the size changed."""
    desired = str(context.rollout.replicas)
    if one.wanted == wanted and one.desired == desired:
        return False
    keep_deadline = wanted > 0 or _kept_after_abort(context)

    def change(old: Object) -> Object:
        annotations = _annotations(old) | {DESIRED_REPLICAS: desired}
        if not keep_deadline:
            annotations.pop(SCALE_DOWN_DEADLINE, None)
        metadata = old["metadata"] | {"annotations": annotations}
        return old | {"metadata": metadata, "spec": old["spec"] | {"replicas": wanted}}

    yield from context.update_replica_set(one, change)
    if one.wanted == wanted:
        return False
    direction = "up" if wanted > one.wanted else "down"
    message = f"Scaled {direction} ReplicaSet {one.name} (revision {one.revision}) from {one.wanted} to {wanted}"
    context.record("Normal", "ScalingReplicaSet", message)
    return True


def _annotate_deadline(context: Context, one: ReplicaSetView, when: float | None) -> Writing:
    """Set the time at which a ReplicaSet goes, or take it back."""
    if when is None and not one.deadline:
        return
    deadline = {} if when is None else {SCALE_DOWN_DEADLINE: timestamp(when)}

    def change(old: Object) -> Object:
        annotations = {key: value for key, value in _annotations(old).items() if key != SCALE_DOWN_DEADLINE} | deadline
        return old | {"metadata": old["metadata"] | {"annotations": annotations}}

    yield from context.update_replica_set(one, change)


def _annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})
