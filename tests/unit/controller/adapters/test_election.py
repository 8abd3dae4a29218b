import asyncio
import time
from typing import Any, cast

import pytest
from serinus_controller.adapters.election import Election
from serinus_rollouts.kubernetes.api import Api

pytestmark = pytest.mark.anyio


class HangingApi:
    """Takes a Lease, and answers nothing from then on."""

    def __init__(self) -> None:
        self.taken = False

    async def find(self, path: str) -> None:
        if self.taken:
            await asyncio.Event().wait()

    async def request(self, method: str, path: str, **_: Any) -> None:
        self.taken = True


async def test_a_lease_lapses_while_an_attempt_to_renew_it_hangs() -> None:
    api = cast("Api", HangingApi())
    one = Election(api, "serinus", "lease", "one", duration=0.3, monotonic=time.monotonic, clock=lambda: 0)
    await one.attempt()
    renewing = asyncio.create_task(one.attempt())
    await asyncio.wait_for(one.lapse(), 60)
    assert not one.leading
    assert not renewing.done()
    renewing.cancel()
