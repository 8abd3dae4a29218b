"""Room in Redis, made by giving up what nobody needs any more, on a real server with the shipped users."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from serinus_contracts import Keys
from serinus_contracts.streams import ANALYZER_GROUP, controller_group
from serinus_controller.adapters.housekeeping import JUST_TOLD_MS, PAST_USE_MS, RECENT_MS, Housekeeper, Telemetry
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.redis import connected

from tests.full import FOREIGN, clients, fill, limit, urls
from tests.support import RUN, observed, plan

pytestmark = pytest.mark.anyio
__all__ = ["clients", "urls"]
KEYS = Keys()
SNAPSHOTS, VERDICTS, DECISIONS = (KEYS.stream(name) for name in ("snapshots", "verdicts", "decisions"))
NOBODY = "nobody's"


@pytest.fixture
def admin(clients: Mapping[str, Any]) -> Any:
    return clients["admin"]


@pytest.fixture
def housekeeper(clients: Mapping[str, Any]) -> Housekeeper:
    return Housekeeper(clients["controller"], KEYS, Telemetry(CollectorRegistry()))


async def now(admin: Any) -> int:
    seconds, micros = await admin.time()
    return int(seconds) * 1000 + int(micros) // 1000


async def write(admin: Any, stream: str, ages_ms: list[int], size: int = 20_000) -> list[bytes]:
    """Entries of these ages, the oldest first."""
    at = await now(admin)
    return [await admin.xadd(stream, {"n": "x" * size}, id=f"{at - age}-*") for age in sorted(ages_ms, reverse=True)]


async def left(admin: Any, stream: str) -> list[bytes]:
    return [entry for entry, _ in await admin.xrange(stream)]


async def test_the_oldest_goes_first_until_there_is_room_and_what_was_just_told_stays(
    housekeeper: Housekeeper, admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    minute = 60_000
    old = await write(admin, SNAPSHOTS, [age * minute for age in range(20, 60)])
    newer = await write(admin, VERDICTS, [age * minute for age in range(5, 15)])
    used = int((await admin.info("memory"))["used_memory"])
    await admin.config_set("maxmemory", round(used / 0.75))
    assert await housekeeper.step() == 5.0
    kept = await left(admin, SNAPSHOTS)
    assert 0 < len(kept) < len(old)
    assert kept == old[-len(kept) :]
    assert await left(admin, VERDICTS) == newer, "they are younger than all that went"
    (said,) = [one.message for one in caplog.records]
    assert re.match(r"Redis was \d+ % full, .* MB: gave up the oldest \d+ entries, now it is", said)
    caplog.clear()
    assert await housekeeper.step() == 5.0
    assert caplog.records == []


async def test_what_a_group_has_not_finished_stays_while_it_is_of_use_and_a_snapshot_until_it_is_judged(
    housekeeper: Housekeeper, admin: Any
) -> None:
    ages = [PAST_USE_MS + 60_000, RECENT_MS + 60_000, RECENT_MS + 50_000, JUST_TOLD_MS + 20_000, 0]
    groups = {SNAPSHOTS: ANALYZER_GROUP, VERDICTS: controller_group("test"), DECISIONS: "subscriber"}
    entries = {}
    for stream, group in groups.items():
        entries[stream] = await write(admin, stream, ages)
        await admin.xgroup_create(stream, group, id="0")
        # The second is under way, the third is done, and the others are not read yet.
        await admin.xgroup_setid(stream, group, entries[stream][0])
        await admin.xreadgroup(group, "a", {stream: ">"}, count=2)
        await admin.xack(stream, group, entries[stream][2])
    await admin.xgroup_create(DECISIONS, NOBODY, id="0")
    rollouts = await write(admin, KEYS.stream("rollouts"), ages)
    await admin.hset(KEYS.notify("places"), "rollouts", rollouts[2])
    await limit(admin, 0)
    await fill(admin)
    await housekeeper.step()
    assert await left(admin, SNAPSHOTS) == entries[SNAPSHOTS][1:], "the oldest was judged before the others"
    assert await left(admin, VERDICTS) == entries[VERDICTS][1:]
    assert await left(admin, DECISIONS) == entries[DECISIONS][1:], "nobody's group cannot keep it for longer"
    assert await left(admin, KEYS.stream("rollouts")) == rollouts[3:], "up to where the notifier has read"
    for stream, group in groups.items():
        await admin.xack(stream, group, entries[stream][1])
    await housekeeper.step()
    assert await left(admin, SNAPSHOTS) == entries[SNAPSHOTS][3:]
    assert await left(admin, DECISIONS) == entries[DECISIONS][1:]


async def test_commands_that_were_sent_before_any_controller_has_led_stay(housekeeper: Housekeeper, admin: Any) -> None:
    sent = await write(admin, KEYS.stream("commands"), [RECENT_MS + 60_000, JUST_TOLD_MS + 20_000])
    await write(admin, DECISIONS, [RECENT_MS + 60_000])
    await limit(admin, 10_000)
    await housekeeper.step()
    assert await left(admin, KEYS.stream("commands")) == sent
    assert await left(admin, DECISIONS) == []


async def test_ended_runs_are_forgotten_at_last_the_first_of_who_has_most_and_no_plan_that_is_needed(
    housekeeper: Housekeeper, clients: Mapping[str, Any], admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    registry = RedisRegistry(clients["controller"], KEYS, clock=lambda: 5, max_entries=1000)
    mine, other = plan(), plan(policy="other")
    for number in range(12):
        run = RUN.model_copy(update={"uid": f"ended-{number}", "namespace": "shop" if number else "bank"})
        ended = observed(run=run, plan=other.digest)
        await registry.observe(ended, other, None, publish=True)
        await registry.retire(ended.model_copy(update={"outcome": "promoted", "resource_version": "200"}))
    live = observed(plan=mine.digest)
    await registry.observe(live, mine, None, publish=True)
    await admin.delete(KEYS.stream("rollouts"))
    await limit(admin, 200_000)
    await fill(admin)
    await housekeeper.step()
    members = [member.decode() for member in await admin.zrange(KEYS.ended, 0, -1)]
    assert [member.partition(" ")[0] for member in members] == ["bank/checkout", "shop/checkout"]
    stories = [key.decode() async for key in admin.scan_iter(KEYS.story("*"))]
    assert {KEYS.story(member.partition(" ")[2]) for member in members} | {KEYS.story(RUN.id)} == set(stories)
    assert await admin.exists(KEYS.run(RUN.id), KEYS.plan(mine.digest)) == 2
    assert "10 ended runs with their reports" in caplog.text
    await admin.config_set("maxmemory", 0)
    for _ in range(300):
        await admin.rpush(FOREIGN, "x" * 100_000)
    await admin.config_set("maxmemory", int((await admin.info("memory"))["used_memory"] / 0.965))
    await housekeeper.step()
    assert housekeeper.trouble.endswith(": ended runs are given up with their reports until it has more memory")


async def test_a_full_redis_is_said_once_and_so_is_that_there_is_room_again(
    housekeeper: Housekeeper, admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await limit(admin, 100_000)
    await fill(admin)
    for _ in range(3):
        assert await housekeeper.step() == 1.0
    assert housekeeper.trouble.endswith(": snapshots wait, acts and commands go on")
    await admin.delete(FOREIGN)
    await admin.config_set("maxmemory", 100_000_000)
    for _ in range(3):
        assert await housekeeper.step() == 5.0
    assert housekeeper.trouble == ""
    assert [one.levelname for one in caplog.records] == ["ERROR", "INFO"]


async def test_a_redis_without_a_limit_and_a_user_who_may_not_ask_are_said_once(
    housekeeper: Housekeeper, urls: Mapping[str, str], admin: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert await housekeeper.step() == 5.0
    user = "older on >older ~* +@all -info"
    await admin.execute_command("ACL", "SETUSER", *user.split())
    async with connected(urls["admin"].replace("admin:admin", "older:older")) as older:
        blind = Housekeeper(older, KEYS, Telemetry(CollectorRegistry()))
        for _ in range(2):
            await blind.step()
    said = [one.message.partition(": ")[2].partition(",")[0] for one in caplog.records]
    assert said == ["it has no limit of memory", "this user may not ask for its memory"]
