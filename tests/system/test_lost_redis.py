"""A Redis that is killed in mid-release, and one that comes back with less than it had, with the shipped users: what
people have decided holds or is asked for again, and nothing is advanced on doubt."""

import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from serinus_contracts import Keys, RolloutObserved, Run, seal, to_entry
from serinus_contracts.streams import STREAMS
from serinus_controller.adapters.election import NOTE
from serinus_readmodel.controllers import warnings
from serinus_readmodel.reader.controllers import controllers
from serinus_runtime.redis import connected
from serinus_runtime.witness import Position
from ulid import ULID

from tests.guarded import guarded
from tests.servers import RedisServer
from tests.simulated import rollout, scenario, simulated
from tests.support import command
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
__all__ = ["guarded"]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}
LEASE = "/apis/coordination.k8s.io/v1/namespaces/serinus/leases/serinus-controller"


@dataclass
class Lossy:
    """A release that a person holds, beside one that is good and one that is bad, each at its first gates."""

    team: Team
    redis: RedisServer
    urls: Mapping[str, str]

    async def run(self, name: str) -> Run:
        return [one.run for one in await self.team.told(RolloutObserved) if one.run.name == name][-1]

    async def ask(self, verb: str) -> str:
        run = await self.run("held")
        id_ = str(ULID())
        step, expires = self.team.world.status("held")["currentStepIndex"], round(time.time() * 1000) + 60_000
        asked: Any = to_entry(seal(command(verb, run=run, id=id_, step=step, expires=expires), source="/test", now=1))
        await self.team.client.xadd(self.team.keys.stream("commands"), asked)

        async def answered() -> bool:
            return any(one.cause == id_ for one in await self.team.decisions())

        await self.team.until(answered, f"the answer to {verb}")
        return id_

    async def hold(self) -> None:
        await self.ask("hold")
        await self.memory(b"alice")

    async def noted(self) -> None:
        """Wait until the Lease says how far Redis is now."""
        wanted = int(await self.team.client.hget(self.team.keys.memory, "written"))

        def there() -> bool:
            lease = httpx.get(self.team.world.url + LEASE, timeout=60).raise_for_status().json()
            return Position.parse(lease["metadata"].get("annotations", {}).get(NOTE, "")).written >= wanted

        await self.team.until(there, "the Lease to note it")

    def forget_lease(self) -> None:
        httpx.delete(self.team.world.url + LEASE, timeout=60).raise_for_status()

    async def warned(self, what: str) -> None:
        """Wait until people are told of the loss, and of what became of holds."""

        async def there() -> bool:
            told = warnings(await controllers(self.team.client, self.team.keys), round(time.time() * 1000))
            return any("lost data" in line and what in line for line in told)

        await self.team.until(there, f"{what!r} to be told")

    async def memory(self, what: bytes) -> None:
        """Wait until what is remembered of the held run has this in it."""

        async def kept() -> bool:
            if not await self.team.told(RolloutObserved):
                return False
            key = self.team.keys.control((await self.run("held")).id)
            return what in (await self.team.client.hget(key, "operator") or b"")

        await self.team.until(kept, f"{what!r} to be remembered")

    async def ended(self, name: str, outcome: str) -> None:
        async def there() -> bool:
            return await self.team.outcome(name) == outcome

        await self.team.until(there, f"{name} to be {outcome}", 90)

    def step(self, name: str = "held") -> int:
        return int(self.team.world.status(name)["currentStepIndex"])

    def logs(self, service: str) -> str:
        return self.team.services[service].log.read_text()

    def empty(self) -> None:
        """Killed, and back without its files."""
        self.redis.kill()
        shutil.rmtree(self.redis.folder / "appendonlydir")
        self.redis.start()

    async def judged_again(self) -> None:
        """Wait for the verdict of another look that is taken after now, seconds after the last."""
        since = round(time.time() * 1000)

        async def there() -> bool:
            return any(one.run.name == "held" and one.end > since + 1500 for one in await self.team.verdicts())

        await self.team.until(there, "another look at the held run", 30)

    async def judged_anew(self) -> None:
        """Wait until the held run has had verdicts after now that would advance it."""
        since = round(time.time() * 1000)

        async def proceeds() -> bool:
            found = [one for one in await self.team.verdicts() if one.run.name == "held" and one.end > since]
            return len([one for one in found if one.verdict == "proceed"]) >= 3

        await self.team.until(proceeds, "verdicts to proceed with the held run")


