"""The kinds that the API serves, one row each: to serve another kind is to add a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from serinus_simulator.kubernetes import schema

Object = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """One resource of the API.

    `status` says that `/status` is a resource of its own; `custom` that it comes from a CustomResourceDefinition
    (no strategic merge patch, another list of accepted patch types); `versioned` that a change of anything but
    metadata, and but the status where that is a resource of its own, makes a new generation.
    """

    group: str
    version: str
    plural: str
    kind: str
    status: bool = False
    custom: bool = False
    versioned: bool = False
    namespaced: bool = True
    schema: dict[str, Any] | None = None
    defaults: Callable[[Object], None] | None = None

    @property
    def api_version(self) -> str:
        """GROUP/VERSION, of the core group VERSION alone."""
        return f"{self.group}/{self.version}" if self.group else self.version


def rollout_defaults(rollout: Object) -> None:
    """What the API server fills in from the CustomResourceDefinition: the protocol of ports."""
    for container in _containers(rollout):
        for port in container.get("ports", []):
            port.setdefault("protocol", "TCP")


def _containers(rollout: Object) -> list[Object]:
    template = rollout.get("spec", {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers")
    return containers if isinstance(containers, list) else []


ROLLOUTS = Kind(
    "argoproj.io",
    "v1alpha1",
    "rollouts",
    "Rollout",
    status=True,
    custom=True,
    versioned=True,
    schema=schema.ROLLOUT,
    defaults=rollout_defaults,
)
ANALYSIS_TEMPLATES = Kind(
    "argoproj.io", "v1alpha1", "analysistemplates", "AnalysisTemplate", custom=True, versioned=True
)
CLUSTER_ANALYSIS_TEMPLATES = Kind(
    "argoproj.io",
    "v1alpha1",
    "clusteranalysistemplates",
    "ClusterAnalysisTemplate",
    custom=True,
    versioned=True,
    namespaced=False,
)
ANALYSIS_RUNS = Kind("argoproj.io", "v1alpha1", "analysisruns", "AnalysisRun", custom=True, versioned=True)
CANARY_POLICIES = Kind(
    "serinus.dev", "v1alpha1", "canarypolicies", "CanaryPolicy", status=True, custom=True, versioned=True
)
NAMESPACES = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
PODS = Kind("", "v1", "pods", "Pod", status=True)
SERVICES = Kind("", "v1", "services", "Service", status=True)
SECRETS = Kind("", "v1", "secrets", "Secret")
EVENTS = Kind("", "v1", "events", "Event")
REPLICA_SETS = Kind("apps", "v1", "replicasets", "ReplicaSet", status=True, versioned=True)
DEPLOYMENTS = Kind("apps", "v1", "deployments", "Deployment", status=True, versioned=True)
VIRTUAL_SERVICES = Kind(
    "networking.istio.io", "v1alpha3", "virtualservices", "VirtualService", custom=True, versioned=True
)
INGRESSES = Kind("networking.k8s.io", "v1", "ingresses", "Ingress", status=True, versioned=True)
LEASES = Kind("coordination.k8s.io", "v1", "leases", "Lease")

KINDS = (
    ROLLOUTS,
    ANALYSIS_TEMPLATES,
    CLUSTER_ANALYSIS_TEMPLATES,
    ANALYSIS_RUNS,
    CANARY_POLICIES,
    NAMESPACES,
    PODS,
    SERVICES,
    SECRETS,
    EVENTS,
    REPLICA_SETS,
    DEPLOYMENTS,
    INGRESSES,
    VIRTUAL_SERVICES,
    LEASES,
)
