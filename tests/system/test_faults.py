"""When something that Serinus needs is away: it says so, advances nothing, loses nothing, and comes back by itself."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from serinus_contracts import MetricsCollected

from tests.simulated import World, rollout, scenario, simulated
from tests.system.conftest import Team, reasons

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
# The first stage lasts until a test has seen what it came for.
PATIENT = {"stages": [{"weight": 5, "minimum": "1h", "maximum": "2h"}]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with simulated(tmp_path / "world", scenario(rollout())) as made:
        yield made


@pytest.fixture
async def team(world: World, make_team: Callable[..., Team]) -> AsyncIterator[Team]:
    """Services that judge a release at its first stage."""
    made = make_team(world, policy=PATIENT)
    world.release()

    async def judged() -> bool:
        return "before_minimum" in reasons(await made.verdicts())

    await made.until(judged, "the first judged look", 60)
    yield made
    assert world.status()["currentStepIndex"] == 1, "nothing was advanced meanwhile"
    assert (await made.ledger()).faults == []


async def page(team: Team, service: str, path: str) -> httpx.Response:
    port = next(
        line.split('"port": ')[1].rstrip("}\n") for line in team.services[service].log.open() if '"port"' in line
    )
    async with httpx.AsyncClient() as http:
        return await http.get(f"http://127.0.0.1:{port}{path}", timeout=60)


def log_of(team: Team, service: str) -> str:
    return team.services[service].log.read_text()


async def more_verdicts(team: Team, count: int = 3) -> None:
    """Wait until so many more looks have got their verdict."""
    before = len(await team.verdicts())

    async def there() -> bool:
        return len(await team.verdicts()) >= before + count

    await team.until(there, f"{count} more verdicts")


async def newest_snapshot(team: Team) -> MetricsCollected:
    return (await team.snapshots())[-1]


async def test_a_prometheus_that_is_away_is_said_in_snapshots_and_verdicts_and_no_count_is_lost(team: Team) -> None:
    team.world.fault(target="prometheus", effect="status", code=503)

    async def said() -> bool:
        return (await team.verdicts())[-1].reason == "provider_error"

    await team.until(said, "a verdict that says so")
    assert "Prometheus answered HTTP 503" in (await newest_snapshot(team)).metrics["errors"].detail
    assert "Prometheus answered HTTP 503" in (await team.verdicts())[-1].sentence
    before = (await newest_snapshot(team)).end
    team.world.heal()

    async def back() -> bool:
        return (await team.verdicts())[-1].reason == "before_minimum"

    await team.until(back, "judging to go on")
    windows = [one.window for look in await team.snapshots() if (one := look.metrics["errors"]).window]
    assert all(later.begin == earlier.end for earlier, later in itertools.pairwise(windows))
    assert windows[-1] is not None
    assert windows[-1].end > before


async def test_one_metric_that_fails_delays_no_other(team: Team) -> None:
    team.world.fault(target="prometheus", effect="status", query="duration")
    await more_verdicts(team, 4)
    look = await newest_snapshot(team)
    assert (look.metrics["errors"].status, look.metrics["latency"].status) == ("ok", "error")
    team.world.heal()
    await more_verdicts(team)
    windows = [one.metrics["latency"].window for one in await team.snapshots()]
    assert any(window and window.seconds > 3 for window in windows)


async def test_scrapes_that_are_missed_for_seconds_lose_no_count(team: Team) -> None:
    team.world.fault(target="scrape", lasts=4)

    async def missing() -> bool:
        return (await newest_snapshot(team)).metrics["errors"].status == "no_data"

    await team.until(missing, "a look without data")
    await more_verdicts(team, 8)
    assert (await newest_snapshot(team)).metrics["errors"].status == "ok"


async def test_a_redis_that_is_killed_and_comes_back_is_waited_for(team: Team) -> None:
    team.server.kill()
    for service in team.services:

        async def unready(service: str = service) -> bool:
            return (await page(team, service, "/readyz")).status_code == 503

        await team.until(unready, f"{service} to say that it is not ready")
        assert (await page(team, service, "/healthz")).status_code == 200
    team.server.start()
    await more_verdicts(team)
    assert "fails: ConnectionError" in log_of(team, "collector")
    assert all(not child.exited for child in team.services.values())


async def test_a_kubernetes_api_that_is_away_stops_the_snapshots_instead_of_falsifying_them(team: Team) -> None:
    team.world.fault(target="kubernetes", effect="status", code=503)

    async def told() -> bool:
        return "503" in log_of(team, "controller")

    await team.until(told, "the controller to say so")

    async def stopped() -> bool:
        before = len(await team.snapshots())
        await _pause()
        return len(await team.snapshots()) == before

    await team.until(stopped, "the looks to stop")
    team.world.heal()
    await more_verdicts(team)


async def _pause() -> None:
    await asyncio.sleep(2.5)  # two and a half looks: long enough to tell that none is taken


async def test_a_weight_that_moves_while_the_controller_is_down_falsifies_no_window(team: Team) -> None:
    team.services["controller"].stop()
    operator = {"status": {"pauseConditions": None}}
    team.world.patch(operator, part="/status")
    team.world.wait_for_pause(3)
    team.services["controller"].restart()

    async def judged_anew() -> bool:
        look = await newest_snapshot(team)
        return look.stage == 1 and look.metrics["errors"].status == "ok"

    await team.until(judged_anew, "looks at the new weight")
    stages = {look.stage: look.stage_started for look in await team.snapshots()}
    for look in await team.snapshots():
        for one in look.metrics.values():
            if one.window:
                assert one.window.begin >= look.stage_started
                assert look.stage == 1 or one.window.end < stages[1]
    # Put back what the operator did, for the check at the end of every test.
    assert (await team.ledger()).faults == ["step 1 was passed without a decision"], "it was the operator's"
    abort: dict[str, Any] = {"status": {"abort": True}}
    team.world.patch(abort, part="/status")
    await team.until(lambda: team.world.status().get("currentStepIndex") == 0, "the abort")
    team.world.patch({"status": {"abort": False}}, part="/status")
    team.world.wait_for_pause(1)

    async def another_attempt() -> bool:
        return (await newest_snapshot(team)).run.attempt == 2

    await team.until(another_attempt, "looks at another attempt")


GARBAGE: list[dict[str, str]] = [
    {"ce": "{"}, {"n": "1"}, {"ce": '{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"u"}'},
]  # fmt: skip


async def test_garbled_entries_end_in_the_dead_letters_and_everything_goes_on(team: Team) -> None:
    streams = [team.keys.stream("snapshots"), team.keys.stream("verdicts"), team.keys.stream("commands")]
    for stream in streams:
        for fields in GARBAGE:
            await team.client.xadd(stream, dict(fields))

    async def buried() -> bool:
        return int(await team.client.xlen(team.keys.dead_letters)) == len(streams) * len(GARBAGE)

    await team.until(buried, "all of them in the dead letters")
    letters = [fields for _, fields in await team.client.xrange(team.keys.dead_letters)]
    assert {letter[b"stream"].decode() for letter in letters} == set(streams)
    assert all(letter[b"error"] for letter in letters)
    await more_verdicts(team)
