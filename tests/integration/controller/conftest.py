"""A controller that leads in the `world` of a module."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from serinus_contracts import Keys

from tests.integration.controller.led import Led, controller
from tests.simulated import World


@pytest.fixture(scope="module")
def one(world: World, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Led]:
    keys = Keys(f"test-{uuid4().hex[:12]}")
    with controller(world, redis_url, keys, tmp_path_factory.mktemp("policies"), SERINUS_API_TIMEOUT="1") as made:
        yield made


@pytest.fixture
async def led(one: Led, client: Any) -> AsyncIterator[Led]:
    one.client = client
    yield one
    one.world.heal()
