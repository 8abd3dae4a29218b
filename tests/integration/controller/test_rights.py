"""The rights in deploy/rbac are those that the controller uses: none is missing, none is too many.

It leads, reads policies, advances, aborts, announces the same decision twice and gives its Lease back; the simulator
writes down each call in the words of RBAC.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serinus_contracts import DecisionTaken, Keys

from tests.integration.controller.led import Led, controller, document
from tests.simulated import World, rollout, scenario, simulated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
RBAC = Path("deploy/rbac")
Right = tuple[str, str, str]


def rights(file: str) -> set[Right]:
    """Group, resource and verb of everything that a file allows."""
    documents = yaml.safe_load_all((RBAC / file).read_text())
    rules = [rule for one in documents for rule in one.get("rules", ())]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    policies = [document("good"), document("bad", mode="bold")]
    placed = [{**one, "metadata": {**one["metadata"], "namespace": "shop"}} for one in policies]
    light = rollout(traffic={"requests_per_second": 10}, replicas=1)
    with simulated(tmp_path / "world", scenario(light, objects=placed)) as made:
        yield made


def used(world: World) -> dict[Right, set[str]]:
    """The namespaces in which each right was used."""
    found: dict[Right, set[str]] = {}
    for call in httpx.get(f"{world.url}/world/calls").raise_for_status().json()["calls"]:
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
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "none.yaml").write_text("")
    with controller(world, redis_url, keys, folder, SERINUS_NAMESPACES=namespaces) as led:
        led.client = client
        await drive(led)
        await asyncio.to_thread(led.controller.stop)
    calls = used(world)
    lease, rest = rights("controller.yaml"), rights(variant)
    assert set(calls) == lease | rest
    assert all(calls[right] == {"serinus"} for right in lease)
    if namespaces:
        assert all(calls[right] == {namespaces} for right in rest)


def test_both_variants_give_the_same_rights() -> None:
    assert rights("all-namespaces.yaml") == rights("one-namespace.yaml")
