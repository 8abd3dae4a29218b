"""An API server that is away or refuses, and a controller that is gone: readiness and people are told."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from serinus_readmodel.controllers import warnings
from serinus_readmodel.reader.controllers import controllers
from serinus_runtime.redis_clock import RedisClock

from tests.integration.controller.led import Led
from tests.simulated import World, rollout, scenario, simulated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with simulated(tmp_path_factory.mktemp("world"), scenario(rollout(replicas=1))) as world:
        yield world


async def faults(led: Led) -> dict[str, str]:
    """What readiness says is missing."""
    port = next(line.split('"port": ')[1].rstrip("}\n") for line in led.controller.log.open() if '"port"' in line)
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/readyz", timeout=60)
    missing: dict[str, str] = answer.json()["faults"]
    assert (answer.status_code == 503) is bool(missing)
    return missing


async def told(led: Led) -> list[str]:
    """What people are told of the controllers."""
    now = await RedisClock(led.client, led.keys)()
    return warnings(await controllers(led.client, led.keys), now)


async def until_well(led: Led) -> None:
    async def well() -> bool:
        return bool(await controllers(led.client, led.keys)) and not await faults(led) and not await told(led)

    await led.until(well, "the controller to lead, to be ready, and nothing to be told")


@pytest.mark.parametrize(
    ("fault", "said", "why"),
    [
        ({"code": 503}, "the API server has not answered since", "503"),
        ({"code": 401}, "the API server refuses the controller since", "401 .*the credentials of .* are refused"),
        ({"code": 403, "resources": ["pods"]}, "the API server refuses the controller since", "pods is forbidden"),
        ({"code": 403, "verbs": ["watch"], "resources": ["rollouts"]}, "the API server refuses", "watch .*403"),
    ],
)
async def test_an_api_server_that_fails_us_is_told_to_kubernetes_and_to_people_until_it_does_no_more(
    led: Led, fault: dict[str, Any], said: str, why: str
) -> None:
    await until_well(led)
    led.world.fault(target="kubernetes", effect="status", **fault)

    async def known() -> bool:
        # Until its loop has failed for long enough to be told, nobody leads, and that is told.
        lines = await told(led)
        return bool((await faults(led)).get("kubernetes")) and [line.startswith(said) for line in lines] == [True]

    await led.until(known, "both to be told")
    assert re.search(why, (await faults(led))["kubernetes"])
    (line,) = await told(led)
    assert line.startswith(said)
    assert "nothing can be advanced or aborted" in line
    led.world.heal()
    await until_well(led)


async def test_a_controller_that_was_killed_is_told_as_soon_as_it_should_have_spoken(led: Led) -> None:
    await until_well(led)
    led.controller.kill()

    async def known() -> bool:
        return any(line.startswith("no controller is active since") for line in await told(led))

    await led.until(known, "its silence to be told")
