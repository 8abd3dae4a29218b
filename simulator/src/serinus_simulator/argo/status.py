"""What Argo writes to `/status`: the step index, pauses and abort, counts, conditions, phase and message."""

from __future__ import annotations

from typing import Any

from serinus_simulator.argo import conditions, scale
from serinus_simulator.argo.analysis.runs import STEP
from serinus_simulator.argo.conditions import find, put
from serinus_simulator.argo.context import Asking, Context, Writing
from serinus_simulator.argo.replicasets import waiting_for_scale_down
from serinus_simulator.argo.status_conditions import set_conditions, timeout_message
from serinus_simulator.argo.traffic import ROUTES
from serinus_simulator.argo.view import WORKLOAD_GENERATION, pause_end
from serinus_simulator.clock import moment, timestamp
from serinus_simulator.kubernetes.kinds import ROLLOUTS, Object
from serinus_simulator.kubernetes.patch import apply_merge_patch, merge_patch_between

Status = dict[str, Any]


def write(context: Context) -> Writing:
    """The status at the end of a pass."""
    status = _base(context)
    rollout, intent = context.rollout, context.intent
    count = len(rollout.steps)
    if context.restarting:
        intent.clear_pauses = intent.remove_abort = True
        status.pop("promoteFull", None)
        back_to_stable = context.new is not None and rollout.stable_hash == context.new.hash
        if count:
            status["currentStepIndex"] = count if back_to_stable else 0
        if count and back_to_stable:
            context.record("Normal", "SkipSteps", "Rollback to stable ReplicaSets")
        yield from _persist(context, status)
        return
    if rollout.status.get("promoteFull"):
        intent.clear_pauses = intent.remove_abort = True
    if reason := _promotable(context):
        intent.clear_pauses = intent.remove_abort = True
        status.pop("promoteFull", None)
        _promote(context, status, reason)
        index = count
    elif context.aborted:
        index = count if status.get("stableRS") == status["currentPodHash"] else 0
    elif rollout.status.get("promoteFull"):
        index = count
    elif _step_completed(context):
        intent.remove_pauses.append("CanaryPauseStep")
        index = rollout.index + 1
        status["canary"].pop(STEP, None)
        message = f"Rollout step {index}/{count} completed ({_step_name(rollout.step or {})})"
        context.record("Normal", "RolloutStepCompleted", message)
    else:
        index = rollout.index
    if count:
        status["currentStepIndex"] = index
    yield from _persist(context, status)


def write_counts(context: Context) -> Writing:
    """The status after scaling only: everything else stays."""
    status = normal(context.rollout.status)
    status["availableReplicas"] = sum(one.available for one in context.all_replica_sets())
    status["HPAReplicas"] = sum(one.replicas for one in context.all_replica_sets())
    yield from _persist(context, status)


def write_pause_conditions(context: Context) -> Asking:
    """Bring the conditions up to the pauses, in a write of its own before anything else; whether there was one."""
    rollout = context.rollout
    if not rollout.observed:
        return False
    present = rollout.status.get("conditions", [])
    reason = conditions.reason_of(present, "Progressing")
    is_paused = bool(rollout.pause_conditions) or rollout.paused
    was_aborted = reason == "RolloutAborted"
    made, now = present, context.now
    if is_paused != (reason == "RolloutPaused") and not was_aborted and not conditions.completed(rollout.status):
        word = "Paused" if is_paused else "Resumed"
        sentence = f"Rollout is {word.lower()}"
        made, _ = put(made, "Progressing", "Unknown", f"Rollout{word}", sentence, now)
    if was_aborted and not rollout.status.get("abort"):
        made, _ = put(made, "Progressing", "Unknown", "RolloutRetry", "Retrying Rollout after abort", now)
    paused = find(present, "Paused")
    if is_paused != (paused is not None and paused["status"] == "True") and not was_aborted:
        word = "True" if is_paused else "False"
        made, _ = put(made, "Paused", word, "RolloutPaused", "Rollout is paused", now)
    if made is present:
        return False
    status = normal(rollout.status) | {"conditions": made}
    _set_phase(context, status)
    return (yield from _patch(context, status))


