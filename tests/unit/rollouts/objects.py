"""Rollout objects as an API server gives them, for tests that need one at some point of its way."""

from typing import Any

from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView

STEPS: list[dict[str, Any]] = [
    {"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}},
]  # fmt: skip
PAUSED_AT = "1970-01-01T00:16:39Z"


def document(**changes: Any) -> dict[str, Any]:
    """Paused at the first gate. `status` and `spec` are merged, None removes a field."""
    metadata = {
        "namespace": "shop", "name": "checkout", "uid": "u-1", "generation": 3, "resourceVersion": "100",
    }  # fmt: skip
    spec = {"replicas": 4, "strategy": {"canary": {"steps": STEPS, "trafficRouting": {"nginx": {}}}}}
    status = {
        "phase": "Paused",
        "message": "CanaryPauseStep",
        "observedGeneration": "3",
        "currentPodHash": "new",
        "stableRS": "old",
        "currentStepIndex": 1,
        "currentStepHash": "s1",
        "controllerPause": True,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": PAUSED_AT}],
        "canary": {"weights": {"canary": {"weight": 5, "podTemplateHash": "new"}}},
    }
    merged = {"metadata": metadata, "spec": spec, "status": status}
    for part, wanted in changes.items():
        for name, value in wanted.items():
            if value is None:
                merged[part].pop(name, None)
            else:
                merged[part][name] = value
    return merged


def at(**changes: Any) -> RolloutView:
    return view(document(**changes))


def step(index: int, weight: int, **changes: Any) -> RolloutView:
    """Paused at the gate of another stage."""
    canary = {"weights": {"canary": {"weight": weight, "podTemplateHash": "new"}}}
    status = {"currentStepIndex": index, "canary": canary, **changes.pop("status", {})}
    return at(status=status, **changes)


INVALID = {
    "phase": "Degraded",
    "conditions": [
        {"type": "InvalidSpec", "status": "True", "reason": "InvalidSpec", "message": "no canary Service"}
    ],
}  # fmt: skip
UNPAUSING = {"pauseConditions": None}
ABORTED = {
    "abort": True, "phase": "Degraded", "currentStepIndex": 0, "pauseConditions": None, "controllerPause": None,
    "canary": {"weights": {"canary": {"weight": 0, "podTemplateHash": "new"}}},
}  # fmt: skip