@pytest.fixture
async def lossy(
    make_team: Callable[..., Team], guarded: tuple[RedisServer, Mapping[str, str]], tmp_path: Path
) -> AsyncIterator[Lossy]:
    redis, urls = guarded
    made = scenario(rollout("held"), rollout("good"), rollout("bad", **BAD))
    with simulated(tmp_path / "world", made) as world:
        async with connected(urls["admin"]) as client:
            policy = {"stages": [{"weight": 5, "minimum": "5s"}]}
            team = make_team(
                world, "collector", policy=policy, client=client, keys=Keys(), SERINUS_REDIS_URL=urls["collector"]
            )
            for name in ("analyzer", "controller"):
                team.start(name, SERINUS_REDIS_URL=urls[name])
            lossy = Lossy(team, redis, urls)
            world.release("held")
            world.wait_for_pause(1, "held")

            async def known() -> bool:
                return any(one.run.name == "held" for one in await team.verdicts())

            await team.until(known, "the run to be judged", 60)
            yield lossy


async def counted(client: Any, keys: Keys) -> dict[str, int]:
    """Everything but what comes and goes with leases."""
    found: dict[str, int] = {str(name): await client.xlen(keys.stream(name)) for name in STREAMS}
    for kind in ("run", "plan", "evidence", "control", "story", "attempt"):
        found[kind] = len([key async for key in client.scan_iter(f"{{serinus}}:{kind}:*", count=1000)])
    return found


async def test_a_redis_that_is_killed_and_started_again_has_lost_nothing_and_nobody_is_advanced(lossy: Lossy) -> None:
    team = lossy.team
    await lossy.hold()
    for name in ("good", "bad"):
        team.world.release(name)
    await lossy.judged_anew()
    at = lossy.step()
    # Nobody writes while it is counted.
    for child in team.services.values():
        child.stop()
    before = await counted(team.client, team.keys)
    lossy.redis.kill()
    lossy.redis.start()
    assert await counted(team.client, team.keys) == before
    assert min(before.values()) > 0
    for child in team.services.values():
        child.restart()
    await lossy.ended("good", "promoted")
    await lossy.ended("bad", "aborted")
    await lossy.judged_anew()
    assert lossy.step() == at
    assert all("has lost data" not in lossy.logs(name) for name in team.services)
    for name in ("good", "bad"):
        assert (await team.ledger(name)).faults == []


async def test_an_emptied_redis_is_noticed_by_all_and_what_the_leader_remembers_holds(lossy: Lossy) -> None:
    await lossy.hold()
    at, run = lossy.step(), await lossy.run("held")
    # Each service looks once a second what Redis has; who never saw it cannot miss it.
    await lossy.judged_again()
    lossy.empty()
    await lossy.memory(b"alice")
    await lossy.warned("the controller wrote holds and approvals back")
    assert await lossy.run("held") == run
    await lossy.judged_anew()
    assert lossy.step() == at

    async def all_said() -> bool:
        return all("has lost data" in lossy.logs(name) for name in lossy.team.services)

    await lossy.team.until(all_said, "every service to say so")
    lossy.team.world.release("bad")
    await lossy.ended("bad", "aborted")
    await lossy.ask("resume")
    await lossy.ended("held", "promoted")


@pytest.mark.parametrize("how", ["emptied", "restored"])
async def test_a_controller_that_cannot_know_what_people_decided_asks_again(
    lossy: Lossy, how: str, tmp_path: Path
) -> None:
    team, files = lossy.team, lossy.redis.folder / "appendonlydir"
    lossy.redis.kill()
    shutil.copytree(files, tmp_path / "backup")
    lossy.redis.start()
    await lossy.hold()
    at = lossy.step()
    await lossy.noted()
    team.services["controller"].kill()
    lossy.redis.kill()
    shutil.rmtree(files)
    if how == "restored":
        shutil.copytree(tmp_path / "backup", files)
    lossy.redis.start()
    team.services["controller"].restart()
    await lossy.memory(b"Redis has lost data")
    await lossy.warned("stay on hold until resumed")
    await lossy.judged_anew()
    assert lossy.step() == at
    assert any("resume to go on" in one.detail for one in await team.decisions() if one.action == "hold")
    lossy.team.world.release("good")
    await lossy.ended("good", "promoted")
    assert lossy.step() == at, "what has begun since is not in doubt"
    await lossy.ask("resume")
    await lossy.ended("held", "promoted")


async def test_a_first_controller_on_an_empty_redis_holds_nobody(lossy: Lossy) -> None:
    for child in lossy.team.services.values():
        child.stop()
    lossy.empty()
    lossy.forget_lease()
    for child in lossy.team.services.values():
        child.restart()
    await lossy.ended("held", "promoted")
