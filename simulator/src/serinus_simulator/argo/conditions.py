"""The condition list of a Rollout, its phase and its message."""

from __future__ import annotations

from typing import Any

from serinus_simulator.argo.view import RolloutView
from serinus_simulator.clock import moment, timestamp
from serinus_simulator.kubernetes.kinds import Object

Conditions = list[Object]


def find(conditions: Conditions, kind: str) -> Object | None:
    """None if there is none of this kind."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def reason_of(conditions: Conditions, kind: str) -> str:
    """Empty if there is none of this kind."""
    condition = find(conditions, kind)
    return condition["reason"] if condition else ""


def put(
    conditions: Conditions, kind: str, status: str, reason: str, message: str, now: float, *, renew: bool = False
) -> tuple[Conditions, bool]:
    """The list with this condition at its end, and whether it changed.

    One with the same status and reason stays as it is, unless it is to be renewed: progress counts from its last
    update. The time of the transition stays as long as the status does.
    """
    present = find(conditions, kind)
    if present and present["status"] == status and present["reason"] == reason and not renew:
        return conditions, False
    made = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": timestamp(now),
        "lastTransitionTime": timestamp(now),
    }
    if present and present["status"] == status:
        made["lastTransitionTime"] = present["lastTransitionTime"]
    return [condition for condition in conditions if condition["type"] != kind] + [made], True


def without(conditions: Conditions, kind: str) -> Conditions:
    """All but those of this type."""
    return [condition for condition in conditions if condition["type"] != kind]


def phase(rollout: RolloutView, status: dict[str, Any]) -> tuple[str, str]:
    """The phase and the message of a status."""
    for condition in status.get("conditions", []):
        if condition["type"] == "InvalidSpec":
            return "Degraded", f"InvalidSpec: {condition['message']}"
        if condition["reason"] in ("RolloutAborted", "ProgressDeadlineExceeded"):
            return "Degraded", f"{condition['reason']}: {condition['message']}"
    if rollout.paused:
        return "Paused", "manually paused"
    if pauses := status.get("pauseConditions"):
        return "Paused", pauses[0]["reason"]
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < rollout.replicas:
        return "Progressing", "more replicas need to be updated"
    if available < updated:
        return "Progressing", "updated replicas are still becoming available"
    if rollout.routing is None and status.get("replicas", 0) > updated:
        return "Progressing", "old replicas are pending termination"
    if not status.get("stableRS") or status["stableRS"] != status.get("currentPodHash"):
        return "Progressing", "waiting for all steps to complete"
    return "Healthy", ""


def completed(status: dict[str, Any]) -> bool:
    """Whether the canary has become stable."""
    return bool(status.get("stableRS")) and status["stableRS"] == status.get("currentPodHash")


def healthy(rollout: RolloutView, status: dict[str, Any]) -> bool:
    """Everything promoted, all pods there, no old ones left, and the spec seen."""
    index = status.get("currentStepIndex")
    done = not rollout.steps or index is None or index == len(rollout.steps)
    numbers = {status.get(key, 0) for key in ("updatedReplicas", "availableReplicas", "replicas")}
    return done and completed(status) and numbers == {rollout.replicas} and rollout.observed


def progressing(before: dict[str, Any], status: dict[str, Any]) -> bool:
    """Whether anything moved forward between two statuses."""

    def number(of: dict[str, Any], key: str) -> int:
        return int(of.get(key) or 0)

    old_before = number(before, "replicas") - number(before, "updatedReplicas")
    old_now = number(status, "replicas") - number(status, "updatedReplicas")
    both_known = None not in (status.get("currentStepIndex"), before.get("currentStepIndex"))
    return (
        number(status, "updatedReplicas") != number(before, "updatedReplicas")
        or old_now < old_before
        or number(status, "readyReplicas") > number(before, "readyReplicas")
        or number(status, "availableReplicas") > number(before, "availableReplicas")
        or status.get("stableRS", "") != before.get("stableRS", "")
        or (both_known and status["currentStepIndex"] != before["currentStepIndex"])
        or status.get("currentStepHash", "") != before.get("currentStepHash", "")
    )


def timed_out(rollout: RolloutView, conditions: Conditions, now: float) -> bool:
    """Whether no progress was made for longer than `progressDeadlineSeconds`."""
    condition = find(conditions, "Progressing")
    if condition is None or condition["reason"] in ("RolloutAborted", "RolloutPaused"):
        return False
    if condition["reason"] == "ProgressDeadlineExceeded":
        return True
    return moment(condition["lastUpdateTime"]) + rollout.progress_deadline < now