def write_invalid(context: Context, complaint: str) -> Writing:
    """Write what is wrong with the spec, and do nothing else."""
    rollout = context.rollout
    status = normal(rollout.status)
    message = f'The Rollout "{rollout.name}" is invalid: {complaint}'
    previous = find(status.get("conditions", []), "InvalidSpec")
    renew = previous is not None and previous["message"] != message
    status["conditions"], _ = put(
        status.get("conditions", []), "InvalidSpec", "True", "InvalidSpec", message, context.now, renew=renew
    )
    status["observedGeneration"] = str(rollout.generation)
    _set_phase(context, status)
    yield from _patch(context, status)


def normal(status: Status) -> Status:
    """A status as Argo's types hold it: zero, false and empty are absent, but for the index and the two structs."""
    kept = ("currentStepIndex", "blueGreen", "canary")
    return {key: value for key, value in status.items() if key in kept or value not in (0, False, "", [], {}, None)}


def _base(context: Context) -> Status:
    rollout, everything = context.rollout, context.all_replica_sets()
    before = rollout.status
    match = (rollout.selector.get("matchLabels") or {}).items()
    status: Status = {
        "blueGreen": {},
        "canary": _canary(context),
        "conditions": conditions.without(before.get("conditions", []), "InvalidSpec"),
        "currentPodHash": context.new.hash if context.new else rollout.pod_hash,
        "currentStepHash": rollout.step_hash,
        "stableRS": rollout.stable_hash,
        "promoteFull": before.get("promoteFull", False),
        "replicas": sum(one.replicas for one in everything),
        "updatedReplicas": context.new.replicas if context.new else 0,
        "readyReplicas": sum(one.ready for one in everything),
        "availableReplicas": sum(one.available for one in everything),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(match)),
    }
    return status | {"HPAReplicas": status["replicas"]}


def _canary(context: Context) -> Status:
    """What the status says of the canary: its weights and its AnalysisRuns."""
    canary: Status = dict(context.analysis)
    if context.weights is not None:
        canary["weights"] = context.weights
    if context.rollout.stable_ping_pong:
        canary["stablePingPong"] = context.rollout.stable_ping_pong
    return canary


def _promotable(context: Context) -> str:
    """Why the new ReplicaSet becomes the stable one now, or nothing where it does not."""
    rollout, new = context.rollout, context.new
    if context.stable is None:
        return "Initial deploy"
    if context.aborted or new is None or new.available < rollout.replicas:
        return ""
    if rollout.status.get("promoteFull"):
        return "Full promotion requested"
    done = rollout.stable_hash == new.hash or rollout.index >= len(rollout.steps)
    return f"Completed all {len(rollout.steps)} canary steps" if done else ""


def _promote(context: Context, status: Status, reason: str) -> None:
    """Only the first time that it is promoted is told."""
    current = status["currentPodHash"]
    if status.get("stableRS") != current:
        revision = context.rollout.revision
        message = f"Rollout completed update to revision {revision} ({current}): {reason}"
        context.record("Normal", "RolloutCompleted", message)
        if context.rollout.ping_pong:
            status["canary"]["stablePingPong"] = "pong" if context.rollout.stable_ping_pong == "ping" else "ping"
    status["stableRS"] = current


def _step_name(step: Object) -> str:
    if "setWeight" in step:
        return f"setWeight: {step['setWeight']}"
    duration = (step.get("pause") or {}).get("duration")
    return f"pause: {duration}" if duration is not None else next(iter(step), "")


def _step_completed(context: Context) -> bool:
    rollout, step = context.rollout, context.rollout.step
    if rollout.paused or step is None:
        return False
    if "pause" in step:
        return _pause_completed(context)
    if step.keys() & set(ROUTES):
        return True
    if "analysis" in step:
        return ((context.step_run or {}).get("status") or {}).get("phase") == "Successful"
    return scale.at_desired_counts(rollout, context.new, context.stable, context.others)


