"""Decisions as Kubernetes Events, in the simulator's API."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from serinus_contracts import DecisionTaken
from serinus_controller.adapters.events import KubernetesEvents
from serinus_controller.domain.announce import Notice
from serinus_rollouts.kubernetes.api import Api, connect

from tests.simulated import World, rollout, scenario, simulated
from tests.support import RUN, policy_document

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulated(tmp_path_factory.mktemp("world"), scenario(rollout())) as made:
        yield made


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    async with await connect(str(world.kubeconfig), "") as client:
        yield Api(client, timeout=30)


def decision(**other: Any) -> DecisionTaken:
    fields = {"run": RUN, "step": 1, "action": "abort", "cause": "v", "detail": "abort: bad", "mode": "enforce"}
    return DecisionTaken(**(fields | {"state": "confirmed", "decided": 1_700_000_000_000} | other))


async def events(api: Api) -> list[dict[str, Any]]:
    found = await api.request("GET", "/api/v1/namespaces/shop/events")
    return [one for one in found["items"] if one["source"].get("component") == "serinus"]


async def test_a_decision_is_an_event_on_its_rollout_and_the_same_again_only_counts_up(api: Api) -> None:
    announcer = KubernetesEvents(api)
    for _ in range(3):
        await announcer.announce(decision())
    (event,) = await events(api)
    assert (event["reason"], event["type"], event["message"], event["count"]) == (
        "SerinusAborted",
        "Warning",
        "abort: bad",
        3,
    )
    assert event["involvedObject"]["kind"] == "Rollout"
    assert event["involvedObject"]["uid"] == RUN.uid


@pytest.mark.parametrize(
    ("fields", "reason", "kind"),
    [
        ({"action": "advance"}, "SerinusAdvanced", "Normal"),
        ({"action": "advance", "state": "intended"}, "SerinusWouldAdvance", "Normal"),
        ({"action": "promote", "state": "failed"}, "SerinusPromoteFailed", "Warning"),
        ({"action": "await_approval"}, "SerinusAwaitsApproval", "Normal"),
        ({"action": "refused"}, "SerinusCommandRefused", "Warning"),
    ],
)
async def test_each_kind_of_decision_has_its_reason(api: Api, fields: dict[str, str], reason: str, kind: str) -> None:
    await KubernetesEvents(api).announce(decision(detail=reason, **fields))
    found = {event["message"]: event for event in await events(api)}
    assert (found[reason]["reason"], found[reason]["type"]) == (reason, kind)


async def test_why_a_release_is_not_judged_is_an_event_on_its_rollout_and_on_the_policies_that_are_resources(
    api: Api,
) -> None:
    policy = policy_document("own", match={"name": "checkout"})
    made = await api.request("POST", "/apis/serinus.dev/v1alpha1/namespaces/shop/canarypolicies", body=policy)
    notice = Notice("shop", "checkout", RUN.uid, "matched by several policies: none is applied", ("own", "of a file"))
    for _ in range(2):
        await KubernetesEvents(api).notify(notice)
    found = [event for event in await events(api) if event["message"] == notice.text]
    assert [(one["involvedObject"]["kind"], one["involvedObject"]["uid"], one["count"]) for one in found] == [
        ("Rollout", RUN.uid, 2),
        ("CanaryPolicy", made["metadata"]["uid"], 2),
    ]
    assert {(one["type"], one["reason"]) for one in found} == {("Warning", "SerinusPolicy")}
