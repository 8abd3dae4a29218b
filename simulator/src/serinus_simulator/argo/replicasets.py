"""What Argo does to ReplicaSets: the sizes of both sides, and the delayed end of those that are no longer used."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from serinus_simulator.argo import scale
from serinus_simulator.argo.analysis.runs import INCONCLUSIVE
from serinus_simulator.argo.view import DESIRED_REPLICAS, HASH_LABEL, SCALE_DOWN_DEADLINE, ReplicaSetView
from serinus_simulator.clock import timestamp
from serinus_simulator.kinds import SERVICES, Object

if TYPE_CHECKING:
    from serinus_simulator.argo.reconcile import Asking, Reconciliation, Writing

DEFAULT_DELAY = 30
"""Seconds for which a ReplicaSet without traffic is kept, after a promotion as after an abort."""


def reconcile(pass_: Reconciliation) -> Asking:
    """Whether a size was changed; then nothing more is done in this pass."""
    if pass_.rollout.paused or pass_.rollout.pause_condition(INCONCLUSIVE) is not None:
        return False
    if pass_.new is not None and not _kept_after_abort(pass_):
        yield from _annotate_deadline(pass_, pass_.new, None)
    if pass_.stable is not None:
        yield from _annotate_deadline(pass_, pass_.stable, None)
    if (yield from _scale_stable(pass_)):
        return True
    if (yield from _scale_new(pass_)):
        return True
    return (yield from _scale_others(pass_))


def waiting_for_scale_down(pass_: Reconciliation) -> bool:
    return any(one.deadline for one in pass_.others)


def _kept_after_abort(pass_: Reconciliation) -> bool:
    return pass_.aborted and pass_.stable is not None and pass_.rollout.routing is not None


def _scale_stable(pass_: Reconciliation) -> Asking:
    new, stable = pass_.new, pass_.stable
    if stable is None or (new is not None and new.name == stable.name):
        return False
    _, wanted = scale.counts(pass_.rollout, new, stable, pass_.others)
    return (yield from _resize(pass_, stable, wanted))


def _scale_new(pass_: Reconciliation) -> Asking:
    new, stable = pass_.new, pass_.stable
    if new is None:
        return False
    wanted, _ = scale.counts(pass_.rollout, new, stable, pass_.others)
    if _kept_after_abort(pass_):
        if new.deadline:
            left = pass_.read_deadline(new)
            if left is not None:
                pass_.around.requeue(left)
                yield from _resize(pass_, new, new.wanted)
                return False
            wanted = 0
        else:
            yield from _resize(pass_, new, new.wanted)
            if stable is not None and stable.available >= pass_.rollout.replicas:
                delay = pass_.rollout.canary.get("abortScaleDownDelaySeconds", DEFAULT_DELAY)
                yield from _annotate_deadline(pass_, new, pass_.now + delay)
            return False
    return (yield from _resize(pass_, new, wanted))


def _scale_others(pass_: Reconciliation) -> Asking:
    """ReplicaSets that are neither side's: broken pods go first, the rest as far as availability allows."""
    if not any(one.wanted for one in pass_.others):
        return False
    for one in list(pass_.others):
        if one.wanted and one.wanted != one.available:
            yield from _resize(pass_, one, one.available)
    _, unavailable = scale.surge_and_unavailable(pass_.rollout)
    spare = sum(one.available for one in pass_.all_replica_sets()) - (pass_.rollout.replicas - unavailable)
    scaled = False
    for one in sorted(pass_.others, key=lambda one: one.revision, reverse=True):
        if spare <= 0:
            break
        if one.wanted == 0 or (pass_.rollout.routing is not None and _referenced(pass_, one)):
            continue
        wanted = yield from _size_of_other(pass_, one, spare)
        if wanted != one.wanted:
            yield from _resize(pass_, one, wanted)
            spare -= one.wanted - wanted
            scaled = True
    return scaled


def _size_of_other(pass_: Reconciliation, one: ReplicaSetView, spare: int) -> Generator[None, None, int]:
    if pass_.rollout.routing is None:
        return max(0, one.wanted - spare)
    if not one.deadline:
        if not pass_.rollout.fully_promoted:
            return 0
        delay = pass_.rollout.canary.get("scaleDownDelaySeconds", DEFAULT_DELAY)
        yield from _annotate_deadline(pass_, one, pass_.now + delay)
        pass_.around.requeue(delay)
        return one.wanted
    left = pass_.read_deadline(one)
    if left is None:
        return 0
    pass_.around.requeue(left)
    return one.wanted


def _referenced(pass_: Reconciliation, one: ReplicaSetView) -> bool:
    rollout = pass_.rollout
    hashes = {rollout.stable_hash, rollout.current_hash}
    for side in (rollout.weights or {}).values():
        hashes.add(side.get("podTemplateHash", ""))
    for name in (rollout.stable_service, rollout.canary_service):
        service = pass_.store.peek(SERVICES, rollout.namespace, name)
        if service is not None:
            hashes.add((service["spec"].get("selector") or {}).get(HASH_LABEL, ""))
    return one.hash in hashes


def _resize(pass_: Reconciliation, one: ReplicaSetView, wanted: int) -> Asking:
    """Write the size and the number of replicas that it belongs to; whether the size changed."""
    desired = str(pass_.rollout.replicas)
    if one.wanted == wanted and one.desired == desired:
        return False
    keep_deadline = wanted > 0 or _kept_after_abort(pass_)

    def change(old: Object) -> Object:
        annotations = _annotations(old) | {DESIRED_REPLICAS: desired}
        if not keep_deadline:
            annotations.pop(SCALE_DOWN_DEADLINE, None)
        metadata = old["metadata"] | {"annotations": annotations}
        return old | {"metadata": metadata, "spec": old["spec"] | {"replicas": wanted}}

    yield from pass_.update_replica_set(one, change)
    if one.wanted == wanted:
        return False
    direction = "up" if wanted > one.wanted else "down"
    message = f"Scaled {direction} ReplicaSet {one.name} (revision {one.revision}) from {one.wanted} to {wanted}"
    pass_.record("Normal", "ScalingReplicaSet", message)
    return True


def _annotate_deadline(pass_: Reconciliation, one: ReplicaSetView, when: float | None) -> Writing:
    """Set the time at which a ReplicaSet goes, or take it back."""
    if when is None and not one.deadline:
        return
    deadline = {} if when is None else {SCALE_DOWN_DEADLINE: timestamp(when)}

    def change(old: Object) -> Object:
        annotations = {key: value for key, value in _annotations(old).items() if key != SCALE_DOWN_DEADLINE} | deadline
        return old | {"metadata": old["metadata"] | {"annotations": annotations}}

    yield from pass_.update_replica_set(one, change)


def _annotations(obj: Object) -> dict[str, str]:
    return dict(obj["metadata"].get("annotations") or {})
