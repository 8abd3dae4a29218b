"""What `serinus doctor` says of a Redis to the users that are shipped, and to one who may do nothing."""

from collections.abc import Mapping

import pytest
from redis.asyncio import Redis
from serinus.doctor import checks
from serinus_contracts import Keys

from tests.guarded import guarded
from tests.servers import RedisServer

pytestmark = pytest.mark.anyio
__all__ = ["guarded"]


async def rights(url: str) -> checks.Check:
    async with Redis.from_url(url) as client:
        found = {check.name: check async for check in checks.redis(client, Keys(), "it")}
    return found["redis rights"]


async def test_the_shipped_users_of_people_are_right_and_who_may_not_read_is_told_to_use_one(
    guarded: tuple[RedisServer, Mapping[str, str]],
) -> None:
    server, urls = guarded
    for user in ("operator", "reader"):
        assert (await rights(urls[user])).state == "ok"
    async with Redis.from_url(urls["admin"]) as admin:
        await admin.acl_setuser("guest", enabled=True, passwords=["+secret"], commands=["+ping"])
    refused = await rights(server.url.replace("//", "//guest:secret@", 1))
    assert refused.state == "failed"
    assert "serinus-operator" in refused.fix
    assert "@all" not in refused.fix
