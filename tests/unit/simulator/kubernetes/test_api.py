from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from serinus_simulator.kubernetes.kinds import PODS

from tests.unit.simulator.web import JSON_PATCH, ROLLOUTS, Web, run

CHECKOUT = f"{ROLLOUTS}/checkout"
PODS_PATH = "/api/v1/namespaces/shop/pods"


def names(answer: httpx.Response) -> list[str]:
    return [item["metadata"]["name"] for item in answer.json()["items"]]


def test_lists_are_of_a_namespace_or_of_the_cluster_and_carry_a_version() -> None:
    async def use(web: Web) -> None:
        here = await web.get(ROLLOUTS)
        everywhere = await web.get("/apis/argoproj.io/v1alpha1/rollouts")
        nowhere = await web.get("/apis/argoproj.io/v1alpha1/namespaces/nowhere/rollouts")
        assert (names(here), names(everywhere), names(nowhere)) == (["checkout"], ["checkout"], [])
        assert here.json()["kind"] == "RolloutList"
        assert int(here.json()["metadata"]["resourceVersion"]) == web.world.store.revision

    run(use)


def test_pods_are_selected_by_their_labels() -> None:
    async def use(web: Web) -> None:
        pod = web.world.store.objects(PODS)[0]
        pod_hash = pod["metadata"]["labels"]["rollouts-pod-template-hash"]
        selected = await web.get(PODS_PATH, labelSelector=f"rollouts-pod-template-hash in ({pod_hash},other)")
        assert len(names(selected)) == 4
        assert names(await web.get(PODS_PATH, labelSelector="!rollouts-pod-template-hash")) == []
        by_name = await web.get(PODS_PATH, fieldSelector=f"metadata.name={pod['metadata']['name']}")
        assert names(by_name) == [pod["metadata"]["name"]]

    run(use)


def test_a_long_list_comes_in_parts_of_one_moment() -> None:
    async def use(web: Web) -> None:
        whole = names(await web.get(PODS_PATH))
        parts, token = list[str](), ""
        for number in range(4):
            answer = await web.get(PODS_PATH, limit=1, **({"continue": token} if token else {}))
            if number == 0:
                assert answer.json()["metadata"]["remainingItemCount"] == 3
                web.world.store.delete(PODS, "shop", whole[-1])
            parts += names(answer)
            token = answer.json()["metadata"].get("continue", "")
        assert parts == whole
        assert token == ""

    run(use)


def test_a_part_of_a_forgotten_moment_is_410_with_a_token_to_go_on() -> None:
    async def use(web: Web) -> None:
        first = await web.get(PODS_PATH, limit=1)
        web.world.store.forget_history()
        answer = await web.get(PODS_PATH, limit=1, **{"continue": first.json()["metadata"]["continue"]})
        assert (answer.status_code, answer.json()["reason"]) == (410, "Expired")
        assert answer.json()["metadata"]["continue"]

    run(use)


def test_eight_guarded_promotes_at_once_are_one_200_and_seven_422_and_one_step() -> None:
    async def use(web: Web) -> None:
        web.handled.release()
        status, metadata = web.handled.status, web.handled.rollout["metadata"]
        guarded = [
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": "/metadata/generation", "value": metadata["generation"]},
            {"op": "test", "path": "/status/currentStepIndex", "value": 1},
            {"op": "test", "path": "/status/currentPodHash", "value": status["currentPodHash"]},
            {"op": "remove", "path": "/status/pauseConditions"},
        ]
        patches = [
            web.client.patch(f"{CHECKOUT}/status", content=json.dumps(guarded), headers=JSON_PATCH) for _ in range(8)
        ]
        codes = sorted(answer.status_code for answer in await asyncio.gather(*patches))
        assert codes == [200] + [422] * 7
        web.handled.advance(1)
        assert web.handled.status["currentStepIndex"] == 3

    run(use)


def test_leases_are_taken_by_whoever_knows_the_present_version() -> None:
    async def use(web: Web) -> None:
        path = "/apis/coordination.k8s.io/v1/namespaces/serinus/leases"
        body = {"metadata": {"name": "controller"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 15}}
        made = await web.client.post(path, json=body)
        assert made.status_code == 201
        assert (await web.client.post(path, json=body)).status_code == 409
        second = made.json() | {"spec": {"holderIdentity": "b"}}
        assert (await web.client.put(f"{path}/controller", json=second)).status_code == 200
        lost = await web.client.put(f"{path}/controller", json=made.json())
        assert (lost.status_code, lost.json()["reason"]) == (409, "Conflict")
        assert (await web.merge(f"{path}/controller", {"spec": {"holderIdentity": "c"}})).status_code == 200
        assert (await web.get(f"{path}/controller")).json()["spec"] == {"holderIdentity": "c"}

    run(use)


def test_events_are_made_and_counted_up() -> None:
    async def use(web: Web) -> None:
        path = "/api/v1/namespaces/shop/events"
        event = {"metadata": {"name": "checkout.1"}, "reason": "Advanced", "count": 1}
        assert (await web.client.post(path, json=event)).status_code == 201
        strategic = {"content-type": "application/strategic-merge-patch+json"}
        patched = await web.client.patch(f"{path}/checkout.1", content='{"count":2}', headers=strategic)
        assert (patched.status_code, patched.json()["count"]) == (200, 2)

    run(use)


