"""What Argo writes to `/status`: the step index, pauses and abort, counts, conditions, phase and message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from serinus_simulator.argo import conditions, experiments, scale
from serinus_simulator.argo.analysis.runs import STEP
from serinus_simulator.argo.conditions import find, put
from serinus_simulator.argo.replicasets import waiting_for_scale_down
from serinus_simulator.argo.traffic import ROUTES
from serinus_simulator.argo.view import WORKLOAD_GENERATION, pause_end
from serinus_simulator.clock import moment, timestamp
from serinus_simulator.kinds import ROLLOUTS, Object
from serinus_simulator.patch import apply_merge_patch, merge_patch_between

if TYPE_CHECKING:
    from serinus_simulator.argo.reconcile import Asking, Reconciliation, Writing

Status = dict[str, Any]


def write(pass_: Reconciliation) -> Writing:
    """The status at the end of a pass."""
    status = _base(pass_)
    rollout, intent = pass_.rollout, pass_.intent
    count = len(rollout.steps)
    if pass_.restarting:
        intent.clear_pauses = intent.remove_abort = True
        status.pop("promoteFull", None)
        back_to_stable = pass_.new is not None and rollout.stable_hash == pass_.new.hash
        if count:
            status["currentStepIndex"] = count if back_to_stable else 0
        if count and back_to_stable:
            pass_.record("Normal", "SkipSteps", "Rollback to stable ReplicaSets")
        yield from _persist(pass_, status)
        return
    if rollout.status.get("promoteFull"):
        intent.clear_pauses = intent.remove_abort = True
    if reason := _promotable(pass_):
        intent.clear_pauses = intent.remove_abort = True
        status.pop("promoteFull", None)
        _promote(pass_, status, reason)
        index = count
    elif pass_.aborted:
        index = count if status.get("stableRS") == status["currentPodHash"] else 0
    elif rollout.status.get("promoteFull"):
        index = count
    elif _step_completed(pass_):
        intent.remove_pauses.append("CanaryPauseStep")
        index = rollout.index + 1
        status["canary"].pop(STEP, None)
        message = f"Rollout step {index}/{count} completed ({_step_name(rollout.step or {})})"
        pass_.record("Normal", "RolloutStepCompleted", message)
    else:
        index = rollout.index
    if count:
        status["currentStepIndex"] = index
    yield from _persist(pass_, status)


def write_counts(pass_: Reconciliation) -> Writing:
    """The status after scaling only: everything else stays."""
    status = normal(pass_.rollout.status)
    status["availableReplicas"] = sum(one.available for one in pass_.all_replica_sets())
    status["HPAReplicas"] = sum(one.replicas for one in pass_.all_replica_sets())
    yield from _persist(pass_, status)


def write_pause_conditions(pass_: Reconciliation) -> Asking:
    """Bring the conditions up to the pauses, in a write of its own before anything else; whether there was one."""
    rollout = pass_.rollout
    if not rollout.observed:
        return False
    present = rollout.status.get("conditions", [])
    reason = conditions.reason_of(present, "Progressing")
    is_paused = bool(rollout.pause_conditions) or rollout.paused
    was_aborted = reason == "RolloutAborted"
    made, now = present, pass_.now
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
    _set_phase(pass_, status)
    return (yield from _patch(pass_, status))


def write_invalid(pass_: Reconciliation, complaint: str) -> Writing:
    rollout = pass_.rollout
    status = normal(rollout.status)
    message = f'The Rollout "{rollout.name}" is invalid: {complaint}'
    previous = find(status.get("conditions", []), "InvalidSpec")
    renew = previous is not None and previous["message"] != message
    status["conditions"], _ = put(
        status.get("conditions", []), "InvalidSpec", "True", "InvalidSpec", message, pass_.now, renew=renew
    )
    status["observedGeneration"] = str(rollout.generation)
    _set_phase(pass_, status)
    yield from _patch(pass_, status)


def normal(status: Status) -> Status:
    """A status as Argo's types hold it: zero, false and empty are absent, but for the index and the two structs."""
    kept = ("currentStepIndex", "blueGreen", "canary")
    return {key: value for key, value in status.items() if key in kept or value not in (0, False, "", [], {}, None)}


def _base(pass_: Reconciliation) -> Status:
    rollout, everything = pass_.rollout, pass_.all_replica_sets()
    before = rollout.status
    match = (rollout.selector.get("matchLabels") or {}).items()
    status: Status = {
        "blueGreen": {},
        "canary": _canary(pass_),
        "conditions": conditions.without(before.get("conditions", []), "InvalidSpec"),
        "currentPodHash": pass_.new.hash if pass_.new else rollout.pod_hash,
        "currentStepHash": rollout.step_hash,
        "stableRS": rollout.stable_hash,
        "promoteFull": before.get("promoteFull", False),
        "replicas": sum(one.replicas for one in everything),
        "updatedReplicas": pass_.new.replicas if pass_.new else 0,
        "readyReplicas": sum(one.ready for one in everything),
        "availableReplicas": sum(one.available for one in everything),
        "selector": ",".join(f"{key}={value}" for key, value in sorted(match)),
    }
    return status | {"HPAReplicas": status["replicas"]}


