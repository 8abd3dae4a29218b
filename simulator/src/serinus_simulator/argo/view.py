"""Rollouts and ReplicaSets as Argo reads them: plain objects with names for what they hold."""

from __future__ import annotations

import re
from functools import cached_property

from serinus_simulator.argo.hashing import pod_hash, step_hash
from serinus_simulator.clock import moment
from serinus_simulator.kubernetes.kinds import Object

HASH_LABEL = "rollouts-pod-template-hash"
REVISION = "rollout.argoproj.io/revision"
REVISION_HISTORY = "rollout.argoproj.io/revision-history"
DESIRED_REPLICAS = "rollout.argoproj.io/desired-replicas"
WORKLOAD_GENERATION = "rollout.argoproj.io/workload-generation"
SCALE_DOWN_DEADLINE = "scale-down-deadline"
MANAGED_BY = "argo-rollouts.argoproj.io/managed-by-rollouts"
Key = tuple[str, str]
"""Namespace and name of a Rollout."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class _View:
    """What a Rollout and its ReplicaSets have alike."""

    def __init__(self, obj: Object) -> None:
        self.object = obj
        self.metadata: Object = obj["metadata"]

    @property
    def name(self) -> str:
        """Of the object."""
        return str(self.metadata["name"])

    @property
    def annotations(self) -> dict[str, str]:
        """Empty where there are none."""
        return self.metadata.get("annotations") or {}

    @property
    def revision(self) -> int:
        """0 where none is noted yet."""
        return int(self.annotations.get(REVISION, "0"))


class RolloutView(_View):
    """One Rollout as it was read. `template` and `selector` may come from the Deployment it refers to."""

    def __init__(self, obj: Object, workload: Object | None = None) -> None:
        super().__init__(obj)
        self.spec: Object = obj.get("spec") or {}
        self.status: Object = obj.get("status") or {}
        self.canary: Object = (self.spec.get("strategy") or {}).get("canary") or {}
        source = self.spec if workload is None else (workload.get("spec") or {})
        self.template: Object = source.get("template") or {}
        self.selector: Object = self.spec.get("selector") or source.get("selector") or {}
        self.resolved = workload is not None

    @property
    def namespace(self) -> str:
        """Of the object."""
        return str(self.metadata["namespace"])

    @property
    def uid(self) -> str:
        """Of the object."""
        return str(self.metadata["uid"])

    @property
    def generation(self) -> int:
        """Of the spec."""
        return int(self.metadata["generation"])

    @property
    def observed(self) -> bool:
        """Whether Argo has seen this generation."""
        return bool(self.status.get("observedGeneration") == str(self.generation))

    @property
    def replicas(self) -> int:
        """Pods that are wanted, 1 by default."""
        return int(self.spec.get("replicas", 1))

    @property
    def paused(self) -> bool:
        """Whether a person has paused it by its spec."""
        return bool(self.spec.get("paused"))

    @property
    def progress_deadline(self) -> int:
        """Seconds without progress after which the rollout counts as stuck."""
        return int(self.spec.get("progressDeadlineSeconds", 600))

    @property
    def routing(self) -> Object | None:
        """`trafficRouting`, None without."""
        return self.canary.get("trafficRouting") or None

    @property
    def max_weight(self) -> int:
        """The parts of all traffic, which weights are counted in."""
        return int((self.routing or {}).get("maxTrafficWeight") or 100)

    @property
    def stable_ping_pong(self) -> str:
        """Which of the two Services is stable, `ping` or `pong`; empty without them."""
        return str((self.status.get("canary") or {}).get("stablePingPong", ""))

    @property
    def ping_pong(self) -> Object:
        """The two Services that change their roles; empty without."""
        return self.canary.get("pingPong") or {}

    @property
    def stable_service(self) -> str:
        """The name; empty where none is named."""
        if self.ping_pong:
            return str(self.ping_pong["pingService" if self.stable_ping_pong == "ping" else "pongService"])
        return str(self.canary.get("stableService", ""))

    @property
    def canary_service(self) -> str:
        """The name; empty where none is named."""
        if self.ping_pong:
            return str(self.ping_pong["pongService" if self.stable_ping_pong == "ping" else "pingService"])
        return str(self.canary.get("canaryService", ""))

    @property
    def steps(self) -> list[Object]:
        """Of the canary strategy, as they are written."""
        return self.canary.get("steps") or []

    @property
    def index(self) -> int:
        """Of the current step, from 0."""
        return int(self.status.get("currentStepIndex") or 0)

    @property
    def step(self) -> Object | None:
        """The step at the index, or None after the last."""
        return self.steps[self.index] if self.index < len(self.steps) else None

    @cached_property
    def pod_hash(self) -> str:
        """Of the template in the spec."""
        return pod_hash(self.template)

    @cached_property
    def step_hash(self) -> str:
        """Of the steps in the spec."""
        return step_hash(self.steps)

    @property
    def stable_hash(self) -> str:
        """Of the stable version; empty before there is one."""
        return str(self.status.get("stableRS", ""))

    @property
    def current_hash(self) -> str:
        """Of the version that the status speaks of."""
        return str(self.status.get("currentPodHash", ""))

    @property
    def fully_promoted(self) -> bool:
        """Whether the stable version is the current one."""
        return self.stable_hash == self.current_hash

    @property
    def weights(self) -> Object | None:
        """Of both arms, as the status has them; None before any was set."""
        return (self.status.get("canary") or {}).get("weights")

    @property
    def pause_conditions(self) -> list[Object]:
        """Why it is paused; empty where it is not."""
        return self.status.get("pauseConditions") or []

    def pause_condition(self, reason: str) -> Object | None:
        """The one with this reason, None without."""
        return next((found for found in self.pause_conditions if found.get("reason") == reason), None)

    def weight_at(self, index: int) -> int:
        """The weight set by the last setWeight at or before the index, 0 before the first."""
        for step in reversed(self.steps[: index + 1]):
            if "setWeight" in step:
                return int(step["setWeight"])
        return 0

    @property
    def set_weight(self) -> int:
        """The weight that the steps ask for now."""
        if self.status.get("abort"):
            return 0
        return self.max_weight if self.step is None else self.weight_at(self.index)


class ReplicaSetView(_View):
    """One ReplicaSet as it was read."""

    def __init__(self, obj: Object) -> None:
        super().__init__(obj)
        status = obj.get("status") or {}
        self.wanted = int(obj["spec"]["replicas"])
        self.replicas = int(status.get("replicas", 0))
        self.ready = int(status.get("readyReplicas", 0))
        self.available = int(status.get("availableReplicas", 0))

    @property
    def hash(self) -> str:
        """Of its pod template."""
        return str(self.metadata["labels"][HASH_LABEL])

    @property
    def deadline(self) -> str:
        """When it is to be scaled down (RFC 3339); empty without."""
        return self.annotations.get(SCALE_DOWN_DEADLINE, "")

    @property
    def desired(self) -> str:
        """The number of pods that is noted as wanted; empty without."""
        return self.annotations.get(DESIRED_REPLICAS, "")


def seconds(duration: int | str) -> float:
    """A pause's duration: a number of seconds, also as a string, or with units as in `1m30s`. -1 for nonsense."""
    if isinstance(duration, int):
        return float(duration)
    if re.fullmatch(r"-?\d+", duration):
        return float(duration)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return -1.0
    return float(int(sum(float(number) * _UNITS[unit] for number, unit in parts)))


def pause_end(rollout: RolloutView) -> float | None:
    """When the timed pause at the index is over; None for one without end or not begun."""
    condition = rollout.pause_condition("CanaryPauseStep")
    duration = ((rollout.step or {}).get("pause") or {}).get("duration")
    if condition is None or duration is None:
        return None
    return moment(condition["startTime"]) + seconds(duration)


def owner_reference(obj: Object) -> Object:
    """What an object that is owned by this one carries."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