def test_custom_resources_of_another_group_have_a_status_of_their_own() -> None:
    async def use(web: Web) -> None:
        path = "/apis/serinus.dev/v1alpha1/namespaces/shop/canarypolicies"
        body = {"metadata": {"name": "checkout"}, "spec": {"mode": "enforce"}}
        assert (await web.client.post(path, json=body)).status_code == 201
        await web.merge(f"{path}/checkout/status", {"status": {"conditions": []}, "spec": {"mode": "shadow"}})
        policy = (await web.get(f"{path}/checkout")).json()
        assert (policy["spec"], policy["status"], policy["metadata"]["generation"]) == (
            {"mode": "enforce"},
            {"conditions": []},
            1,
        )

    run(use)


def test_a_deleted_pod_goes_and_another_comes() -> None:
    async def use(web: Web) -> None:
        before = names(await web.get(PODS_PATH))
        answer = await web.client.delete(f"{PODS_PATH}/{before[0]}")
        assert answer.json()["metadata"]["deletionTimestamp"]
        web.handled.advance(1)
        after = names(await web.get(PODS_PATH))
        assert before[0] not in after
        assert len(after) == 4

    run(use)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/apis/argoproj.io/v1alpha1/namespaces/shop/rolloutz", 404),
        ("GET", "/apis/argoproj.io/v1beta1/rollouts", 404),
        ("GET", "/apis/argoproj.io/v1alpha1/rollouts/checkout", 404),
        ("GET", "/nothing", 404),
        ("GET", f"{CHECKOUT}/scale", 404),
        ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/shop/leases/a/status", 404),
        ("POST", "/apis/argoproj.io/v1alpha1/rollouts", 405),
        ("DELETE", ROLLOUTS, 405),
        ("POST", ROLLOUTS, 400),
        ("GET", f"{ROLLOUTS}?labelSelector=a%20b", 400),
        ("GET", f"{ROLLOUTS}?limit=many", 400),
        ("GET", f"{ROLLOUTS}?continue=nonsense", 400),
        ("GET", f"{ROLLOUTS}?resourceVersion=99999999", 504),
    ],
)
def test_what_is_not_served_is_refused(method: str, path: str, code: int) -> None:
    async def use(web: Web) -> None:
        assert (await web.client.request(method, path, content="{")).status_code == code

    run(use)


def test_an_object_of_another_namespace_than_its_path_is_refused() -> None:
    async def use(web: Web) -> None:
        body = {"metadata": {"name": "a", "namespace": "elsewhere"}}
        assert (await web.client.post(ROLLOUTS, json=body)).status_code == 400

    run(use)


def test_server_side_apply_is_refused_as_what_it_is() -> None:
    async def use(web: Web) -> None:
        headers = {"content-type": "application/apply-patch+yaml"}
        answer = await web.client.patch(CHECKOUT, content="{}", headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (501, "NotImplemented")

    run(use)


def test_discovery_names_every_kind_and_its_status() -> None:
    async def use(web: Web) -> None:
        assert (await web.get("/version")).json()["minor"] == "36"
        groups = [group["name"] for group in (await web.get("/apis")).json()["groups"]]
        networking = ["networking.istio.io", "networking.k8s.io"]
        assert groups == ["apps", "argoproj.io", "coordination.k8s.io", *networking, "serinus.dev"]
        resources = (await web.get("/apis/argoproj.io/v1alpha1")).json()["resources"]
        assert [one["name"] for one in resources] == [
            "rollouts",
            "rollouts/status",
            "analysistemplates",
            "clusteranalysistemplates",
            "analysisruns",
        ]
        assert "pods" in [one["name"] for one in (await web.get("/api/v1")).json()["resources"]]
        assert (await web.get("/apis/argoproj.io")).json()["preferredVersion"]["version"] == "v1alpha1"
        assert (await web.get("/api")).json()["versions"] == ["v1"]

    run(use)


def test_every_call_is_counted_in_the_words_of_rbac() -> None:
    async def use(web: Web) -> None:
        await web.get(ROLLOUTS)
        await web.get(ROLLOUTS)
        await web.get("/apis/argoproj.io/v1alpha1/rollouts")
        await web.get(CHECKOUT)
        await web.merge(f"{CHECKOUT}/status", {"status": {}})
        await web.get(f"{ROLLOUTS}/missing")

        def shown(calls: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
            return {tuple(call.values()) for call in calls}

        group = "argoproj.io"
        assert shown((await web.get("/world/calls")).json()["calls"]) == {
            ("list", group, "rollouts", "", "shop", 2),
            ("list", group, "rollouts", "", "", 1),
            ("get", group, "rollouts", "", "shop", 2),
            ("patch", group, "rollouts", "status", "shop", 1),
        }
        await web.client.delete("/world/calls")
        assert (await web.get("/world/calls")).json()["calls"] == []

    run(use)
