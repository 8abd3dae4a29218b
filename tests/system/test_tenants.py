"""One namespace behaves as badly as the API server allows; another releases a good and a bad canary beside it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from serinus.demo.processes import ManagedProcess

from tests import hostile
from tests.servers import free_port
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(420),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="what a process has computed is read from /proc"),
]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}
COUNT = 46


def computed(child: ManagedProcess) -> float:
    """Seconds that a process has had a processor, its children not counted."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def test_a_good_and_a_bad_release_end_as_they_must_beside_a_namespace_that_does_its_worst(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    world = scenario(rollout("checkout"), rollout("payments", **BAD), *hostile.rollouts(COUNT))
    with simulated(tmp_path / "world", world) as made, hostile.provider(made) as url:
        providers = f"main={made.url}/prometheus,hostile={url}"
        ports = {name: free_port() for name in ("collector", "analyzer", "controller")}
        team = make_team(made, "collector", SERINUS_PROVIDERS=providers, SERINUS_HTTP_PORT=str(ports["collector"]))
        for name in ("analyzer", "controller"):
            team.start(name, SERINUS_HTTP_PORT=str(ports[name]), SERINUS_LEASE_DURATION="15")
        worst = asyncio.create_task(hostile.misbehave(made, COUNT))

        async def told() -> list[dict[str, Any]]:
            events = await asyncio.to_thread(hostile.events, made)
            return [event for event in events if "take more time of collectors" in event["message"]]

        async def those_who_are_paced_are_told() -> bool:
            return {event["involvedObject"]["kind"] for event in await told()} == {"Rollout", "CanaryPolicy"}

        slowest = dict.fromkeys(ports, 0.0)
        # What a service computes while it is asked is as much on a machine that has other work. One that holds its
        # loop without computing, its watchdog tells.
        watching = asyncio.create_task(hostile.watch_health(ports, slowest, lambda name: computed(team.services[name])))
        try:

            async def judged() -> bool:
                return sum(look.run.namespace == hostile.NAMESPACE for look in await team.snapshots()) > 5

            await team.until(judged, "the hostile namespace to be judged")
            for name in ("checkout", "payments"):
                made.release(name)

            async def ended() -> bool:
                return None not in (await team.outcome("checkout"), await team.outcome("payments"))

            await team.until(ended, "both releases to end", 200)
            await team.until(those_who_are_paced_are_told, "those who are paced to be told")

            async def policies_say_so() -> bool:
                return bool(await asyncio.to_thread(hostile.paced_policies, made))

            await team.until(policies_say_so, "a policy to say that it is paced")
            assert not watching.done(), "it has been watched to the end"
            held = {name: await asyncio.to_thread(hostile.held_seconds, port) for name, port in ports.items()}
        finally:
            for task in (worst, watching):
                task.cancel()
        assert await team.outcome("checkout") == "promoted"
        assert await team.outcome("payments") == "aborted"
        for name in ("checkout", "payments"):
            assert (await team.ledger(name)).faults == []
        assert hostile.lease_transitions(made) == 0, "the leader kept its lease"
        assert len(await told()) <= 2 * COUNT, "once each"
        assert max(slowest.values()) < 1, slowest
        assert held == dict.fromkeys(ports, 0.0), "no step of a service takes a second"