def _pause_completed(context: Context) -> bool:
    """Somebody took the pause condition away, or its time is over."""
    rollout = context.rollout
    if rollout.pause_condition("CanaryPauseStep") is None:
        return bool(rollout.status.get("controllerPause"))
    end = pause_end(rollout)
    return end is not None and context.now > end


def _persist(context: Context, status: Status) -> Writing:
    rollout = context.rollout
    status["observedGeneration"] = str(rollout.generation)
    status.pop("workloadObservedGeneration", None)
    if rollout.resolved:
        status["workloadObservedGeneration"] = rollout.annotations.get(WORKLOAD_GENERATION, "")
    _abort_at_deadline(context, status)
    _set_pauses(context, status)
    set_conditions(context, status)
    _set_phase(context, status)
    if not (yield from _patch(context, status)):
        _look_for_no_progress(context, status)
        return
    pauses = status.get("pauseConditions") or []
    if bool(rollout.pause_conditions) != bool(pauses):
        if pauses:
            context.record("Normal", "RolloutPaused", f"Rollout is paused ({pauses[0]['reason']})")
        elif "abortedAt" not in status:
            context.record("Normal", "RolloutResumed", "Rollout is resumed")


def _abort_at_deadline(context: Context, status: Status) -> None:
    rollout = context.rollout
    if not rollout.spec.get("progressDeadlineAbort") or context.aborted or conditions.completed(status):
        return
    if conditions.progressing(rollout.status, status) or context.indefinite or waiting_for_scale_down(context):
        return
    if conditions.timed_out(rollout, rollout.status.get("conditions", []), context.now):
        context.intent.add_abort = True
        context.intent.abort_message = timeout_message(context)
        context.record("Warning", "RolloutAborted", context.intent.abort_message)


def _set_pauses(context: Context, status: Status) -> None:
    before, intent = context.rollout.status, context.intent
    # A pass that only scales starts from the status that it read: a promotion that nobody has carried out yet, no
    # pause but controllerPause, stays in it.
    for key in ("abort", "abortedAt"):
        status.pop(key, None)
    if context.aborted:
        status |= {"abort": True, "abortedAt": before.get("abortedAt") or timestamp(context.now)}
        return
    if intent.clear_pauses:
        return
    present = context.rollout.pause_conditions
    kept = [condition for condition in present if condition.get("reason") not in intent.remove_pauses]
    known = {condition.get("reason") for condition in present}
    added = [
        {"reason": reason, "startTime": timestamp(context.now)} for reason in intent.add_pauses if reason not in known
    ]
    if kept or added:
        status["pauseConditions"] = kept + added
        status["controllerPause"] = bool(before.get("controllerPause")) or bool(added)


def _set_phase(context: Context, status: Status) -> None:
    status["phase"], status["message"] = conditions.phase(context.rollout, status)


def _patch(context: Context, status: Status) -> Asking:
    """Write only what differs from what was read, so that what others wrote meanwhile stays; whether anything did."""
    patch = merge_patch_between(normal(context.rollout.status), normal(status))
    if not patch:
        return False
    rollout = context.rollout
    yield
    context.store.modify(
        ROLLOUTS, rollout.namespace, rollout.name, lambda old: apply_merge_patch(old, {"status": patch}), "status"
    )
    return True


def _look_for_no_progress(context: Context, status: Status) -> None:
    """Come back when the progress deadline will be over."""
    rollout = context.rollout
    condition = find(rollout.status.get("conditions", []), "Progressing")
    is_paused = bool(rollout.pause_conditions) or rollout.paused
    if condition is None or condition["reason"] == "ProgressDeadlineExceeded" or is_paused:
        return
    if conditions.healthy(rollout, status) or rollout.status.get("abort") or context.indefinite:
        return
    left = moment(condition["lastUpdateTime"]) + rollout.progress_deadline - context.now
    # nothing left but no timeout means that an older ReplicaSet's delayed end is waited for
    context.env.requeue(left + 0.05 if 0 < left < 1.0 else max(left, 0.0) + 1.0)
