"""The rights in deploy/rbac and in the chart are those that the controller uses: none is missing, none is too many.

It leads, reads policies, advances, aborts, announces the same decision twice and gives its Lease back; the simulator
writes down each call in the words of RBAC.
"""

import asyncio
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serinus_contracts import DecisionTaken, Keys

from tests.helm import rendered
from tests.integration.controller.led import Led, controller
from tests.simulated import World, rollout, scenario, simulated
from tests.support import policy_document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
RBAC = Path("deploy/rbac")
Right = tuple[str, str, str]


def rights(documents: Iterable[dict[str, Any]]) -> dict[str, set[Right]]:
    """Group, resource and verb of everything that they allow the controller, by namespace; "" stands for all.

    A file without namespaces is for the one that it is applied to, `shop`.
    """
    known = list(documents)
    roles = {(one["kind"], one["metadata"]["name"], place(one)): one for one in known if "rules" in one}
    found: dict[str, set[Right]] = {}
    for one in known:
        if one["kind"].endswith("Binding") and {"serinus-controller"} == {who["name"] for who in one["subjects"]}:
            role = roles.pop((one["roleRef"]["kind"], one["roleRef"]["name"], place(one)))
            found.setdefault(place(one), set()).update(
                (group, resource, verb)
                for rule in role["rules"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            )
    assert roles == {}, "every role is bound"
    return found


def place(one: dict[str, Any]) -> str:
    return "" if one["kind"].startswith("Cluster") else one["metadata"].get("namespace", "shop")


def manifests(file: str) -> list[dict[str, Any]]:
    return [one for name in ("controller.yaml", file) for one in yaml.safe_load_all((RBAC / name).read_text())]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    policies = [policy_document("good"), policy_document("bad", mode="bold")]
    placed = [{**one, "metadata": {**one["metadata"], "namespace": "shop"}} for one in policies]
    light = rollout(traffic={"requests_per_second": 10}, replicas=1)
    with simulated(tmp_path / "world", scenario(light, objects=placed)) as made:
        yield made


def used(world: World) -> dict[Right, set[str]]:
    """The namespaces in which each right was used."""
    found: dict[Right, set[str]] = {}
    for call in httpx.get(f"{world.url}/world/calls", timeout=60).raise_for_status().json()["calls"]:
        resource = "/".join(part for part in (call["resource"], call["subresource"]) if part)
        found.setdefault((call["group"], resource, call["verb"]), set()).add(call["namespace"])
    return found


async def drive(led: Led) -> None:
    """Everything that a controller does in a cluster."""
    led.world.release()
    first = await led.at_gate("checkout", 1)
    for reason in ("no_data", "provider_error", "no_data"):
        held = await led.say(first, "hold", reason=reason)
        await led.decided(held, "checkout")
    await led.decided(await led.say(first, "proceed"), "checkout")
    aborted = await led.say(await led.at_gate("checkout", 3), "abort")
    assert (await led.decided(aborted, "checkout")).state == "confirmed"

    async def announced() -> bool:
        calls = used(led.world)
        return ("", "events", "patch") in calls and len(await led.told(DecisionTaken, "checkout")) >= 5

    await led.until(announced, "the decisions to be announced")


@pytest.mark.parametrize(("variant", "namespaces"), [("all-namespaces.yaml", ""), ("one-namespace.yaml", "shop")])
async def test_the_controller_uses_each_right_that_it_is_given_and_no_other(
    world: World, redis_url: str, client: Any, keys: Keys, tmp_path: Path, variant: str, namespaces: str
) -> None:
    allowed = rights(manifests(variant))
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "none.yaml").write_text("")
    with controller(world, redis_url, keys, folder, SERINUS_NAMESPACES=namespaces) as led:
        led.client = client
        await drive(led)
        await asyncio.to_thread(led.controller.stop)
    calls = used(world)
    assert set(allowed) == {"serinus", namespaces}
    assert set(calls) == allowed["serinus"] | allowed[namespaces]
    assert all(calls[right] == {"serinus"} for right in allowed["serinus"])
    if namespaces:
        assert all(calls[right] == {namespaces} for right in allowed[namespaces])


@pytest.mark.parametrize(
    ("variant", "values"),
    [("all-namespaces.yaml", "rbac.create=true"), ("one-namespace.yaml", "rbac.namespaces={shop}")],
)
def test_the_chart_gives_the_same_rights_in_the_same_places(variant: str, values: str) -> None:
    assert rights(rendered("--set", values)) == rights(manifests(variant))
