"""The conditions of a Rollout's status: Healthy, Progressing, Available, Completed."""

from __future__ import annotations

from typing import Any

from serinus_simulator.argo import conditions
from serinus_simulator.argo.conditions import find, put
from serinus_simulator.argo.context import Context
from serinus_simulator.argo.replicasets import waiting_for_scale_down
from serinus_simulator.kubernetes.kinds import Object

Status = dict[str, Any]


def set_conditions(context: Context, status: Status) -> None:
    """Bring the conditions of a status that is about to be written up to what it says, with their Events."""
    rollout, now = context.rollout, context.now
    made = status.get("conditions", [])
    is_paused = bool(status.get("pauseConditions")) or rollout.paused
    is_healthy = conditions.healthy(rollout, status)
    became_unhealthy = False
    if is_healthy and not is_paused:
        made, _ = put(made, "Healthy", "True", "RolloutHealthy", "Rollout is healthy", now)
    elif find(rollout.status.get("conditions", []), "Healthy"):
        made, became_unhealthy = put(made, "Healthy", "False", "RolloutHealthy", "Rollout is not healthy", now)
    if context.aborted:
        message = f"Rollout aborted update to revision {rollout.revision}"
        if context.intent.abort_message:
            message = f"{message}: {context.intent.abort_message}"
        made, is_new = put(made, "Progressing", "False", "RolloutAborted", message, now)
        if is_new:
            context.record("Warning", "RolloutAborted", message)
    else:
        made = _with_progress(context, status, made, is_healthy=is_healthy, became_unhealthy=became_unhealthy)
    enough = sum(one.available for one in context.all_replica_sets()) >= rollout.replicas
    word, verb = ("True", "has") if enough else ("False", "does not have")
    made, _ = put(made, "Available", word, "AvailableReason", f"Rollout {verb} minimum availability", now)
    word = "True" if conditions.completed(status) else "False"
    made, is_new = put(made, "Completed", word, "RolloutCompleted", "RolloutCompleted", now)
    if is_new and word == "False":
        hash_ = status["currentPodHash"]
        message = f"Rollout not completed, started update to revision {rollout.revision} ({hash_})"
        context.record("Normal", "RolloutNotCompleted", message)
    status["conditions"] = made


def _with_progress(
    context: Context, status: Status, made: list[Object], *, is_healthy: bool, became_unhealthy: bool
) -> list[Object]:
    name = context.new.name if context.new else ""
    now = context.now
    if is_healthy:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return put(made, "Progressing", "True", "NewReplicaSetAvailable", message, now)[0]
    if conditions.progressing(context.rollout.status, status) or became_unhealthy:
        reason, message = "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.'
        if became_unhealthy and status.get("stableRS") == status["currentPodHash"]:
            reason, message = "ReplicaSetNotAvailable", "Rollout does not have minimum availability"
        return put(made, "Progressing", "True", reason, message, now, renew=True)[0]
    stuck = not context.indefinite and not waiting_for_scale_down(context)
    if stuck and conditions.timed_out(context.rollout, made, now):
        return put(made, "Progressing", "False", "ProgressDeadlineExceeded", timeout_message(context), now)[0]
    return made


def timeout_message(context: Context) -> str:
    """What is said of a ReplicaSet that made no progress until its deadline."""
    return f'ReplicaSet "{context.new.name if context.new else ""}" has timed out progressing.'
