"""Releases that are counted by a store of sums, through all services: the example of docs/how-to/stores.md."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from anyio.to_thread import run_sync
from serinus_contracts import Proportion

from tests.integration.cli.command import serinus
from tests.simulated import simulated
from tests.system.conftest import Team

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(150)]
EXAMPLE = Path(__file__).parents[2] / "examples" / "stores"


@pytest.mark.parametrize("api", ["datadog", "cloudwatch"])
async def test_a_bad_canary_is_aborted_and_a_good_one_promoted_by_the_counts_of_a_store(
    api: str, make_team: Callable[..., Team], tmp_path: Path
) -> None:
    world: dict[str, Any] = yaml.safe_load((EXAMPLE / "world.yaml").read_text())
    for one in world["rollouts"]:
        del one["release"]  # begun below, once all services are there
    spec = yaml.safe_load((EXAMPLE / f"{api}.yaml").read_text())["spec"]
    providers = (EXAMPLE / "providers.yaml").read_text().replace("keys/", f"{EXAMPLE / 'keys'}/")
    with simulated(tmp_path / "world", world) as made:
        file = tmp_path / "providers.yaml"
        file.write_text(providers.replace("http://127.0.0.1:9099", made.url))
        keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "simulated"}
        team = make_team(made, policy=spec, SERINUS_PROVIDERS_FILE=str(file), **keys)
        for name in ("basket", "catalogue"):
            made.release(name)

        async def ended() -> bool:
            return None not in (await team.outcome("basket"), await team.outcome("catalogue"))

        await team.until(ended, "both releases to end", 120)
        assert (await team.outcome("basket"), await team.outcome("catalogue")) == ("aborted", "promoted")
        assert await team.client.xlen(team.keys.dead_letters) == 0
        measured = [one.metrics["errors"] for one in await team.snapshots()]
        assert {one.status for one in measured} <= {"ok", "settling", "waiting"}
        counted = [one for one in measured if isinstance(one, Proportion) and one.window]
        assert all(one.canary.keys() == {""} for one in counted)
        assert all(edge % 1000 == 0 for one in counted if one.window for edge in (one.window.begin, one.window.end))
        held = await run_sync(lambda: serinus("conformance", team.server.url, "--tag", team.keys.tag))
        assert held.returncode == 0, held.stdout
