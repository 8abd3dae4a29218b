"""One namespace behaves as badly as the API server allows; another releases a good and a bad canary beside it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import hostile
from tests.servers import free_port
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}
COUNT = 46


async def test_a_good_and_a_bad_release_end_as_they_must_beside_a_namespace_that_does_its_worst(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    world = scenario(rollout("checkout"), rollout("payments", **BAD), *hostile.rollouts(COUNT))
    with simulated(tmp_path / "world", world) as made, hostile.provider(made) as url:
        providers = f"main={made.url}/prometheus,hostile={url}"
        ports = {name: free_port() for name in ("collector", "analyzer", "controller")}
        team = make_team(made, "collector", SERINUS_PROVIDERS=providers, SERINUS_HTTP_PORT=str(ports["collector"]))
        for name in ("analyzer", "controller"):
            team.start(name, SERINUS_HTTP_PORT=str(ports[name]))
        worst = asyncio.create_task(hostile.misbehave(made, COUNT))
        slowest = dict.fromkeys(ports, 0.0)
        watching = asyncio.create_task(hostile.watch_health(ports, slowest))
        try:

            async def judged() -> bool:
                return sum(look.run.namespace == hostile.NAMESPACE for look in await team.snapshots()) > 5

            await team.until(judged, "the hostile namespace to be judged")
            for name in ("checkout", "payments"):
                made.release(name)

            async def ended() -> bool:
                return None not in (await team.outcome("checkout"), await team.outcome("payments"))

            await team.until(ended, "both releases to end", 100)
        finally:
            for task in (worst, watching):
                task.cancel()
        assert await team.outcome("checkout") == "promoted"
        assert await team.outcome("payments") == "aborted"
        for name in ("checkout", "payments"):
            assert (await team.ledger(name)).faults == []
        assert hostile.lease_transitions(made) == 0, "the leader kept its lease"
        told = [event for event in hostile.events(made) if "take more time of collectors" in event["message"]]
        assert {event["involvedObject"]["kind"] for event in told} == {"Rollout", "CanaryPolicy"}
        assert len(told) <= 2 * COUNT, "once each"
        # A second is the goal (benchmarks.tenants); all of this shares two cores here.
        assert max(slowest.values()) < 3, slowest
