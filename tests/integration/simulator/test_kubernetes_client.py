"""kubernetes_asyncio against the simulator over a real socket, as the controller uses it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException
from serinus_simulator.configs import kubeconfig
from serinus_simulator.server import serve
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.world import World

ARGO: dict[str, Any] = {"group": "argoproj.io", "version": "v1alpha1", "plural": "rollouts", "namespace": "shop"}
STEPS = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}]
SCENARIO: dict[str, Any] = {
    "prometheus": {"scrape_interval": 0.2},
    "pods": {"restart_takes": 0.2},
    "kubernetes": {"bookmark_interval": 0.6},
    "rollouts": [{"name": "checkout", "namespace": "shop", "steps": STEPS}],
}
Use = Callable[["Cluster"], Awaitable[None]]


class Cluster:
    """A client of a simulator that has come to rest."""

    def __init__(self, url: str, world: World, api: client.ApiClient) -> None:
        self.url = url
        self.world = world
        self.custom: Any = client.CustomObjectsApi(api)
        self.core = client.CoreV1Api(api)
        self.coordination = client.CoordinationV1Api(api)

    async def rollout(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.custom.get_namespaced_custom_object(name="checkout", **ARGO)
        return found

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        async with asyncio.timeout(60):
            while not holds(rollout := await self.rollout()):
                await asyncio.sleep(0.02)
        return rollout

    async def release(self, tag: str) -> dict[str, Any]:
        path = "/spec/template/spec/containers/0/image"
        body = [{"op": "replace", "path": path, "value": f"registry.example.com/shop/checkout:{tag}"}]
        await self.custom.patch_namespaced_custom_object(name="checkout", body=body, **ARGO)
        return await self.until(lambda rollout: bool(rollout["status"].get("pauseConditions")))

    async def promote(self, rollout: dict[str, Any]) -> dict[str, Any]:
        status = rollout["status"]
        body = [
            {"op": "test", "path": "/metadata/uid", "value": rollout["metadata"]["uid"]},
            {"op": "test", "path": "/metadata/generation", "value": rollout["metadata"]["generation"]},
            {"op": "test", "path": "/status/currentPodHash", "value": status["currentPodHash"]},
            {"op": "test", "path": "/status/currentStepIndex", "value": status["currentStepIndex"]},
            {"op": "remove", "path": "/status/pauseConditions"},
        ]
        made: dict[str, Any] = await self.custom.patch_namespaced_custom_object_status(
            name="checkout", body=body, **ARGO
        )
        return made


@contextlib.asynccontextmanager
async def clustered(tmp_path: Path, scenario: dict[str, Any]) -> AsyncIterator[Cluster]:
    world = World(Scenario.model_validate(scenario))
    async with serve(world) as url:
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig(url), "utf-8")
        settings = client.Configuration()
        await config.load_kube_config(str(file), client_configuration=settings)
        async with client.ApiClient(settings) as api:
            cluster = Cluster(url, world, api)
            await cluster.until(lambda rollout: rollout.get("status", {}).get("phase") == "Healthy")
            yield cluster


def run(tmp_path: Path, use: Use, scenario: dict[str, Any] | None = None) -> None:
    async def inside() -> None:
        async with clustered(tmp_path, scenario or SCENARIO) as cluster:
            await use(cluster)

    asyncio.run(inside())


def test_a_rollout_is_listed_promoted_with_a_guard_and_refused_a_second_time(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        listed = await cluster.custom.list_cluster_custom_object(ARGO["group"], ARGO["version"], ARGO["plural"])
        assert [item["metadata"]["name"] for item in listed["items"]] == ["checkout"]
        paused = await cluster.release("v2")
        assert paused["status"]["canary"]["weights"]["canary"]["weight"] == 5
        await cluster.promote(paused)
        with pytest.raises(ApiException) as refused:
            await cluster.promote(paused)
        assert refused.value.status == 422
        further = await cluster.until(lambda rollout: rollout["status"]["currentStepIndex"] == 3)
        assert further["status"]["canary"]["weights"]["canary"]["weight"] == 25

    run(tmp_path, use)


def test_a_dict_is_sent_as_a_merge_patch_when_asked_for(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        await cluster.release("v2")
        await cluster.custom.patch_namespaced_custom_object_status(
            name="checkout",
            body={"status": {"abort": True}},
            _content_type="application/merge-patch+json",
            **ARGO,
        )
        aborted = await cluster.until(lambda rollout: rollout["status"]["phase"] == "Degraded")
        assert aborted["status"]["currentStepIndex"] == 0

    run(tmp_path, use)


def test_a_watch_brings_every_change_and_a_bookmark(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        listed = await cluster.custom.list_namespaced_custom_object(**ARGO)
        version = listed["metadata"]["resourceVersion"]
        releasing = asyncio.create_task(cluster.release("v2"))
        events: list[Any] = []
        last: dict[str, Any] = {}
        async with watch.Watch() as watching, asyncio.timeout(60):
            stream = watching.stream(
                cluster.custom.list_namespaced_custom_object,
                resource_version=version,
                timeout_seconds=600,
                allow_watch_bookmarks=True,
                **ARGO,
            )
            async for event in stream:
                events.append(event)
                if event["type"] == "MODIFIED":
                    last = event["object"]
                elif last.get("status", {}).get("pauseConditions") and last == await cluster.rollout():
                    break
        assert (await releasing)["status"]["phase"] == last["status"]["phase"] == "Paused"
        assert {event["type"] for event in events} == {"MODIFIED", "BOOKMARK"}
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
        assert versions == sorted(versions)

    run(tmp_path, use)


def test_a_watch_of_a_forgotten_version_is_410(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        async with watch.Watch() as watching:
            stream = watching.stream(
                cluster.custom.list_namespaced_custom_object, resource_version="1", timeout_seconds=1, **ARGO
            )
            with pytest.raises(ApiException) as expired:
                async for _ in stream:
                    pass
        assert expired.value.status == 410

    run(tmp_path, use)


def test_pods_are_watched_by_their_hash(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        paused = await cluster.release("v2")
        selector = f"rollouts-pod-template-hash in ({paused['status']['currentPodHash']})"
        pods = await cluster.core.list_namespaced_pod("shop", label_selector=selector)
        assert [pod.status.phase for pod in pods.items] == ["Running"]
        (pod,) = pods.items
        assert pod.status.container_statuses[0].ready
        async with watch.Watch() as watching:
            stream = watching.stream(
                cluster.core.list_namespaced_pod,
                "shop",
                label_selector=selector,
                resource_version=pods.metadata.resource_version,
                timeout_seconds=1,
            )
            cluster.world.cluster.restart("shop", pod.metadata.name)
            events = [event async for event in stream]
        states = [event["object"].status.container_statuses[0] for event in events]
        assert [(state.ready, state.restart_count) for state in states] == [(False, 1), (True, 1)]

    run(tmp_path, use)


def test_a_lease_has_one_holder_and_an_event_is_counted(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        lease = client.V1Lease(
            metadata=client.V1ObjectMeta(name="controller"), spec=client.V1LeaseSpec(holder_identity="a")
        )
        made = await cluster.coordination.create_namespaced_lease("serinus", lease)
        stale = await cluster.coordination.read_namespaced_lease("controller", "serinus")
        made.spec.holder_identity = "b"
        await cluster.coordination.replace_namespaced_lease("controller", "serinus", made)
        stale.spec.holder_identity = "c"
        with pytest.raises(ApiException) as lost:
            await cluster.coordination.replace_namespaced_lease("controller", "serinus", stale)
        assert lost.value.status == 409
        event = client.CoreV1Event(
            metadata=client.V1ObjectMeta(name="checkout.1"),
            involved_object=client.V1ObjectReference(kind="Rollout", name="checkout"),
            count=1,
        )
        await cluster.core.create_namespaced_event("shop", event)
        counted = await cluster.core.patch_namespaced_event("checkout.1", "shop", {"count": 2})
        assert counted.count == 2

    run(tmp_path, use)


def test_a_dropped_answer_is_a_broken_connection_though_the_patch_took_effect(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        paused = await cluster.release("v2")
        async with httpx.AsyncClient(base_url=cluster.url, timeout=60) as plain:
            fault = {"target": "kubernetes", "effect": "drop", "when": "after", "verbs": ["patch"], "calls": 1}
            assert (await plain.post("/world/faults", json=fault)).status_code == 201
            with pytest.raises(Exception, match=r".") as broken:
                await cluster.promote(paused)
            assert not isinstance(broken.value, ApiException)
            await cluster.until(lambda rollout: rollout["status"]["currentStepIndex"] == 3)

    run(tmp_path, use)


def test_a_closed_watch_simply_ends(tmp_path: Path) -> None:
    async def use(cluster: Cluster) -> None:
        async def watched() -> list[Any]:
            async with watch.Watch() as watching:
                stream = watching.stream(cluster.custom.list_namespaced_custom_object, timeout_seconds=600, **ARGO)
                return [event["type"] async for event in stream]

        task = asyncio.create_task(watched())
        async with httpx.AsyncClient(base_url=cluster.url, timeout=60) as plain, asyncio.timeout(60):
            while '"watch"' not in (await plain.get("/world/calls")).text:
                await asyncio.sleep(0.02)
            closed = await plain.post(
                "/world/faults", json={"target": "kubernetes", "effect": "close_watches", "calls": 1}
            )
            assert closed.json()["faults"][0]["hits"] == 1
        types = await asyncio.wait_for(task, 60)
        assert set(types) == {"ADDED"}

    run(tmp_path, use)
