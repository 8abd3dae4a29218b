"""An abort that Argo ignores, through a controller that dies: the canary is judged on, and the abort is carried out."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from serinus_contracts import RolloutObserved

from tests.integration.cli.command import serinus
from tests.simulated import rollout, scenario, simulated
from tests.system.conftest import Team, reasons

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]
PATIENT = {"stages": [{"weight": 5, "minimum": "1h", "maximum": "2h"}]}


async def test_while_the_canary_service_is_missing_an_abort_stands_and_outlives_its_controller(
    tmp_path: Path, make_team: Callable[..., Team]
) -> None:
    with simulated(tmp_path / "world", scenario(rollout())) as world:
        team = make_team(world, policy=PATIENT)
        world.release()

        async def judged() -> bool:
            return "before_minimum" in reasons(await team.verdicts())

        await team.until(judged, "the first judged look", 60)
        services = f"{world.url}/api/v1/namespaces/shop/services"
        async with httpx.AsyncClient(timeout=60) as http:
            missing: Any = (await http.get(f"{services}/checkout-canary")).json()
            (await http.delete(f"{services}/checkout-canary")).raise_for_status()
        # Argo does not notice by itself that it is gone.
        assert world.patch({"status": {"message": "look again"}}, part="/status") == 200

        async def seen() -> bool:
            return any("InvalidSpec" in one.trouble for one in await team.told(RolloutObserved))

        await team.until(seen, "Argo's complaint")
        place = ("--redis-url", team.server.url, "--redis-tag", team.keys.tag)
        asked = await asyncio.to_thread(serinus, "abort", "checkout", "--timeout", "20", *place)
        assert asked.returncode == 4, asked.stderr
        assert "Argo has not carried it out yet: InvalidSpec: " in asked.stdout
        team.services["controller"].kill()
        team.services["controller"].restart()
        looks = len(await team.verdicts())

        async def judged_on() -> bool:
            return len(await team.verdicts()) > looks + 3

        await team.until(judged_on, "more looks, after another controller has begun to lead")
        status = await asyncio.to_thread(serinus, "status", *place)
        assert "Argo has not carried it out yet: InvalidSpec: " in status.stdout
        assert world.status()["canary"]["weights"]["canary"]["weight"] == 5
        assert await team.outcome() is None
        body = {"metadata": {"name": "checkout-canary"}, "spec": missing["spec"]}
        async with httpx.AsyncClient(timeout=60) as http:
            (await http.post(services, json=body)).raise_for_status()

        async def ended() -> bool:
            return await team.outcome() == "aborted"

        await team.until(ended, "the traffic to be back")
        assert world.status()["canary"]["weights"]["canary"]["weight"] == 0
        acts = [(one.action, one.state) for one in await team.decisions() if one.action == "abort"]
        assert acts[-1] == ("abort", "confirmed")
        assert (await team.ledger()).faults == []
