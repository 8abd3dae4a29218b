"""A controller that begins anew tells nothing of a run before it has seen its pods, however late these come."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from serinus_contracts import Keys, RolloutObserved

from tests.integration.controller.led import Led, controller
from tests.simulated import World, rollout, scenario, simulated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
LATE = {"target": "kubernetes", "verbs": ["list"], "resources": ["pods"], "effect": "slow", "seconds": 1.5}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    light = {"requests_per_second": 10}
    plain = rollout("plain", traffic=light, routing="none")
    with simulated(tmp_path_factory.mktemp("world"), scenario(plain, rollout("routed", traffic=light))) as world:
        yield world


@pytest.fixture(scope="module")
def one(world: World, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Led]:
    keys = Keys(f"test-{uuid4().hex[:12]}")
    with controller(world, redis_url, keys, tmp_path_factory.mktemp("policies")) as made:
        yield made


@pytest.fixture
async def led(one: Led, client: Any) -> AsyncIterator[Led]:
    one.client = client
    yield one
    one.world.heal()


async def test_what_is_told_after_a_restart_with_late_pods_is_what_was_told_before(led: Led) -> None:
    before = {}
    for name in ("plain", "routed"):
        led.world.release(name)
    for name in ("plain", "routed"):
        await led.at_rest(name)
    led.controller.kill()
    for name in ("plain", "routed"):
        before[name] = await led.told(RolloutObserved, name)
    led.world.fault(**LATE)
    killed = round(time.time() * 1000)
    led.controller.restart()
    for name, told in before.items():

        async def followed(run: str = told[-1].run.id) -> bool:
            until = await led.client.hget(led.keys.run(run), "weight_constant_until")
            return int(until) > killed

        await led.until(followed, f"{name} to be followed again")
        assert await led.told(RolloutObserved, name) == told
