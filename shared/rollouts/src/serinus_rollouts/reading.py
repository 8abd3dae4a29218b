"""Reading a Rollout's object, defensively: what is absent is zero, false or unknown.

Rules of reading, learnt from Argo Rollouts 1.9 and later: `observedGeneration` is a string; `controllerPause`
without pause conditions means that a promotion is under way; an abort sets the index to 0; `abort: false` is what a
retry leaves behind; the weights carry the hash that they were set for, and lag behind a new revision. Weights are
parts of `maxTrafficWeight`, here percent.
"""

import math
import re
from collections.abc import Mapping, Sequence, Sized
from typing import Any, TypeVar, cast

from serinus_contracts.events import Phase
from serinus_contracts.weight import percent_of

from serinus_rollouts.rollout import MAX_TROUBLE_LENGTH, ROUTES, Condition, Pause, PingPong, RolloutView, Step

Json = Mapping[str, Any]

# Beyond what anybody writes. The API server takes 1.5 MiB of each object, of which a view is kept for every Rollout.
MAX_STEPS = 500
MAX_LABELS = 200
MAX_CONDITIONS = 50
MAX_NAME_LENGTH = 253
_CONDITION_FIELDS = ("type", "status", "reason", "message")
_PHASES = ("Progressing", "Paused", "Degraded", "Healthy")


def view(document: Json) -> RolloutView:
    """The view of a Rollout object. Raises ValueError if it lacks what every stored object has."""
    metadata, spec, status = (_map(document.get(part)) for part in ("metadata", "spec", "status"))
    try:
        namespace, name, uid = (str(metadata[field]) for field in ("namespace", "name", "uid"))
        resource_version = str(metadata["resourceVersion"])
    except KeyError as error:
        raise ValueError(f"a Rollout without metadata.{error.args[0]}") from None
    canary = _map(_map(spec.get("strategy")).get("canary"))
    routing = _map(canary.get("trafficRouting"))
    # Argo takes 100 where it is absent, and refuses what is no whole number from 1 on.
    max_weight = max(0, _int(routing.get("maxTrafficWeight"))) or 100
    both = _map(_map(status.get("canary")).get("weights"))
    weights, stable_parts = _map(both.get("canary")), _int(_map(both.get("stable")).get("weight"))
    canary_parts = _int(weights.get("weight"))
    generation = _int(metadata.get("generation"))
    phase = status.get("phase")
    return RolloutView(
        namespace=namespace,
        name=name,
        uid=uid,
        labels={str(k): str(v) for k, v in _bounded(_map(metadata.get("labels")), MAX_LABELS, "labels").items()},
        generation=generation,
        revision=_int(_map(metadata.get("annotations")).get("rollout.argoproj.io/revision")) or None,
        resource_version=resource_version,
        observed=_int(status.get("observedGeneration")) == generation and _workload_observed(document),
        phase=cast("Phase", phase) if phase in _PHASES else "Progressing",
        message=str(status.get("message", ""))[:MAX_TROUBLE_LENGTH],
        current_hash=_name(status.get("currentPodHash")),
        stable_hash=_name(status.get("stableRS")),
        step=_int(status.get("currentStepIndex")),
        step_hash=_name(status.get("currentStepHash")),
        steps=[_step(_map(step), max_weight) for step in _bounded(_list(canary.get("steps")), MAX_STEPS, "steps")],
        pauses=[
            Pause(_name(pause.get("reason")), _name(pause.get("startTime")))
            for pause in map(_map, _bounded(_list(status.get("pauseConditions")), MAX_CONDITIONS, "pauses"))
        ],
        controller_pause=status.get("controllerPause") is True,
        spec_paused=spec.get("paused") is True,
        aborted=status.get("abort") is True,
        retried=status.get("abort") is False,
        routed=bool(routing),
        canary_weight=percent_of(canary_parts, max_weight) if "weight" in weights else None,
        weight_hash=_name(weights.get("podTemplateHash")),
        conditions=[
            Condition(*(str(condition.get(key, ""))[:MAX_TROUBLE_LENGTH] for key in _CONDITION_FIELDS))
            for condition in map(_map, _bounded(_list(status.get("conditions")), MAX_CONDITIONS, "conditions"))
        ],
        max_weight=max_weight,
        split=percent_of(canary_parts, canary_parts + stable_parts) if canary_parts + stable_parts > 0 else None,
        routers=tuple(
            sorted(
                {_name(one) for one in _bounded(routing, MAX_LABELS, "ways of traffic")}
                - {"managedRoutes", "maxTrafficWeight"}
            )
        ),
        ping_pong=_ping_pong(canary, _map(status.get("canary"))),
        updated_replicas=_int(status.get("updatedReplicas")),
        grpc=_grpc(_map(_map(spec.get("template")).get("spec"))),
    )


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def _grpc(pod: Json) -> str:
    """What of a pod's containers says that they speak gRPC: a port's name, as meshes read it, or a probe."""
    for container in map(_map, _list(pod.get("containers"))):
        for port in map(_map, _list(container.get("ports"))):
            name = str(port.get("name", ""))
            if name == "grpc" or name.startswith("grpc-"):
                return f"port {name}"
        for probe in _PROBES:
            if "grpc" in _map(container.get(probe)):
                return f"its {probe}"
    return ""


def _workload_observed(document: Json) -> bool:
    """With a workloadRef the Rollout's generation stays; an annotation tells that the workload has moved on."""
    annotations = _map(_map(document.get("metadata")).get("annotations"))
    wanted = annotations.get("rollout.argoproj.io/workload-generation")
    if wanted is None or not _map(document.get("spec")).get("workloadRef"):
        return True
    return str(_map(document.get("status")).get("workloadObservedGeneration", "")) == str(wanted)


def _ping_pong(canary: Json, status: Json) -> PingPong | None:
    names = _map(canary.get("pingPong"))
    if not names:
        return None
    ping, pong = _name(names.get("pingService")), _name(names.get("pongService"))
    fixed = _name(canary.get("canaryService")), _name(canary.get("stableService"))
    # Until the first deploy it is absent, and pong serves stable.
    return PingPong(pong, ping, fixed) if status.get("stablePingPong") == "ping" else PingPong(ping, pong, fixed)


def _step(step: Json, max_weight: int) -> Step:
    if "setWeight" in step:
        return Step("setWeight", weight=percent_of(_int(step["setWeight"]), max_weight))
    for kind in ROUTES:
        if kind in step:
            asked = _map(step[kind])
            return Step(kind, route=_name(asked.get("name")), removes=asked.get("match") is None)
    if "pause" in step:
        return Step("pause", timed=_map(step["pause"]).get("duration") is not None)
    return Step(_name(next(iter(step), "unknown")))


B = TypeVar("B", bound=Sized)


def _bounded(value: B, most: int, what: str) -> B:
    if len(value) > most:
        raise ValueError(f"it has {len(value):,} {what}, at most {most} are read")
    return value


def _name(value: object) -> str:
    """A name or hash, which will stand in keys and events; empty where there is none."""
    text = str(value) if isinstance(value, str | int) else ""
    if len(text) > MAX_NAME_LENGTH:
        raise ValueError(f"{text[:40]}... has {len(text):,} characters, a name or hash at most {MAX_NAME_LENGTH}")
    return text


def _map(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _int(value: object) -> int:
    """A whole number, also as text; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int | float):
        return int(value) if math.isfinite(value) else 0
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value) else 0
