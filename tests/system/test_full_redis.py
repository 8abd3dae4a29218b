"""A Redis that is filled to its limit in mid-release, with the shipped users: by what trimming gives back, and by keys
that are not Serinus'. Aborts and commands go on, nothing is lost, and all goes on by itself once there is room."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError
from serinus_contracts import DecisionTaken, Event, Keys, MetricsCollected, RolloutObserved, VerdictReached, from_entry
from serinus_readmodel.reader.commands import Commands
from serinus_runtime.loops import heed_cancellation
from serinus_runtime.redis import connected
from ulid import ULID

from tests.full import FOREIGN, fill, limit
from tests.guarded import guarded
from tests.servers import RedisServer
from tests.simulated import rollout, scenario, simulated
from tests.support import command
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
__all__ = ["guarded"]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.05}]}
KINDS: tuple[type[Event], ...] = (RolloutObserved, MetricsCollected, VerdictReached, DecisionTaken)


class Onlooker:
    """Reads all streams as they are written, as a subscriber without a group does."""

    def __init__(self, client: Any, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self.seen: list[Any] = []

    async def look(self) -> None:
        kinds = {self._keys.stream(kind.STREAM).encode(): kind for kind in KINDS}
        positions: dict[Any, Any] = dict.fromkeys(kinds, "0")
        while True:
            for stream, entries in await self._client.xread(positions, block=200):
                positions[stream] = entries[-1][0]
                self.seen += [from_entry(kinds[stream], fields).data for _, fields in entries]
            heed_cancellation()

    def told(self, kind: type[Event], name: str) -> list[Any]:
        return [one for one in self.seen if isinstance(one, kind) and one.run.name == name]

    def answered(self, cause: str) -> list[DecisionTaken]:
        return [one for one in self.seen if isinstance(one, DecisionTaken) and one.cause == cause]

    def ended(self, name: str) -> str | None:
        return next((one.outcome for one in self.told(RolloutObserved, name) if one.outcome), None)

    def missed(self, name: str) -> list[str]:
        """Where the looks of a run, or their verdicts, are no chain."""
        looks, verdicts = self.told(MetricsCollected, name), self.told(VerdictReached, name)
        ends = [0, *(look.end for look in looks)]
        faults = [f"look {look.end}" for before, look in zip(ends, looks, strict=False) if look.follows != before]
        if [one.end for one in verdicts] != ends[1 : len(verdicts) + 1] or len(verdicts) != len(looks):
            faults.append(f"{len(looks)} looks, {len(verdicts)} verdicts")
        return faults + [f"gaps in verdict {one.end}" for one in verdicts if one.quality.gaps]


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():
            task.cancel()  # which the client may swallow
            await asyncio.wait({task}, timeout=0.5)


@pytest.fixture
async def team(
    make_team: Callable[..., Team], guarded: tuple[RedisServer, Mapping[str, str]], tmp_path: Path
) -> AsyncIterator[Team]:
    _, urls = guarded
    with simulated(tmp_path / "world", scenario(rollout("held"), rollout("bad", **BAD))) as world:
        async with connected(urls["admin"]) as client:
            policy = {"stages": [{"weight": 5, "minimum": "10m", "maximum": "20m"}]}
            made = make_team(
                world, "collector", policy=policy, client=client, keys=Keys(), SERINUS_REDIS_URL=urls["collector"]
            )
            for name in ("analyzer", "controller"):
                made.start(name, SERINUS_REDIS_URL=urls[name])
            world.release("held")
            world.release("bad")
            yield made


async def test_a_full_redis_lets_aborts_and_people_through_loses_nothing_and_recovers_by_itself(
    team: Team, guarded: tuple[RedisServer, Mapping[str, str]]
) -> None:
    admin, onlooker = team.client, Onlooker(team.client, team.keys)

    async def ask(verb: str, name: str) -> DecisionTaken:
        run, id_ = onlooker.told(RolloutObserved, name)[-1].run, str(ULID())
        step, expires = team.world.status(name)["currentStepIndex"], round(time.time() * 1000) + 60_000
        async with connected(guarded[1]["operator"]) as operator:
            asked = command(verb, run=run, id=id_, step=step, expires=expires)
            await Commands(operator, team.keys, "/test").send(asked, round(time.time() * 1000))
        await team.until(lambda: any(one.state != "waiting" for one in onlooker.answered(id_)), f"{verb} of {name}")
        return onlooker.answered(id_)[-1]

    async def take_all_room() -> None:
        await fill(admin)
        while True:
            # By a margin, so that there is no room for as long as what was trimmed is not taken too.
            await limit(admin, -300_000)
            heed_cancellation()
            await asyncio.sleep(0.05)

    def evaluated(name: str) -> bool:
        return any(one.evaluated_requests for one in onlooker.told(VerdictReached, name))

    def log(service: str) -> str:
        return team.services[service].log.read_text()

    async with beside(onlooker.look()):
        for name in ("held", "bad"):
            # Before anything was evaluated at this weight nobody may advance it.
            await team.until(lambda: evaluated(name), f"{name} to be evaluated", 60)  # noqa: B023
        await limit(admin, 100_000)
        async with beside(take_all_room()):
            await team.until(lambda: "collect fails" in log("collector"), "the collector to have no room")
            looks = len(onlooker.told(MetricsCollected, "held"))
            assert (await ask("hold", "bad")).state == "confirmed"
            assert (await ask("abort", "held")).state == "confirmed"
            await team.until(lambda: onlooker.ended("held") == "aborted", "the abort to be seen")
            team.services["controller"].kill()
            led = log("controller").count("became leader")
            team.services["controller"].restart()
            await team.until(lambda: log("controller").count("became leader") > led, "a leader in a full Redis")
            assert (await ask("resume", "bad")).state == "confirmed"
            assert len(onlooker.told(MetricsCollected, "held")) - looks < 5, "it has been full all the time"
        await admin.delete(FOREIGN)
        # Full of what trimming gives back: it is told long ago, and nobody waits for it.
        old = round(time.time() * 1000) - 3_000_000
        await limit(admin, 2_000_000)
        with suppress(OutOfMemoryError):
            for number in range(10_000):
                await admin.xadd(team.keys.dead_letters, {"error": "x" * 5_000}, id=f"{old + number}-0")
        await team.until(lambda: "gave up the oldest" in log("controller"), "room to be made")
        advance = await ask("advance", "bad")
        assert (advance.action, advance.state) == ("advance", "confirmed"), advance.detail
        await team.until(lambda: onlooker.ended("bad") == "aborted", "the bad canary to be aborted", 60)
    assert onlooker.missed("held") == onlooker.missed("bad") == []
    (abort,) = [
        one for one in onlooker.told(DecisionTaken, "bad") if one.action == "abort" and one.state == "confirmed"
    ]
    assert abort.asked is None, "by its evidence"
    for service in ("collector", "analyzer"):
        assert log(service).count("OOM") + log(service).count("maxmemory") < 10, "a line for a change, not for each try"
        assert "dead letter" not in log(service)
