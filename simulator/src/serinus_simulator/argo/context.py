"""One reconciliation of one Rollout: what was read, what has been decided so far, and how it writes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from serinus_simulator.argo import conditions
from serinus_simulator.argo.view import WORKLOAD_GENERATION, ReplicaSetView, RolloutView
from serinus_simulator.clock import moment
from serinus_simulator.kubernetes.failures import conflict
from serinus_simulator.kubernetes.kinds import DEPLOYMENTS, REPLICA_SETS, ROLLOUTS, Object
from serinus_simulator.kubernetes.objects import ObjectStore

Writing = Generator[None, None, None]
"""Stops before each write, so that what others write meanwhile is there when it goes on."""
Asking = Generator[None, None, bool]


@dataclass
class Environment:
    """What a reconciliation may touch besides the object that it was given."""

    store: ObjectStore
    now: Callable[[], float]
    requeue: Callable[[float], None]
    """Look again after so many seconds."""
    pausing: Callable[[Object], None] = lambda _: None
    """Told the object as it was read when a pause is being added."""
    record: Callable[[Object, str, str, str], None] = lambda *_: None
    """Writes an Event: what it is about, its type, reason and message."""
    version: str = "master"


@dataclass
class Intent:
    """What a reconciliation has decided about pauses and abort, to be written with the status."""

    add_pauses: list[str] = field(default_factory=list)
    remove_pauses: list[str] = field(default_factory=list)
    clear_pauses: bool = False
    add_abort: bool = False
    remove_abort: bool = False
    abort_message: str = ""


class Context:
    """The state of one reconciliation; `new`, `stable` and `others` are the ReplicaSets as they were read last."""

    def __init__(self, env: Environment, obj: Object) -> None:
        self.env = env
        self.store = env.store
        self.invalid = ""
        self.intent = Intent()
        self.analysis: Object = {}
        """What the status of the canary says of its AnalysisRuns."""
        self.step_run: Object | None = None
        """The AnalysisRun of the step at the index."""
        self.version = env.version
        self.rollout = self._resolve(obj)
        self.weights = self.rollout.weights
        self._read_replica_sets()

    @property
    def now(self) -> float:
        return self.env.now()

    @property
    def aborted(self) -> bool:
        """Whether an abort stands once this pass is written."""
        if self.intent.remove_abort:
            return False
        return self.intent.add_abort or bool(self.rollout.status.get("abort"))

    @property
    def restarting(self) -> bool:
        """Whether the template or the steps are not those of the status, so that it begins again."""
        rollout = self.rollout
        if rollout.status.get("currentStepHash", "") != rollout.step_hash:
            return True
        present = self.new.hash if self.new else rollout.pod_hash
        return bool(rollout.current_hash) and rollout.current_hash != present

    @property
    def indefinite(self) -> bool:
        """Pauses and analyses do not count against the progress deadline."""
        if self.rollout.step is not None and self.rollout.step.keys() & {"pause", "analysis"}:
            return True
        paused = conditions.find(self.rollout.status.get("conditions", []), "Paused")
        return paused is not None and paused["status"] == "True"

    def record(self, severity: str, reason: str, message: str) -> None:
        """Write an Event about the Rollout; `severity` is Normal or Warning."""
        self.env.record(self.rollout.object, severity, reason, message)

    def all_replica_sets(self) -> list[ReplicaSetView]:
        """Every ReplicaSet of the Rollout, of any revision."""
        return self._all

    def update_replica_set(self, one: ReplicaSetView, change: Callable[[Object], Object]) -> Writing:
        """Write one of its ReplicaSets, and read all of them again."""
        yield
        self.store.modify(REPLICA_SETS, self.rollout.namespace, one.name, change)
        self._read_replica_sets()

    def update(self, change: Callable[[Object], Object], subresource: str) -> Writing:
        """Write with the resourceVersion that was read, so that another's write in between is a conflict."""
        yield
        rollout = self.rollout
        present = self.store.get(ROLLOUTS, rollout.namespace, rollout.name)
        if present["metadata"]["resourceVersion"] != rollout.metadata["resourceVersion"]:
            raise conflict(ROLLOUTS.group, ROLLOUTS.plural, rollout.name)
        written = self.store.modify(ROLLOUTS, rollout.namespace, rollout.name, change, subresource)
        self.rollout = self._resolve(written)
        self._read_replica_sets()

    def read_deadline(self, one: ReplicaSetView) -> float | None:
        """Seconds until a ReplicaSet may be scaled down; None where that is not delayed or the time has come."""
        left = moment(one.deadline) - self.now if one.deadline else 0.0
        return left if left > 0 else None

    def _resolve(self, obj: Object) -> RolloutView:
        reference = (obj.get("spec") or {}).get("workloadRef")
        if not reference:
            return RolloutView(obj)
        namespace, name = obj["metadata"]["namespace"], reference.get("name", "")
        workload = self.store.peek(DEPLOYMENTS, namespace, name)
        if workload is None:
            self.invalid = f'deployments.apps "{name}" not found'
            return RolloutView(obj)
        annotations = dict(obj["metadata"].get("annotations") or {})
        annotations[WORKLOAD_GENERATION] = str(workload["metadata"]["generation"])
        return RolloutView(obj | {"metadata": obj["metadata"] | {"annotations": annotations}}, workload)

    def _read_replica_sets(self) -> None:
        rollout = self.rollout
        self._all = [ReplicaSetView(obj) for obj in self.store.owned(REPLICA_SETS, rollout.uid)]
        wanted, stable = rollout.pod_hash, rollout.stable_hash
        self.new = next((one for one in self._all if one.hash == wanted), None)
        self.stable = next((one for one in self._all if stable and one.hash == stable), None)
        self.others = [one for one in self._all if one.hash not in (wanted, stable)]
