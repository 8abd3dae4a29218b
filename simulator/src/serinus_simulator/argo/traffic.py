"""What Argo does to traffic: the selectors of both Services and the weight of the nginx canary Ingress."""

from __future__ import annotations

from serinus_simulator.argo import scale
from serinus_simulator.argo.context import Context, Writing
from serinus_simulator.argo.view import HASH_LABEL, MANAGED_BY, ReplicaSetView, RolloutView, owner_reference
from serinus_simulator.kubernetes.kinds import INGRESSES, SERVICES, VIRTUAL_SERVICES, Object

DEFAULT_PREFIX = "nginx.ingress.kubernetes.io"
_TOTAL = "canary-weight-total"
ROUTES = ("setHeaderRoute", "setMirrorRoute")


def point_services(context: Context) -> Writing:
    """Each Service at its ReplicaSet, as soon as that has a pod that could answer."""
    rollout = context.rollout
    if rollout.ping_pong:
        if not rollout.fully_promoted:
            yield from _point(context, rollout.canary_service, context.new, only_if_available=False)
        return
    yield from _point(context, rollout.stable_service, context.stable, only_if_available=True)
    if not context.aborted:
        yield from _point(context, rollout.canary_service, context.new, only_if_available=True)
    elif rollout.routing is None:
        yield from _point(context, rollout.canary_service, context.stable, only_if_available=True)


def set_weight(context: Context) -> Writing:
    """The weight that the step asks for, once there are the pods for it."""
    rollout, new, stable = context.rollout, context.new, context.stable
    if rollout.routing is None:
        context.weights = None
        return
    if context.aborted and not rollout.fully_promoted:
        yield from _point(context, rollout.canary_service, stable, only_if_available=False)
    weight = _wanted(context)
    if stable is None or stable.available < (rollout.max_weight - weight) * rollout.replicas // rollout.max_weight:
        return
    yield from (_write_virtual_service if "istio" in rollout.routing else _write_ingress)(context, weight)
    weights = {
        "canary": _side(weight, new.hash if new else "", rollout.canary_service),
        "stable": _side(rollout.max_weight - weight, stable.hash, rollout.stable_service),
    }
    if weights != rollout.weights:
        before = rollout.weights["canary"]["weight"] if rollout.weights else None
        change = f"to {weight}" if before is None else "" if before == weight else f"from {before} to {weight}"
        context.record("Normal", "TrafficWeightUpdated", f"Traffic weight updated {change}")
    context.weights = weights


def canary_ingress_name(rollout: RolloutView) -> str:
    """Of the Ingress that Argo makes for the canary, for nginx."""
    return f"{rollout.name}-{_stable_ingress(rollout)}-canary"


def ingress_weight(rollout: RolloutView, ingress: Object) -> float:
    """The share of traffic that a canary Ingress asks for, in percent."""
    annotations, prefix = ingress["metadata"]["annotations"], _prefix(rollout)
    return 100 * int(annotations.get(f"{prefix}/canary-weight", 0)) / int(annotations.get(f"{prefix}/{_TOTAL}", 100))


def _prefix(rollout: RolloutView) -> str:
    return str((rollout.routing or {}).get("nginx", {}).get("annotationPrefix") or DEFAULT_PREFIX)


def _annotations(rollout: RolloutView, weight: int) -> dict[str, str]:
    prefix = _prefix(rollout)
    added = (rollout.routing or {}).get("nginx", {}).get("additionalIngressAnnotations") or {}
    annotations = {key if key.startswith(prefix) else f"{prefix}/{key}": value for key, value in added.items()}
    annotations |= {f"{prefix}/canary": "true", f"{prefix}/canary-weight": str(weight)}
    counted = "maxTrafficWeight" in (rollout.routing or {})
    return annotations | ({f"{prefix}/{_TOTAL}": str(rollout.max_weight)} if counted else {})


def _stable_ingress(rollout: RolloutView) -> str:
    return str((rollout.routing or {}).get("nginx", {}).get("stableIngress", ""))


def _wanted(context: Context) -> int:
    rollout, new = context.rollout, context.new
    if rollout.fully_promoted or context.aborted or new is None or new.available == 0:
        return 0
    if rollout.status.get("promoteFull"):
        return int(rollout.weights["canary"]["weight"]) if rollout.weights else 0
    if not rollout.steps:
        return 0
    if not scale.at_desired_counts(rollout, new, context.stable, context.others):
        return rollout.weight_at(rollout.index - 1) if rollout.index else 0
    return rollout.set_weight


def _side(weight: int, pod_hash: str, service: str) -> Object:
    side: Object = {"weight": weight}
    if pod_hash:
        side["podTemplateHash"] = pod_hash
    if service:
        side["serviceName"] = service
    return side


def _point(context: Context, name: str, target: ReplicaSetView | None, *, only_if_available: bool) -> Writing:
    if not name or target is None:
        return
    namespace = context.rollout.namespace
    service = context.store.get(SERVICES, namespace, name)
    selector = service["spec"].get("selector") or {}
    if selector.get(HASH_LABEL) == target.hash:
        return
    adopted = MANAGED_BY in (service["metadata"].get("annotations") or {})
    if only_if_available:
        complete = target.wanted > 0 and target.available >= target.wanted
        if target.available == 0 or not (adopted or complete):
            return
    owner = context.rollout.name

    def change(old: Object) -> Object:
        annotations = (old["metadata"].get("annotations") or {}) | {MANAGED_BY: owner}
        spec = old["spec"] | {"selector": (old["spec"].get("selector") or {}) | {HASH_LABEL: target.hash}}
        return old | {"metadata": old["metadata"] | {"annotations": annotations}, "spec": spec}

    yield
    context.store.modify(SERVICES, namespace, name, change)
    before = selector.get(HASH_LABEL, "")
    message = f"Switched selector for service '{name}' from '{before}' to '{target.hash}'"
    context.record("Normal", "SwitchService", message)