def _canary(pass_: Reconciliation) -> Status:
    """What the status says of the canary: its weights, its AnalysisRuns and its Experiment."""
    canary: Status = dict(pass_.analysis)
    if pass_.weights is not None:
        canary["weights"] = pass_.weights
    if pass_.rollout.stable_ping_pong:
        canary["stablePingPong"] = pass_.rollout.stable_ping_pong
    if pass_.experiment is not None and experiments.runs(pass_.experiment):
        canary["currentExperiment"] = pass_.experiment["metadata"]["name"]
    return canary


def _promotable(pass_: Reconciliation) -> str:
    """Why the new ReplicaSet becomes the stable one now, or nothing where it does not."""
    rollout, new = pass_.rollout, pass_.new
    if pass_.stable is None:
        return "Initial deploy"
    if pass_.aborted or new is None or new.available < rollout.replicas:
        return ""
    if rollout.status.get("promoteFull"):
        return "Full promotion requested"
    done = rollout.stable_hash == new.hash or rollout.index >= len(rollout.steps)
    return f"Completed all {len(rollout.steps)} canary steps" if done else ""


def _promote(pass_: Reconciliation, status: Status, reason: str) -> None:
    """Only the first time that it is promoted is told."""
    current = status["currentPodHash"]
    if status.get("stableRS") != current:
        revision = pass_.rollout.revision
        message = f"Rollout completed update to revision {revision} ({current}): {reason}"
        pass_.record("Normal", "RolloutCompleted", message)
        if pass_.rollout.ping_pong:
            status["canary"]["stablePingPong"] = "pong" if pass_.rollout.stable_ping_pong == "ping" else "ping"
    status["stableRS"] = current


def _step_name(step: Object) -> str:
    if "setWeight" in step:
        return f"setWeight: {step['setWeight']}"
    duration = (step.get("pause") or {}).get("duration")
    return f"pause: {duration}" if duration is not None else next(iter(step), "")


def _step_completed(pass_: Reconciliation) -> bool:
    rollout, step = pass_.rollout, pass_.rollout.step
    if rollout.paused or step is None:
        return False
    if "pause" in step:
        return _pause_completed(pass_)
    if step.keys() & set(ROUTES):
        return True
    if "analysis" in step:
        return ((pass_.step_run or {}).get("status") or {}).get("phase") == "Successful"
    if "experiment" in step:
        return ((pass_.experiment or {}).get("status") or {}).get("phase") == "Successful"
    return scale.at_desired_counts(rollout, pass_.new, pass_.stable, pass_.others)


def _pause_completed(pass_: Reconciliation) -> bool:
    """Somebody took the pause condition away, or its time is over."""
    rollout = pass_.rollout
    if rollout.pause_condition("CanaryPauseStep") is None:
        return bool(rollout.status.get("controllerPause"))
    end = pause_end(rollout)
    return end is not None and pass_.now > end


def _persist(pass_: Reconciliation, status: Status) -> Writing:
    rollout = pass_.rollout
    status["observedGeneration"] = str(rollout.generation)
    status.pop("workloadObservedGeneration", None)
    if rollout.resolved:
        status["workloadObservedGeneration"] = rollout.annotations.get(WORKLOAD_GENERATION, "")
    _abort_at_deadline(pass_, status)
    _set_pauses(pass_, status)
    _set_conditions(pass_, status)
    _set_phase(pass_, status)
    if not (yield from _patch(pass_, status)):
        _look_for_no_progress(pass_, status)
        return
    pauses = status.get("pauseConditions") or []
    if bool(rollout.pause_conditions) != bool(pauses):
        if pauses:
            pass_.record("Normal", "RolloutPaused", f"Rollout is paused ({pauses[0]['reason']})")
        elif "abortedAt" not in status:
            pass_.record("Normal", "RolloutResumed", "Rollout is resumed")


def _abort_at_deadline(pass_: Reconciliation, status: Status) -> None:
    rollout = pass_.rollout
    if not rollout.spec.get("progressDeadlineAbort") or pass_.aborted or conditions.completed(status):
        return
    if conditions.progressing(rollout.status, status) or pass_.indefinite or waiting_for_scale_down(pass_):
        return
    if conditions.timed_out(rollout, rollout.status.get("conditions", []), pass_.now):
        pass_.intent.add_abort = True
        pass_.intent.abort_message = _timeout_message(pass_)
        pass_.record("Warning", "RolloutAborted", pass_.intent.abort_message)


