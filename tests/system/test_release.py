"""Whole releases through all three services."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from tests.integration.cli.command import serinus
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}
NOISY = {"restarts": [{"after": "6s", "arm": "stable"}, {"after": "9s", "arm": "canary"}], "scrapes": {"missed": 0.1}}


async def test_services_that_are_killed_again_and_again_change_no_outcome_and_no_count(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    world = simulated(tmp_path / "world", scenario(rollout("checkout", **NOISY), rollout("payments", **BAD)))
    names = ("collector", "collector-2", "analyzer", "analyzer-2", "controller", "controller-2")
    with world as made:
        team = make_team(made, *names)
        for name in ("checkout", "payments"):
            made.release(name)
        victims = itertools.cycle(team.services.values())
        kills = 0

        async def ended() -> bool:
            """Kill the next service after every second look, of which both releases need more than twice as many."""
            nonlocal kills
            if len(await team.snapshots()) >= 2 * (kills + 1):
                kills += 1
                victim = next(victims)
                victim.kill()
                victim.restart()
            return None not in (await team.outcome("checkout"), await team.outcome("payments"))

        await team.until(ended, "both releases to end", 120)
        assert kills >= len(team.services)
        assert await team.outcome("checkout") == "promoted"
        assert await team.outcome("payments") == "aborted"
        for name, stages in (("checkout", 3), ("payments", 2)):
            ledger = await team.ledger(name)
            assert ledger.faults == []
            looks = [look for look in await team.snapshots() if look.run.name == name]
            # Each stage is a weight and a gate, the first of steps 0 and 1.
            windows = [(look.step // 2, metric) for look in looks for metric, one in look.metrics.items() if one.window]
            assert ledger.windows == len(windows), "every one that was told was compared"
            # After the last a leader that takes over may have one counted too, before it says that the run has ended.
            assert set(windows) >= {(stage, metric) for stage in range(stages) for metric in ("errors", "latency")}

        async def told() -> bool:
            """A leader that died between its act and its word leaves the word to the next one."""
            done = {(one.run.name, one.step) for one in await team.decisions() if one.state == "confirmed"}
            return done >= {("checkout", 5), ("payments", 3)}

        await team.until(told, "the last acts to be told")
        decisions = [one for one in await team.decisions() if one.run.name == "checkout" and one.state == "confirmed"]
        advanced = [one.step for one in decisions if one.action in ("advance", "promote")]
        assert list(dict.fromkeys(advanced)) == [1, 3, 5], "every gate in order, none skipped"
        aborts = {one.event_id() for one in await team.decisions() if one.action == "abort"}
        assert len(aborts) == 1
        assert await team.client.xlen(team.keys.dead_letters) == 0
        held = await run_sync(lambda: serinus("conformance", team.server.url, "--tag", team.keys.tag))
        assert held.returncode == 0, held.stdout
