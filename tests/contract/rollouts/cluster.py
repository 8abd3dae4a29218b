"""A cluster with Argo Rollouts, whichever it is: Rollouts are made, changed by hand and looked at, as users do."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from serinus_contracts import Run
from serinus_controller.adapters.rollouts import KubernetesRollouts
from serinus_rollouts.kubernetes.api import ROLLOUTS, Api, ClusterError
from serinus_rollouts.progress import Intent
from serinus_rollouts.rollout import RolloutView
from serinus_rollouts.runs import Attempt, run_of
from serinus_runtime.clock import now_ms

IMAGE = os.environ.get("SERINUS_TEST_IMAGE", "nginx")
GATED: list[dict[str, Any]] = [
    {"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 50}, {"pause": {}},
]  # fmt: skip
JSON_PATCH, MERGE_PATCH = "application/json-patch+json", "application/merge-patch+json"


# Argo never sets an abort of itself here, and ends a pause with its controllerPause in the same write.
UNTOUCHED = (
    "!(has(object.status.abort) && object.status.abort && !(has(oldObject.status.abort) && oldObject.status.abort))",
    "!(has(oldObject.status.pauseConditions) && !has(object.status.pauseConditions) &&"
    " has(object.status.controllerPause) && object.status.controllerPause)",
)


@dataclass
class Cluster:
    """One cluster, one namespace of the test session. `host` is this machine as Argo reaches it, `patience` seconds,
    `faults` the address of a simulator's control, empty for a real cluster."""

    api: Api
    namespace: str
    host: str = "127.0.0.1"
    patience: float = 60.0
    faults: str = ""
    _made: list[str] = field(default_factory=list)

    @property
    def rollouts(self) -> KubernetesRollouts:
        return KubernetesRollouts(self.api)

    def needs_experiments(self) -> None:
        """Skip the test on the simulator, which refuses them."""
        if self.faults:
            pytest.skip("the simulator runs no experiments")

    async def make(
        self,
        steps: list[dict[str, Any]] | None = None,
        *,
        name: str = "",
        routed: bool = True,
        routing: dict[str, Any] | None = None,
        istio: bool = False,
        ping_pong: bool = False,
        **spec: Any,
    ) -> str:
        """A Rollout that has been deployed and is healthy; gives its name.

        `routing`: fields beside the router's. Skips the test where `istio` is wanted and its resources are unknown.
        """
        name = name or f"r{uuid4().hex[:8]}"
        labels = {"app": name}
        if routed:
            for arm in ("stable", "canary"):
                service = {"selector": labels, "ports": [{"port": 80, "targetPort": 80}]}
                await self._create("/api/v1", "services", "v1", "Service", f"{name}-{arm}", service)
            backend = {"service": {"name": f"{name}-stable", "port": {"number": 80}}}
            paths = {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
            rules = {"ingressClassName": "nginx", "rules": [{"host": f"{name}.example.com", "http": paths}]}
            group = "networking.k8s.io/v1"
            await self._create(f"/apis/{group}", "ingresses", group, "Ingress", name, rules)
        canary: dict[str, Any] = {"steps": GATED if steps is None else steps}
        if routed:
            stable, other = f"{name}-stable", f"{name}-canary"
            router: dict[str, Any] = {"nginx": {"stableIngress": name}}
            if istio:
                router = {"istio": {"virtualService": {"name": name}}}
                await self._make_virtual_service(name, stable, other)
            canary |= {"trafficRouting": router | (routing or {})}
            if ping_pong:
                canary |= {"pingPong": {"pingService": stable, "pongService": other}}
            else:
                canary |= {"stableService": stable, "canaryService": other}
        container = {"name": "app", "image": f"{IMAGE}:latest"}
        template = {"metadata": {"labels": labels, "annotations": {"v": "1"}}, "spec": {"containers": [container]}}
        wanted = {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": template,
            "strategy": {"canary": canary},
            **spec,
        }
        await self._create(ROLLOUTS, "rollouts", "argoproj.io/v1alpha1", "Rollout", name, wanted)
        self._made.append(name)
        await self.until(name, lambda seen: seen.phase == "Healthy" and seen.observed, "the first deploy")
        return name

    async def release(self, name: str, version: str = "2", tag: str = "latest") -> None:
        """Another template, as a pipeline would bring it."""
        template = [
            {"op": "replace", "path": "/spec/template/metadata/annotations/v", "value": version},
            {"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": f"{IMAGE}:{tag}"},
        ]
        await self.patch(name, template)

    async def make_from_workload(self) -> str:
        """A Rollout that takes its template from a Deployment."""
        name = f"w{uuid4().hex[:8]}"
        labels = {"app": name}
        container = {"name": "app", "image": f"{IMAGE}:latest"}
        template = {"metadata": {"labels": labels, "annotations": {"v": "1"}}, "spec": {"containers": [container]}}
        workload = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        await self._create("/apis/apps/v1", "deployments", "apps/v1", "Deployment", name, workload)
        spec = {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "strategy": {"canary": {"steps": GATED}},
        }
        await self._create(ROLLOUTS, "rollouts", "argoproj.io/v1alpha1", "Rollout", name, spec)
        self._made.append(name)
        await self.until(name, lambda seen: seen.phase == "Healthy" and seen.observed, "the first deploy")
        return name

    async def release_workload(self, name: str, version: str) -> None:
        patch = [{"op": "replace", "path": "/spec/template/metadata/annotations/v", "value": version}]
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{name}"
        await self.api.request("PATCH", path, body=patch, content_type=JSON_PATCH)

    async def released(self, steps: list[dict[str, Any]] | None = None, **spec: Any) -> str:
        """A Rollout whose second template waits at the first gate."""
        name = await self.make(steps, **spec)
        await self.release(name)
        await self.at_gate(name, 1)
        return name

    async def at_gate(self, name: str, step: int) -> RolloutView:
        gate = f"the gate at step {step}"
        return await self.until(name, lambda seen: seen.at_gate and seen.step == step, gate)

    async def pods(self, name: str) -> tuple[int, int]:
        """How many pods canary and stable have."""
        path = f"{ROLLOUTS}/namespaces/{self.namespace}/rollouts/{name}"
        status = (await self.api.request("GET", path))["status"]
        canary = int(status.get("updatedReplicas", 0))
        return canary, int(status.get("replicas", 0)) - canary

    async def promoted(self, name: str) -> RolloutView:
        done = "the new version to be stable and healthy"
        return await self.until(name, lambda seen: not seen.releasing and seen.phase == "Healthy", done)

    async def aborted(self, name: str) -> RolloutView:
        def back(seen: RolloutView) -> bool:
            return seen.aborted and seen.phase == "Degraded" and not seen.canary_weight

        return await self.until(name, back, "the abort, with all traffic on stable")

    async def see(self, name: str) -> RolloutView:
        seen = await self.rollouts.get(self.namespace, name)
        assert seen is not None
        return seen

    async def until(self, name: str, condition: Callable[[RolloutView], bool], what: str) -> RolloutView:
        """Wait for a state. Every two seconds the object is touched: what users of Argo up to 1.9 do when it has
        overlooked what they changed by hand."""
        seen, touched = None, time.monotonic()
        try:
            async with asyncio.timeout(self.patience):
                while True:
                    seen = await self.rollouts.get(self.namespace, name)
                    if seen is not None and condition(seen):
                        return seen
                    if time.monotonic() - touched > 2:
                        touched = time.monotonic()
                        await self.patch(name, {"status": {"message": f"touched at {touched}"}}, "/status")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waited {self.patience:g} s in vain for {what}; last seen: {seen}") from None

    async def patch(self, name: str, patch: list[dict[str, Any]] | dict[str, Any], part: str = "") -> None:
        """As an operator or a pipeline patches."""
        kind = JSON_PATCH if isinstance(patch, list) else MERGE_PATCH
        path = f"{ROLLOUTS}/namespaces/{self.namespace}/rollouts/{name}{part}"
        await self.api.request("PATCH", path, body=patch, content_type=kind)

    async def promote_by_hand(self, name: str) -> None:
        """As Argo's command line promotes one step."""
        await self.patch(name, {"status": {"pauseConditions": None}}, "/status")

    async def abort_by_hand(self, name: str) -> None:
        await self.patch(name, {"status": {"abort": True}}, "/status")

    async def make_template(self, *metrics: dict[str, Any]) -> str:
        """An AnalysisTemplate; gives its name."""
        name = f"a{uuid4().hex[:8]}"
        await self._create(ROLLOUTS, "analysistemplates", "argoproj.io/v1alpha1", "AnalysisTemplate", name,
                           {"metrics": list(metrics)})  # fmt: skip
        return name

    async def take_away_canary_service(self, name: str) -> None:
        await self.api.request("DELETE", f"/api/v1/namespaces/{self.namespace}/services/{name}-canary")

    async def give_back_canary_service(self, name: str) -> None:
        service = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 80}]}
        await self._create("/api/v1", "services", "v1", "Service", f"{name}-canary", service)

    async def weigh(self, name: str, weight: int) -> None:
        """Edit the first step."""
        patch = [{"op": "replace", "path": "/spec/strategy/canary/steps/0/setWeight", "value": weight}]
        await self.patch(name, patch)

    async def invalid(self, name: str) -> RolloutView:
        return await self.until(name, lambda seen: seen.invalid, "an invalid spec")

    @contextlib.asynccontextmanager
    async def refusing(self, name: str, code: int, message: str) -> AsyncIterator[None]:
        """While it lasts, what people and Serinus do to the Rollout's status is refused by admission; Argo is not."""
        if self.faults:
            fault = {"target": "kubernetes", "effect": "status", "code": code, "message": message, "verbs": ["patch"],
                     "resources": ["rollouts/status"], "namespace": self.namespace, "name": name}  # fmt: skip
            async with httpx.AsyncClient(base_url=self.faults, timeout=60) as client:
                added = (await client.post("/world/faults", json=[fault])).raise_for_status().json()["faults"]
                try:
                    yield
                finally:
                    await client.delete("/world/faults", params={"id": added[0]["id"]})
            return
        group = "admissionregistration.k8s.io/v1"
        rule = {"apiGroups": ["argoproj.io"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["rollouts/status"], "resourceNames": [name]}  # fmt: skip
        said = {"reason": "Forbidden"} if code == 403 else {}
        checks = [{"expression": expression, "message": message, **said} for expression in UNTOUCHED]
        policy = {"matchConstraints": {"resourceRules": [rule]}, "validations": checks}
        binding = {"policyName": name, "validationActions": ["Deny"]}
        made = {
            "validatingadmissionpolicies": ("ValidatingAdmissionPolicy", policy),
            "validatingadmissionpolicybindings": ("ValidatingAdmissionPolicyBinding", binding),
        }
        try:
            for plural, (kind, spec) in made.items():
                body = {"apiVersion": group, "kind": kind, "metadata": {"name": name}, "spec": spec}
                await self.api.request("POST", f"/apis/{group}/{plural}", body=body)
            await self._until_refused(name)
            yield
        finally:
            for plural in made:
                with contextlib.suppress(ClusterError):
                    await self.api.request("DELETE", f"/apis/{group}/{plural}/{name}")

    async def _until_refused(self, name: str) -> None:
        """A policy is in force a while after it was made: until then a change that it forbids passes as a dry run."""
        path = f"{ROLLOUTS}/namespaces/{self.namespace}/rollouts/{name}/status"
        abort = [{"op": "add", "path": "/status/abort", "value": True}]
        async with asyncio.timeout(self.patience):
            while True:
                try:
                    await self.api.request("PATCH", path, query={"dryRun": "All"}, body=abort, content_type=JSON_PATCH)
                except ClusterError:
                    return
                await asyncio.sleep(0.2)

    async def delete(self, name: str) -> None:
        await self.api.request("DELETE", f"{ROLLOUTS}/namespaces/{self.namespace}/rollouts/{name}")

    async def clean(self) -> None:
        for name in self._made:
            with contextlib.suppress(ClusterError):
                await self.delete(name)
        self._made.clear()

    async def _make_virtual_service(self, name: str, stable: str, canary: str) -> None:
        route = [{"destination": {"host": stable}, "weight": 100}, {"destination": {"host": canary}, "weight": 0}]
        spec = {"hosts": [f"{name}.example.com"], "http": [{"name": "primary", "route": route}]}
        group = "networking.istio.io/v1alpha3"
        try:
            await self._create(f"/apis/{group}", "virtualservices", group, "VirtualService", name, spec)
        except ClusterError as error:
            if error.status != 404:
                raise
            pytest.skip("the cluster knows no VirtualService")

    async def _create(self, base: str, plural: str, version: str, kind: str, name: str, spec: Any) -> None:
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
        await self.api.request("POST", f"{base}/namespaces/{self.namespace}/{plural}", body=body)


def run(seen: RolloutView) -> Run:
    return run_of("contract", seen, Attempt.first(seen))


def intent(action: str, seen: RolloutView) -> Intent:
    """What the controller writes down when it decides about `seen`."""
    gate = seen.pauses[0].started if seen.at_gate else ""
    place = {"step": seen.step, "step_hash": seen.step_hash, "gate": gate}
    fields = {"cause": "test", "actor": "test", "detail": "for a test", "since": now_ms()}
    return Intent.model_validate({"action": action, **place, **fields})
