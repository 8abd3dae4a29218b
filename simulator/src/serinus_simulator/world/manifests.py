"""The objects of a rollout as a person would apply them: Services, Ingress, Rollout."""

from __future__ import annotations

from serinus_simulator.kubernetes.kinds import INGRESSES, ROLLOUTS, SERVICES, Kind, Object
from serinus_simulator.world.scenario import Rollout


def manifests(spec: Rollout) -> list[tuple[Kind, Object]]:
    """In the order in which they are to be created."""
    stable, canary = spec.services
    made: list[tuple[Kind, Object]] = [(SERVICES, _service(spec, name)) for name in dict.fromkeys((stable, canary))]
    strategy: Object = {"stableService": stable, "canaryService": canary, "steps": list(spec.steps)}
    if spec.analysis is not None:
        strategy["analysis"] = spec.analysis
    if spec.routing == "nginx":
        made.append((INGRESSES, _ingress(spec, stable)))
        strategy["trafficRouting"] = {"nginx": {"stableIngress": spec.name}}
    labels = {"app": spec.name}
    container = {"name": "app", "image": spec.first_image, "ports": [{"containerPort": 8080}]}
    rollout_spec: Object = {
        "replicas": spec.replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        "strategy": {"canary": strategy},
    }
    made.append((ROLLOUTS, {"metadata": {"name": spec.name, "labels": labels}, "spec": rollout_spec | spec.spec}))
    return made


def _service(spec: Rollout, name: str) -> Object:
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": spec.name}, "ports": ports}}


def _ingress(spec: Rollout, stable: str) -> Object:
    backend = {"service": {"name": stable, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    rule = {"host": f"{spec.name}.example.com", "http": {"paths": [path]}}
    return {"metadata": {"name": spec.name}, "spec": {"ingressClassName": "nginx", "rules": [rule]}}
