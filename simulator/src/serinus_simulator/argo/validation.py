"""What Argo, or the simulator in its place, refuses as an invalid spec instead of doing something else with it."""

from __future__ import annotations

from serinus_simulator.argo.analysis.arguments import AnalysisError, of_rollout
from serinus_simulator.argo.analysis.templates import TemplateError, check, referenced, run_spec
from serinus_simulator.argo.traffic import ROUTES, virtual_service
from serinus_simulator.argo.view import RolloutView
from serinus_simulator.kubernetes.kinds import INGRESSES, SERVICES, VIRTUAL_SERVICES, Object
from serinus_simulator.kubernetes.objects import ObjectStore

SUPPORTED_STEPS = ("setWeight", "pause", "analysis", *ROUTES)
"""Another kind of step is a name here, its end in `status._step_completed`, and its work in `reconcile.reconcile`."""
UNSUPPORTED_SPEC = ("rollbackWindow", "restartAt")
UNSUPPORTED_CANARY = (
    "dynamicStableScale",
    "minPodsPerReplicaSet",
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
            return f"spec.strategy.canary.steps[{index}]: the simulator knows {', '.join(SUPPORTED_STEPS)} only"
        if not 0 <= int(step.get("setWeight", 0)) <= rollout.max_weight:
            place = f"spec.strategy.canary.steps[{index}].setWeight: Invalid value: {step['setWeight']}"
            return f"{place}: SetWeight needs to be between 0 and {rollout.max_weight}"
    for where, service in (("stableService", rollout.stable_service), ("canaryService", rollout.canary_service)):
        named = bool(service) or rollout.routing is not None
        if named and store.peek(SERVICES, rollout.namespace, service) is None:
            return f'spec.strategy.canary.{where}: Invalid value: "{service}": service "{service}" not found'
    routing = "" if rollout.routing is None else _routing_complaint(rollout, store)
    return routing or _analysis_complaint(rollout, store)


def _routing_complaint(rollout: RolloutView, store: ObjectStore) -> str:
    routing: Object = rollout.routing or {}
    place = "spec.strategy.canary.trafficRouting"
    if routing.keys() - {"maxTrafficWeight", "managedRoutes"} not in ({"nginx"}, {"istio"}):
        return f"{place}: the simulator knows nginx and istio only"
    if "istio" in routing:
        if "maxTrafficWeight" in routing:
            why = "Canary maxTrafficWeight in traffic routing only supported in Nginx and Plugins"
            return f"{place}.maxTrafficWeight: Invalid value: {routing['maxTrafficWeight']}: {why}"
        name = virtual_service(rollout)
        if store.peek(VIRTUAL_SERVICES, rollout.namespace, name) is None:
            return f'{place}.istio.virtualService.name: Invalid value: "{name}": VirtualService "{name}" not found'
        managed = {one["name"] for one in routing.get("managedRoutes") or ()}
        for step in rollout.steps:
            if any(step[kind]["name"] not in managed for kind in ROUTES if kind in step):
                return f"{place}.managedRoutes: Steps define a route that does not exist in {place}.managedRoutes"
        return ""
    if rollout.ping_pong:
        return f"{place}.alb: Ping-pong feature works with the ALB, Istio, and plugin-based traffic routers only"
    if any(kind in step for step in rollout.steps for kind in ROUTES):
        return "spec.strategy.canary.steps: header and mirror routes need another traffic router than nginx"
    ingress = routing["nginx"].get("stableIngress", "")
    if store.peek(INGRESSES, rollout.namespace, ingress) is None:
        return f'spec.strategy.canary.trafficRouting.nginx.stableIngress: ingress "{ingress}" not found'
    return ""


def _analysis_complaint(rollout: RolloutView, store: ObjectStore) -> str:
    """Templates that are missing, cannot be run, or in a step would never end."""
    analyses = [
        (f"steps[{index}].analysis", step["analysis"] or {})
        for index, step in enumerate(rollout.steps)
        if "analysis" in step
    ]
    if rollout.canary.get("analysis"):
        analyses.append(("analysis", rollout.canary["analysis"]))
    for place, analysis in analyses:
        try:
            templates = referenced(store, rollout.namespace, analysis.get("templates") or [])
            names = " ".join(template["metadata"]["name"] for template in templates)
            for template in templates:
                check(template, endless=place == "analysis")
            try:
                arguments = of_rollout(analysis.get("args") or [], rollout, None, None)
            except AnalysisError:
                # a field of the status that is not there yet is looked for again when the analysis begins
                arguments = [{"name": one["name"], "value": ""} for one in analysis.get("args") or []]
            run_spec(templates, analysis, arguments)
        except TemplateError as error:
            return f'spec.strategy.canary.{place}.templates: Invalid value: "{error.value}": {error}'
        except AnalysisError as error:
            return f'spec.strategy.canary.{place}.templates: Invalid value: "templateNames: [{names}]": {error}'
    return ""
