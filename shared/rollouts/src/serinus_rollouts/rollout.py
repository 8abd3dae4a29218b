"""A Rollout as Argo's controller shows it, read defensively: what is absent is zero, false or unknown.

Rules of reading, learnt from Argo Rollouts 1.9 and later: `observedGeneration` is a string; `controllerPause`
without pause conditions means that a promotion is under way; an abort sets the index to 0; `abort: false` is what a
retry leaves behind; the weights carry the hash that they were set for, and lag behind a new revision. Weights are
parts of `maxTrafficWeight`, here percent.
"""

import math
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from serinus_contracts.base import Millis
from serinus_contracts.events import Phase, Route
from serinus_contracts.weight import percent_of

Json = Mapping[str, Any]

MAX_TROUBLE_LENGTH = 1_000
# Beyond what anybody writes. The API server takes 1.5 MiB of each object, of which a view is kept for every Rollout.
MAX_STEPS = 500
MAX_LABELS = 200
MAX_CONDITIONS = 50
MAX_NAME_LENGTH = 253
_TROUBLE = ("RolloutAborted", "ProgressDeadlineExceeded")
_CONDITION_FIELDS = ("type", "status", "reason", "message")
_PHASES = ("Progressing", "Paused", "Degraded", "Healthy")


@dataclass(frozen=True)
class Step:
    """One canary step: a change of weight, a pause (without end, or timed), or something else that Argo runs.

    `route` is what a setMirrorRoute or setHeaderRoute sets by its name, `removes` tells that it takes it away.
    """

    kind: str
    weight: float | None = None
    timed: bool = False
    route: str = ""
    removes: bool = False

    @property
    def gate(self) -> bool:
        return self.kind == "pause" and not self.timed


@dataclass(frozen=True)
class Pause:
    reason: str
    started: str

    @property
    def started_ms(self) -> Millis:
        """No later than this the pause had begun: Argo writes whole seconds, rounded down."""
        return parse_time(self.started) + 1000


@dataclass(frozen=True)
class Condition:
    """One of Argo's conditions. `status` is True, False or Unknown, as text."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class PingPong:
    """The Services of a Rollout with `pingPong`, whose roles Argo exchanges when a release is promoted.

    `fixed` are its canaryService and stableService, if it has them: their roles stay.
    """

    canary: str
    stable: str
    fixed: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class RolloutView:
    """What Serinus reads of a Rollout.

    `canary_weight` and the weights of steps are percent of all traffic, Argo's `max_weight` parts are 100 of them;
    `split` is the canary's percent of what it and stable get, less than all where an experiment gets some too.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    generation: int
    revision: int | None
    resource_version: str
    observed: bool
    phase: Phase
    message: str
    current_hash: str
    stable_hash: str
    step: int
    step_hash: str
    steps: Sequence[Step]
    pauses: Sequence[Pause]
    controller_pause: bool
    spec_paused: bool
    aborted: bool
    retried: bool
    routed: bool
    canary_weight: float | None
    weight_hash: str
    conditions: Sequence[Condition] = ()
    max_weight: int = 100
    split: float | None = None
    routers: tuple[str, ...] = ()
    ping_pong: PingPong | None = None
    updated_replicas: int = 0

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def invalid(self) -> bool:
        """Argo does nothing at all, and heeds neither an abort nor a promotion, until its spec is mended."""
        return any(condition.type == "InvalidSpec" for condition in self.conditions)

    @property
    def trouble(self) -> str:
        """What Argo says is wrong, in its words; empty if nothing is.

        Its own message will not do: a reminder takes its place.
        """
        # What keeps Argo from doing anything comes first.
        for condition in sorted(self.conditions, key=lambda one: one.type != "InvalidSpec"):
            if condition.type == "InvalidSpec" or condition.reason in _TROUBLE:
                return f"{condition.reason}: {condition.message}"[:MAX_TROUBLE_LENGTH]
        return ""

    @property
    def back_on_stable(self) -> bool:
        """An abort has been carried out: no traffic goes to the canary any more.

        Argo shows Degraded before that, and does not even begin while the spec is invalid. Without traffic routing the
        canary's pods are its traffic, the unready ones too, which may become ready.
        """
        there = self.canary_weight if self.routed else self.updated_replicas
        return self.aborted and self.phase == "Degraded" and not there

    @property
    def releasing(self) -> bool:
        """A new template is on its way next to a stable one."""
        return bool(self.current_hash and self.stable_hash) and self.current_hash != self.stable_hash

    @property
    def current_step(self) -> Step | None:
        return self.steps[self.step] if 0 <= self.step < len(self.steps) else None

    @property
    def at_gate(self) -> bool:
        """Waits at a pause without end, and nothing is under way that a promotion would run into."""
        step = self.current_step
        return (
            self.observed
            and self.phase == "Paused"
            and not self.aborted
            and not self.spec_paused
            and step is not None
            and step.gate
            and len(self.pauses) == 1
            and self.pauses[0].reason == "CanaryPauseStep"
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        """What steps up to this one have set beside the weight and none before it has taken away."""
        if self.aborted or not self.releasing:
            return ()
        kinds: dict[tuple[str, str], Route] = {}
        for index, step in enumerate(self.steps[: self.step + 1]):
            if step.kind not in _ROUTES:
                continue
            if not step.removes:
                kinds[step.kind, step.route] = _ROUTES[step.kind]
            elif index < self.step:
                kinds.pop((step.kind, step.route), None)
        return tuple(sorted(set(kinds.values())))

    @property
    def unpausing(self) -> bool:
        """A promotion was taken and not yet carried out."""
        return self.controller_pause and not self.pauses


def parse_time(text: str) -> Millis:
    """Milliseconds of an RFC 3339 time as Kubernetes writes it; 0 for none."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    return max(0, int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000))


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
    )


def _workload_observed(document: Json) -> bool:
    """With a workloadRef the Rollout's generation stays; an annotation tells that the workload has moved on."""
    annotations = _map(_map(document.get("metadata")).get("annotations"))
    wanted = annotations.get("rollout.argoproj.io/workload-generation")
    if wanted is None or not _map(document.get("spec")).get("workloadRef"):
        return True
    return str(_map(document.get("status")).get("workloadObservedGeneration", "")) == str(wanted)


_ROUTES: Mapping[str, Route] = {"setMirrorRoute": "mirror", "setHeaderRoute": "header"}


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
    for kind in _ROUTES:
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
