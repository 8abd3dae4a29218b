"""The example of a broken route through all services: found, named, and gone without `segment`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulated import simulated
from tests.system.conftest import Team
from tests.system.test_sunday import serinus

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "segments"


def example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((EXAMPLE / name).read_text())
    return found


async def test_a_release_that_breaks_a_small_route_is_aborted_and_the_route_named(
    make_team: Callable[..., Team], tmp_path: Path
) -> None:
    wanted = example("world.yaml")
    for one in wanted["rollouts"]:
        del one["release"]  # begun below, once all services are there
    spec = example("policy.yaml")["spec"]
    with simulated(tmp_path / "world", wanted) as world:
        team = make_team(world, policy={name: spec[name] for name in ("minimum", "metrics")})
        for name in ("basket", "catalogue"):
            world.release(name)

        async def ended() -> bool:
            return None not in (await team.outcome("basket"), await team.outcome("catalogue"))

        await team.until(ended, "both releases to end", 120)
        assert await team.outcome("basket") == "aborted"
        assert await team.outcome("catalogue") == "promoted"
        told = [one for one in await team.verdicts() if one.run.name == "basket" and one.verdict == "abort"]
        assert told[0].sentence.startswith("abort: errors of route /checkout: ")
        assert [each.name for each in told[0].metrics[0].segments if each.worse] == ["/checkout"]
        assert (await team.ledger("basket")).faults == []
        shown = serinus(team, "status", "shop/basket")
        assert "  route /checkout" in shown.stdout
        document = json.loads(serinus(team, "status", "-o", "json").stdout)
        assert any(one["verdict"]["sentence"] == told[-1].sentence for one in document)
        assert await team.client.xlen(team.keys.dead_letters) == 0
        policy, whole = EXAMPLE / "policy.yaml", tmp_path / "whole.yaml"
        whole.write_text(policy.read_text().replace(" segment: route,", ""))
        again, without = (serinus(team, "replay", str(one), "shop/basket") for one in (policy, whole))
        assert again.returncode == 3
        assert "errors of route /checkout: " in again.stdout
        assert without.returncode in (0, 4), "what the whole shows up to then is within its margin: no abort"
