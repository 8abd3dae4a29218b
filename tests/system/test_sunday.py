"""The gated example as a team runs it: its own steps and its own policy, only the times made short."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus_contracts import RolloutObserved

from tests.simulated import EDGES, rollout, scenario, simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "sunday" / "gated"
NAME, NAMESPACE = "sunday-backend-rollout", "sunday-production"


def world_of(**other: Any) -> dict[str, Any]:
    """The example's Rollout with traffic, counted as the policy's source asks."""
    canary = yaml.safe_load((EXAMPLE / "rollout.yaml").read_text())["spec"]["strategy"]["canary"]
    made = rollout(
        NAME,
        namespace=NAMESPACE,
        steps=canary["steps"],
        stable_service=canary["stableService"],
        canary_service=canary["canaryService"],
        metrics={"edges": EDGES, "discovery": "services"},
        sessions={},
        **other,
    )
    return scenario(made)


def quick() -> dict[str, Any]:
    """The example's policy with looks of a second, and without gauges: they run beside judges, with their own tests."""
    spec: dict[str, Any] = yaml.safe_load((EXAMPLE / "policy.yaml").read_text())["spec"]
    for stage in spec["stages"]:
        stage |= {"minimum": "3s", "maximum": "2m"}
    for metric in spec["metrics"]:
        metric.pop("lag", None)
    counts = [metric for metric in spec["metrics"] if metric["name"] != "memory"]
    limits = [limit for limit in spec["limits"] if limit["metric"] != "memory"]
    return spec | {"interval": "1s", "settle": "1s", "metrics": counts, "limits": limits}


def serinus(team: Team, *arguments: str) -> subprocess.CompletedProcess[str]:
    address = ["--redis-url", team.server.url, "--redis-tag", team.keys.tag]
    command = [sys.executable, "-c", "from serinus.app import main; main()", *arguments, *address]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)


async def test_a_good_release_goes_through_every_weight_and_waits_for_a_person_before_the_last(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    with simulated(tmp_path / "world", world_of()) as world:
        world.namespace = NAMESPACE
        team = make_team(world, policy=quick())
        world.release(NAME)

        async def asked() -> bool:
            return any(one.action == "await_approval" for one in await team.decisions())

        await team.until(asked, "the manual gate", 120)
        status = world.status(NAME)
        assert (status["currentStepIndex"], status["canary"]["weights"]["canary"]["weight"]) == (10, 50)
        answered = serinus(team, "approve", f"{NAMESPACE}/{NAME}", "-m", "looks good")
        assert (answered.returncode, answered.stderr) == (0, "")

        async def promoted() -> bool:
            return await team.outcome(NAME) == "promoted"

        await team.until(promoted, "the promotion", 30)
        weights = [one.set_weight for one in await team.told(RolloutObserved) if one.steady]
        assert list(dict.fromkeys(weights)) == [1, 5, 10, 25, 50]
        acted = [
            one for one in await team.decisions() if one.state == "confirmed" and one.action in ("advance", "promote")
        ]
        assert list(dict.fromkeys((one.step, one.action) for one in acted)) == [
            (1, "advance"), (3, "advance"), (5, "advance"), (7, "advance"), (9, "advance"), (10, "promote"),
        ]  # fmt: skip
        assert acted[-1].actor != "serinus"


async def test_a_regression_at_25_percent_ends_with_all_traffic_on_stable_after_one_abort(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    worse = [{"from": {"weight": 25}, "error_rate": 0.02}]
    with simulated(tmp_path / "world", world_of(canary=worse)) as world:
        world.namespace = NAMESPACE
        team = make_team(world, policy=quick())
        world.release(NAME)

        async def aborted() -> bool:
            return await team.outcome(NAME) == "aborted"

        async def told() -> bool:
            return any(one.action == "abort" for one in await team.decisions())

        await team.until(aborted, "the abort", 120)
        await team.until(told, "the decision about it", 30)
        status = world.status(NAME)
        assert (status["phase"], status["abort"]) == ("Degraded", True)
        assert status["canary"]["weights"]["canary"]["weight"] == 0
        (abort,) = [one for one in await team.decisions() if one.action == "abort"]
        assert abort.state == "confirmed"
        assert [operation for operation in abort.patch if operation["op"] != "test"] == [
            {"op": "add", "path": "/status/abort", "value": True}
        ]
        assert "errors" in abort.detail
