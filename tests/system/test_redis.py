"""Whole releases on Redis as people run it: behind Sentinels that replace the master, and with a user per service."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from serinus_contracts import Keys
from serinus_runtime.redis import connected

from tests.guarded import guarded
from tests.servers import RedisServer, wait_until
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team
from tests.topologies import replicated

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
__all__ = ["guarded"]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}


async def test_a_failover_in_the_midst_of_two_releases_changes_no_outcome_and_no_count(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    world = simulated(tmp_path / "world", scenario(rollout("checkout"), rollout("payments", **BAD)))
    with world as made, replicated(tmp_path) as redis:
        async with connected(redis.url) as client:
            team = make_team(made, client=client, SERINUS_REDIS_URL=redis.url)
            for name in ("checkout", "payments"):
                made.release(name)

            async def under_way() -> bool:
                return len(await team.verdicts()) >= 8

            await team.until(under_way, "judging to be under way", 60)
            before = redis.master()
            assert before is not None
            before.kill()
            wait_until(lambda: redis.master() not in (None, before), 60, "the Sentinels to name another master")

            async def ended() -> bool:
                return None not in (await team.outcome("checkout"), await team.outcome("payments"))

            await team.until(ended, "both releases to end", 90)
            assert await team.outcome("checkout") == "promoted"
            assert await team.outcome("payments") == "aborted"
            for name in ("checkout", "payments"):
                assert (await team.ledger(name)).faults == []


async def test_each_service_does_its_work_with_its_own_rights_alone(
    make_team: Callable[..., Team], guarded: tuple[RedisServer, Mapping[str, str]], tmp_path: Path
) -> None:
    _, urls = guarded
    with simulated(tmp_path / "world", scenario(rollout("checkout"), rollout("payments", **BAD))) as made:
        async with connected(urls["admin"]) as client:
            team = make_team(made, "collector", client=client, keys=Keys(), SERINUS_REDIS_URL=urls["collector"])
            for name in ("analyzer", "controller"):
                team.start(name, SERINUS_REDIS_URL=urls[name])
            for name in ("checkout", "payments"):
                made.release(name)
            await client.xadd(team.keys.stream("snapshots"), {"no": "event"})

            async def ended() -> bool:
                return None not in (await team.outcome("checkout"), await team.outcome("payments"))

            await team.until(ended, "both releases to end", 90)
            assert await team.outcome("checkout") == "promoted"
            assert await team.outcome("payments") == "aborted"
            assert await client.xlen(team.keys.dead_letters) == 1
            assert await client.acl_log() == [], "nobody was refused anything"