def _write_ingress(context: Context, weight: int) -> Writing:
    rollout, store = context.rollout, context.store
    name = canary_ingress_name(rollout)
    annotations = _annotations(rollout, weight)
    present = store.peek(INGRESSES, rollout.namespace, name)
    if present is None:
        spec = _canary_spec(store.get(INGRESSES, rollout.namespace, _stable_ingress(rollout)), rollout)
        metadata = {
            "name": name,
            "annotations": annotations,
            "ownerReferences": [owner_reference(rollout.object)],
        }
        message = f"Creating canary ingress `{name}` with weight `{weight}`"
        context.record("Normal", "CreatingCanaryIngress", message)
        yield
        store.create(INGRESSES, rollout.namespace, {"metadata": metadata, "spec": spec})
    elif annotations.items() - present["metadata"]["annotations"].items():

        def change(old: Object) -> Object:
            return old | {"metadata": old["metadata"] | {"annotations": old["metadata"]["annotations"] | annotations}}

        message = f"Updating Ingress `{name}` to desiredWeight '{weight}'"
        context.record("Normal", "PatchingCanaryIngress", message)
        yield
        store.modify(INGRESSES, rollout.namespace, name, change)


def virtual_service(rollout: RolloutView) -> str:
    """The name of Istio's VirtualService; empty where none is named."""
    return str(((rollout.routing or {}).get("istio") or {}).get("virtualService", {}).get("name", ""))


def _write_virtual_service(context: Context, weight: int) -> Writing:
    """The weights of its routes, before them the routes that steps have set by a name."""
    rollout, store = context.rollout, context.store
    managed = {one["name"] for one in (rollout.routing or {}).get("managedRoutes") or ()}
    weights = {rollout.canary_service: weight, rollout.stable_service: rollout.max_weight - weight}

    def change(old: Object) -> Object:
        plain = [dict(one) for one in old["spec"].get("http", []) if one.get("name") not in managed]
        for one in plain:
            hosts = [route["destination"]["host"] for route in one["route"]]
            one["route"] = [{"destination": {"host": host}, "weight": weights.get(host, 0)} for host in hosts]
        return old | {"spec": old["spec"] | {"http": [*_managed_routes(rollout), *plain]}}

    name = virtual_service(rollout)
    present = store.get(VIRTUAL_SERVICES, rollout.namespace, name)
    if change(present) != present:
        yield
        store.modify(VIRTUAL_SERVICES, rollout.namespace, name, change)


def _managed_routes(rollout: RolloutView) -> list[Object]:
    """What setHeaderRoute and setMirrorRoute have set so far; all go with an abort and at the end."""
    made: dict[str, Object] = {}
    if rollout.fully_promoted or rollout.status.get("abort"):
        return []
    canary, stable = {"host": rollout.canary_service}, {"host": rollout.stable_service}
    for step in rollout.steps[: rollout.index + 1]:
        for kind in ROUTES:
            asked = step.get(kind) or {}
            if asked.get("match") is not None:
                goes_to = canary if kind == "setHeaderRoute" else stable
                made[asked["name"]] = {"name": asked["name"], "match": asked["match"]}
                made[asked["name"]] |= {"route": [{"destination": goes_to, "weight": 100}]}
                made[asked["name"]] |= {"mirror": canary} if kind == "setMirrorRoute" else {}
            elif asked:
                made.pop(asked["name"], None)
    return list(made.values())


def _canary_spec(stable: Object, rollout: RolloutView) -> Object:
    """The stable Ingress's rules, their backends turned to the canary Service."""
    rules = []
    for rule in stable["spec"].get("rules", []):
        paths = [
            path | {"backend": {"service": path["backend"]["service"] | {"name": rollout.canary_service}}}
            for path in rule.get("http", {}).get("paths", [])
            if path["backend"].get("service", {}).get("name") == rollout.stable_service
        ]
        if paths:
            rules.append(rule | {"http": {"paths": paths}})
    spec: Object = stable["spec"] | {"rules": rules}
    return spec


def ingress_names(rollout: RolloutView) -> tuple[str, ...]:
    """The stable Ingress and the canary's; none where nginx routes nothing."""
    stable = ((rollout.routing or {}).get("nginx") or {}).get("stableIngress", "")
    return (stable, canary_ingress_name(rollout)) if stable else ()


def unmanaged(service: Object) -> Object:
    """A Service without what Argo has written into it."""
    annotations = {key: value for key, value in service["metadata"]["annotations"].items() if key != MANAGED_BY}
    selector = {key: value for key, value in service["spec"]["selector"].items() if key != HASH_LABEL}
    metadata = service["metadata"] | {"annotations": annotations}
    return service | {"metadata": metadata, "spec": service["spec"] | {"selector": selector}}
