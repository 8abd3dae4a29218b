"""Policies as resources and as files: what is in force, and where it is said when none is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from serinus_contracts import Keys, RolloutObserved

from tests.integration.controller.led import Led, controller
from tests.simulated import World, rollout, scenario, simulated
from tests.support import policy_document

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
NAMES = ("valid", "twice", "nobody", "fixed", "reloaded")
RESOURCES = "/apis/serinus.dev/v1alpha1/namespaces/shop/canarypolicies"


def about(name: str, rollout: str, **spec: Any) -> dict[str, Any]:
    return policy_document(name, match={"namespace": "shop", "name": rollout}, **spec)


@pytest.fixture(scope="module")
def led_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    light = {"requests_per_second": 10}
    with simulated(
        tmp_path_factory.mktemp("world"), scenario(*(rollout(name, traffic=light, replicas=1) for name in NAMES))
    ) as made:
        yield made


@pytest.fixture
def led(led_world: World, redis_url: str, client: Any, keys: Keys, tmp_path: Path) -> Iterator[Led]:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "reloaded.yaml").write_text(yaml.safe_dump(about("reloaded", "reloaded")))
    with controller(led_world, redis_url, keys, folder) as made:
        made.client = client
        yield made


async def put(led: Led, policy: dict[str, Any]) -> None:
    """As kubectl apply would."""
    async with httpx.AsyncClient(base_url=led.world.url, timeout=60) as http:
        name = policy["metadata"]["name"]
        found = await http.get(f"{RESOURCES}/{name}")
        if found.status_code == 404:
            (await http.post(RESOURCES, json=policy)).raise_for_status()
        else:
            policy["metadata"]["resourceVersion"] = found.json()["metadata"]["resourceVersion"]
            (await http.put(f"{RESOURCES}/{name}", json=policy)).raise_for_status()


async def condition(led: Led, name: str, status: str) -> dict[str, Any]:
    """The condition Accepted, once it has this status for the newest spec."""

    async def found() -> dict[str, Any] | None:
        async with httpx.AsyncClient(base_url=led.world.url, timeout=60) as http:
            policy = (await http.get(f"{RESOURCES}/{name}")).json()
        said: list[dict[str, Any]] = policy.get("status", {}).get("conditions", [])
        current = [one for one in said if one["observedGeneration"] == policy["metadata"]["generation"]]
        return next((one for one in current if (one["type"], one["status"]) == ("Accepted", status)), None)

    answer: dict[str, Any] = await led.until(found, f"{name} to be Accepted={status}")
    return answer


async def logged(led: Led, *words: str) -> None:
    async def found() -> bool:
        return any(all(word in line for word in words) for line in led.log().splitlines())

    await led.until(found, f"the log to say {words}")


async def test_a_valid_resource_says_so_and_judges_the_next_run(led: Led) -> None:
    await put(led, about("valid", "valid"))
    assert (await condition(led, "valid", "True"))["reason"] == "Valid"
    led.world.release("valid")
    assert (await led.at_gate("valid", 1)).run.name == "valid"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metrics": []}, "metrics"),
        ({"metrics": None}, "metrics"),
        ({"mode": "bold"}, "spec.mode"),
        ({"match": {"namespace": "elsewhere"}}, "a resource matches its own namespace only"),
    ],
)
async def test_a_resource_that_says_nothing_sensible_is_refused_where_its_author_looks(
    led: Led, wrong: dict[str, Any], words: str
) -> None:
    await put(led, {**about("fixed", "fixed"), **policy_document("fixed", **{"match": {"name": "fixed"}, **wrong})})
    refused = await condition(led, "fixed", "False")
    assert (refused["reason"], words in refused["message"]) == ("Invalid", True), refused["message"]
    await put(led, about("fixed", "fixed"))
    await condition(led, "fixed", "True")


async def test_two_policies_for_one_rollout_are_a_conflict_so_none_is_applied_and_both_are_named(led: Led) -> None:
    await put(led, about("one", "twice"))
    await put(led, about("other", "twice"))
    await condition(led, "other", "True")
    led.world.release("twice")
    await logged(led, "shop/twice is matched by several policies", "one", "other", "none is applied")
    assert await led.told(RolloutObserved, "twice") == []


async def test_a_rollout_without_a_policy_is_left_alone(led: Led) -> None:
    led.world.release("nobody")
    led.world.wait_for_pause(1, "nobody")
    led.world.release("reloaded", "v7")
    await led.at_gate("reloaded", 1)
    assert await led.told(RolloutObserved, "nobody") == []


async def test_a_file_that_becomes_unreadable_keeps_its_last_good_version(led: Led) -> None:
    file = led.policies / "reloaded.yaml"
    await logged(led, f"policies of {file}: reloaded")
    file.write_text("spec: [")
    await logged(led, "policy refused, its last good version stays in force", f"{file}:1:8: no YAML")
    led.world.release("reloaded", "v9")
    assert (await led.at_gate("reloaded", 1)).run.name == "reloaded"