def _set_pauses(pass_: Reconciliation, status: Status) -> None:
    before, intent = pass_.rollout.status, pass_.intent
    for key in ("abort", "abortedAt", "pauseConditions", "controllerPause"):
        status.pop(key, None)
    if pass_.aborted:
        status |= {"abort": True, "abortedAt": before.get("abortedAt") or timestamp(pass_.now)}
        return
    if intent.clear_pauses:
        return
    present = pass_.rollout.pause_conditions
    kept = [condition for condition in present if condition.get("reason") not in intent.remove_pauses]
    known = {condition.get("reason") for condition in present}
    added = [
        {"reason": reason, "startTime": timestamp(pass_.now)} for reason in intent.add_pauses if reason not in known
    ]
    if kept or added:
        status["pauseConditions"] = kept + added
        status["controllerPause"] = bool(before.get("controllerPause")) or bool(added)


def _set_conditions(pass_: Reconciliation, status: Status) -> None:
    rollout, now = pass_.rollout, pass_.now
    made = status.get("conditions", [])
    is_paused = bool(status.get("pauseConditions")) or rollout.paused
    is_healthy = conditions.healthy(rollout, status)
    became_unhealthy = False
    if is_healthy and not is_paused:
        made, _ = put(made, "Healthy", "True", "RolloutHealthy", "Rollout is healthy", now)
    elif find(rollout.status.get("conditions", []), "Healthy"):
        made, became_unhealthy = put(made, "Healthy", "False", "RolloutHealthy", "Rollout is not healthy", now)
    if pass_.aborted:
        message = f"Rollout aborted update to revision {rollout.revision}"
        if pass_.intent.abort_message:
            message = f"{message}: {pass_.intent.abort_message}"
        made, is_new = put(made, "Progressing", "False", "RolloutAborted", message, now)
        if is_new:
            pass_.record("Warning", "RolloutAborted", message)
    else:
        made = _with_progress(pass_, status, made, is_healthy=is_healthy, became_unhealthy=became_unhealthy)
    enough = sum(one.available for one in pass_.all_replica_sets()) >= rollout.replicas
    word, verb = ("True", "has") if enough else ("False", "does not have")
    made, _ = put(made, "Available", word, "AvailableReason", f"Rollout {verb} minimum availability", now)
    word = "True" if conditions.completed(status) else "False"
    made, is_new = put(made, "Completed", word, "RolloutCompleted", "RolloutCompleted", now)
    if is_new and word == "False":
        hash_ = status["currentPodHash"]
        message = f"Rollout not completed, started update to revision {rollout.revision} ({hash_})"
        pass_.record("Normal", "RolloutNotCompleted", message)
    status["conditions"] = made


def _with_progress(
    pass_: Reconciliation, status: Status, made: list[Object], *, is_healthy: bool, became_unhealthy: bool
) -> list[Object]:
    name = pass_.new.name if pass_.new else ""
    now = pass_.now
    if is_healthy:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return put(made, "Progressing", "True", "NewReplicaSetAvailable", message, now)[0]
    if conditions.progressing(pass_.rollout.status, status) or became_unhealthy:
        reason, message = "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
        if became_unhealthy and status.get("stableRS") == status["currentPodHash"]:
            reason, message = "ReplicaSetNotAvailable", "Rollout does not have minimum availability"
        return put(made, "Progressing", "True", reason, message, now, renew=True)[0]
    stuck = not pass_.indefinite and not waiting_for_scale_down(pass_)
    if stuck and conditions.timed_out(pass_.rollout, made, now):
        return put(made, "Progressing", "False", "ProgressDeadlineExceeded", _timeout_message(pass_), now)[0]
    return made


def _timeout_message(pass_: Reconciliation) -> str:
    return f'ReplicaSet "{pass_.new.name if pass_.new else ""}" has timed out progressing.'


def _set_phase(pass_: Reconciliation, status: Status) -> None:
    status["phase"], status["message"] = conditions.phase(pass_.rollout, status)


def _patch(pass_: Reconciliation, status: Status) -> Asking:
    """Write only what differs from what was read, so that what others wrote meanwhile stays; whether anything did."""
    patch = merge_patch_between(normal(pass_.rollout.status), normal(status))
    if not patch:
        return False
    rollout = pass_.rollout
    yield
    pass_.modified = True
    pass_.store.modify(
        ROLLOUTS, rollout.namespace, rollout.name, lambda old: apply_merge_patch(old, {"status": patch}), "status"
    )
    return True


def _look_for_no_progress(pass_: Reconciliation, status: Status) -> None:
    """Come back when the progress deadline will be over."""
    rollout = pass_.rollout
    condition = find(rollout.status.get("conditions", []), "Progressing")
    is_paused = bool(rollout.pause_conditions) or rollout.paused
    if condition is None or condition["reason"] == "ProgressDeadlineExceeded" or is_paused:
        return
    if conditions.healthy(rollout, status) or rollout.status.get("abort") or pass_.indefinite:
        return
    left = moment(condition["lastUpdateTime"]) + rollout.progress_deadline - pass_.now
    # nothing left but no timeout means that an older ReplicaSet's delayed end is waited for
    pass_.around.requeue(left + 0.05 if 0 < left < 1.0 else max(left, 0.0) + 1.0)
