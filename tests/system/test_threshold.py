"""Imported thresholds through all services: queries are asked, conditions judged, gates opened, an abort sent."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team
from tests.system.test_sunday import serinus

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
SERVED: dict[str, Any] = {
    "name": "served",
    "query": 'http_requests_total{namespace="{{namespace}}",rollouts_pod_template_hash="{{canary_hash}}",code="200"}',
    "conditions": {"success": "all(result, # > 0) && len(result) > 0", "interval": "1s", "count": 2},
}
FAILED: dict[str, Any] = {
    "name": "failed",
    "query": 'http_requests_total{namespace="{{namespace}}",rollouts_pod_template_hash="{{canary_hash}}",code="500"}',
    "conditions": {"failure": "any(result, # > 100)", "over": "run", "interval": "1s", "weights": [25, 50]},
}


async def test_a_release_within_its_thresholds_is_promoted_and_one_beyond_them_aborted(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    worse = {"canary": [{"from": {"weight": 25}, "error_rate": 0.2}]}
    quiet = {"traffic": {"requests_per_second": 10_000}, "replicas": 1}
    wanted = scenario(rollout("checkout", **quiet), rollout("payments", **quiet, **worse))
    policy = {"judge": {"name": "threshold"}, "minimum": "1s", "metrics": [SERVED, FAILED]}
    with simulated(tmp_path / "world", wanted) as world:
        team = make_team(world, policy=policy)
        for name in ("checkout", "payments"):
            world.release(name)

        async def ended() -> bool:
            return None not in (await team.outcome("checkout"), await team.outcome("payments"))

        await team.until(ended, "both releases to end", 90)
        assert await team.outcome("checkout") == "promoted"
        assert await team.outcome("payments") == "aborted"
        told = [one for one in await team.verdicts() if one.run.name == "payments" and one.verdict == "abort"]
        assert told[0].regressed == ("failed",)
        assert "failure any(result, # > 100); failed once, failureLimit 0" in told[0].sentence
        shown = serinus(team, "status")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert await team.client.xlen(team.keys.dead_letters) == 0
