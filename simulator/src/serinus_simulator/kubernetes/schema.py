"""The part of a structural schema that callers feel: wrong types are refused, unknown fields dropped without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Cause = dict[str, str]


@dataclass(frozen=True)
class Scalar:
    """A value of one of the named JSON types."""

    name: str
    types: tuple[type, ...]


ANY = Scalar("any", ())
BOOLEAN = Scalar("boolean", (bool,))
INTEGER = Scalar("integer", (int,))
STRING = Scalar("string", (str,))
INT_OR_STRING = Scalar("integer or string", (int, str))

Schema = Scalar | dict[str, Any] | list[Any]
"""A scalar, an object by its fields, or a list by the schema of its items."""


def conform(value: Any, schema: Schema, path: str, causes: list[Cause]) -> Any:
    """The value without what the schema does not know; what has a wrong type is added to `causes`."""
    if schema is ANY:
        return value
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            causes.append(_wrong_type(path, "object", value))
            return value
        return {
            key: conform(inner, schema[key], f"{path}.{key}", causes)
            for key, inner in value.items()
            if key in schema and inner is not None
        }
    if isinstance(schema, list):
        if not isinstance(value, list):
            causes.append(_wrong_type(path, "array", value))
            return value
        return [conform(inner, schema[0], f"{path}[{index}]", causes) for index, inner in enumerate(value)]
    fits = isinstance(value, schema.types) and (not isinstance(value, bool) or bool in schema.types)
    if not fits:
        causes.append(_wrong_type(path, schema.name, value))
    return value


UNCHECKED: Cause = {
    "reason": "FieldValueInvalid",
    "message": "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "field": "<nil>",
}


def _wrong_type(path: str, expected: str, value: Any) -> Cause:
    found = _json_type(value)
    shown = path.removeprefix("status.")
    return {
        "reason": "FieldValueTypeInvalid",
        "message": f'Invalid value: "{found}": {shown} in body must be of type {expected}: "{found}"',
        "field": path,
    }


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")


_STEP: dict[str, Any] = {
    "setWeight": INTEGER,
    "pause": {"duration": INT_OR_STRING},
    "setCanaryScale": ANY,
    "experiment": ANY,
    "analysis": ANY,
    "setHeaderRoute": ANY,
    "setMirrorRoute": ANY,
    "plugin": ANY,
}
_CANARY: dict[str, Any] = {
    "canaryService": STRING,
    "stableService": STRING,
    "steps": [_STEP],
    "trafficRouting": ANY,
    "maxSurge": INT_OR_STRING,
    "maxUnavailable": INT_OR_STRING,
    "scaleDownDelaySeconds": INTEGER,
    "abortScaleDownDelaySeconds": INTEGER,
    "scaleDownDelayRevisionLimit": INTEGER,
    "dynamicStableScale": BOOLEAN,
    "minPodsPerReplicaSet": INTEGER,
    "canaryMetadata": ANY,
    "stableMetadata": ANY,
    "antiAffinity": ANY,
    "analysis": ANY,
    "pingPong": ANY,
    "replicaProgressThreshold": ANY,
}
ROLLOUT: dict[str, Any] = {
    "spec": {
        "replicas": INTEGER,
        "paused": BOOLEAN,
        "restartAt": STRING,
        "minReadySeconds": INTEGER,
        "revisionHistoryLimit": INTEGER,
        "progressDeadlineSeconds": INTEGER,
        "progressDeadlineAbort": BOOLEAN,
        "rollbackWindow": {"revisions": INTEGER},
        "selector": ANY,
        "template": ANY,
        "workloadRef": {"apiVersion": STRING, "kind": STRING, "name": STRING, "scaleDown": STRING},
        "analysis": ANY,
        "strategy": {"blueGreen": ANY, "canary": _CANARY},
    },
    "status": {
        "HPAReplicas": INTEGER,
        "abort": BOOLEAN,
        "abortedAt": STRING,
        "alb": ANY,
        "albs": ANY,
        "availableReplicas": INTEGER,
        "blueGreen": ANY,
        "canary": ANY,
        "collisionCount": INTEGER,
        "conditions": [ANY],
        "controllerPause": BOOLEAN,
        "currentPodHash": STRING,
        "currentStepHash": STRING,
        "currentStepIndex": INTEGER,
        "duration": ANY,
        "message": STRING,
        "observedGeneration": STRING,
        "pauseConditions": [{"reason": STRING, "startTime": STRING}],
        "phase": STRING,
        "promoteFull": BOOLEAN,
        "readyReplicas": INTEGER,
        "replicas": INTEGER,
        "restartedAt": STRING,
        "selector": STRING,
        "stableRS": STRING,
        "updatedReplicas": INTEGER,
        "workloadObservedGeneration": STRING,
    },
}
