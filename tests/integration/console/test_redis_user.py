"""The console with the rights of its Redis user alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from redis.asyncio import Redis
from serinus_contracts import Keys

from tests.consoles import TOKEN, Teller, served
from tests.guarded import guarded
from tests.servers import RedisServer
from tests.support import RUN, verdict

pytestmark = pytest.mark.anyio
__all__ = ["guarded"]


async def test_reading_signing_in_and_sending_commands_need_no_more_than_the_operators_rights(
    guarded: tuple[RedisServer, Mapping[str, str]],
) -> None:
    _, urls = guarded
    async with Redis.from_url(urls["admin"]) as admin, served(urls["operator"], Keys(), auth="token") as console:
        teller = Teller(admin, Keys())
        await teller.live()
        await teller.tell(verdict())
        await console.until(f"/v1/runs/{RUN.id}", "no regression seen")
        same = {"sec-fetch-site": "same-origin"}
        signed = await console.post("/login", data={"token": TOKEN}, headers=same)
        assert signed.status_code == 303
        answer = await console.post(f"/v1/runs/{RUN.id}/commands", json={"verb": "hold"}, headers=same)
        assert answer.status_code == 202
        assert (await console.get(f"/v1/runs/{RUN.id}/verdicts")).status_code == 200
        told = await console.get(f"/v1/runs/{RUN.id}/report")
        assert told.status_code == 200, told.text
        refused: Any = await admin.acl_log()
        assert refused == []
