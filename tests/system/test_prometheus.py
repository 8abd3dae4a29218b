"""The same with a real Prometheus that scrapes the simulator's pods."""

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from serinus_simulator.audit.ledger import check

from tests.servers import prometheus_server, sampled, wait_until
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]
BAD = {"canary": [{"from": {"weight": 25}, "error_rate": 0.02}]}


def stamps(url: str) -> dict[str, list[int]]:
    """Times (ms) of the samples of each pod."""
    found: dict[str, set[int]] = defaultdict(set)
    for row in sampled(url, "http_requests_total[30m]"):
        found[row["metric"]["pod"]] |= {round(time * 1000) for time, _ in row["values"]}
    return {pod: sorted(times) for pod, times in found.items()}


async def test_a_good_release_is_promoted_and_a_bad_one_aborted_on_the_counts_that_prometheus_scraped(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    folder = tmp_path / "world"
    folder.mkdir()
    config = folder / "prometheus.yml"
    wanted = scenario(rollout("checkout"), rollout("payments", **BAD))
    with (
        simulated(folder, wanted, "--prometheus-config", str(config)) as world,
        prometheus_server(folder, config) as url,
    ):
        wait_until(lambda: len(stamps(url)) >= 6, 60, "Prometheus to find the pods")
        team = make_team(world, SERINUS_PROVIDERS=f"main={url}")
        for name in ("checkout", "payments"):
            world.release(name)

        async def ended() -> bool:
            return None not in (await team.outcome("checkout"), await team.outcome("payments"))

        await team.until(ended, "both releases to end", 150)
        assert await team.outcome("checkout") == "promoted"
        assert await team.outcome("payments") == "aborted"
        for name in ("checkout", "payments"):
            run = next(look.run.id for look in await team.snapshots() if look.run.name == name)
            ledger = await check(team.client, team.keys, run, world.truth, "Prometheus", stamps(url))
            assert ledger.faults == []
            assert ledger.windows >= 8
