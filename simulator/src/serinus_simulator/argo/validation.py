"""What Argo, or the simulator in its place, refuses as an invalid spec instead of doing something else with it."""

from __future__ import annotations

from serinus_simulator.argo.view import RolloutView
from serinus_simulator.kinds import INGRESSES, SERVICES, Object
from serinus_simulator.objects import ObjectStore

SUPPORTED_STEPS = ("setWeight", "pause")
"""Another kind of step is a name here, its end in `status._step_completed`, and its work in `Reconciliation.run`."""
UNSUPPORTED_SPEC = ("rollbackWindow", "restartAt")
UNSUPPORTED_CANARY = (
    "analysis",
    "dynamicStableScale",
    "minPodsPerReplicaSet",
    "pingPong",
    "replicaProgressThreshold",
    "canaryMetadata",
    "stableMetadata",
)


def complaint(rollout: RolloutView, store: ObjectStore) -> str:
    """Why the spec is refused, or nothing."""
    if "canary" not in (rollout.spec.get("strategy") or {}):
        return "the simulator knows canary rollouts only"
    for name in UNSUPPORTED_SPEC:
        if rollout.spec.get(name):
            return f"spec.{name}: the simulator does not know it"
    for name in UNSUPPORTED_CANARY:
        if rollout.canary.get(name):
            return f"spec.strategy.canary.{name}: the simulator does not know it"
    for index, step in enumerate(rollout.steps):
        unknown = [name for name in step if name not in SUPPORTED_STEPS]
        if unknown or len(step) != 1:
            return f"spec.strategy.canary.steps[{index}]: the simulator knows setWeight and pause only"
    for where, service in (("stableService", rollout.stable_service), ("canaryService", rollout.canary_service)):
        named = bool(service) or rollout.routing is not None
        if named and store.peek(SERVICES, rollout.namespace, service) is None:
            return f'spec.strategy.canary.{where}: Invalid value: "{service}": service "{service}" not found'
    return "" if rollout.routing is None else _routing_complaint(rollout, store)


def _routing_complaint(rollout: RolloutView, store: ObjectStore) -> str:
    routing: Object = rollout.routing or {}
    if list(routing) != ["nginx"]:
        return "spec.strategy.canary.trafficRouting: the simulator knows nginx only"
    ingress = routing["nginx"].get("stableIngress", "")
    if store.peek(INGRESSES, rollout.namespace, ingress) is None:
        return f'spec.strategy.canary.trafficRouting.nginx.stableIngress: ingress "{ingress}" not found'
    return ""
