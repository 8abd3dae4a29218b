"""explain, power and replay against a real Redis, at 80 columns, held against what they printed when last looked at.

With SERINUS_WRITE_GOLDEN=1 what they print now is written down instead, to be looked at.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serinus.replay.judging import rejudged
from serinus_contracts import Event, Keys, seal, to_entry
from serinus_controller.adapters.registry import RedisRegistry
from serinus_runtime.redis import Client

from tests.integration.cli.command import serinus
from tests.recorded import MANIFEST, POLICY, START, recorded_plan, snapshots
from tests.support import RUN, observed

pytestmark = pytest.mark.anyio
GOLDEN = Path(__file__).parent / "golden"
NARROW = {"COLUMNS": "80"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "rollout.yaml").write_text(MANIFEST)
    return tmp_path


@pytest.fixture
async def run(client: Client, keys: Keys, redis_url: str) -> dict[str, str]:
    """A run whose looks and verdicts are in Redis, among those of another attempt; gives the command's environment."""
    registry = RedisRegistry(client, keys, clock=lambda: 5, max_entries=100)
    plan = recorded_plan()
    for attempt, worse_at in ((1, 101), (2, 50)):
        attempted = RUN.model_copy(update={"attempt": attempt})
        here = observed(run=attempted, plan=plan.digest, stage=2, stage_started=START + attempt)
        await registry.observe(here, plan, None, publish=True)
        taken = [snapshot.model_copy(update={"run": attempted}) for snapshot in snapshots(worse_at)]
        told: list[Event] = [*taken, *rejudged(plan, taken)]
        for event in told:
            entry: dict[Any, Any] = dict(to_entry(seal(event, source="/test", now=0)))
            await client.xadd(keys.stream(event.STREAM), entry)
        await client.xadd(keys.stream("verdicts"), {"run": RUN.id, "ce": "garbled"})
    return {"SERINUS_REDIS_URL": redis_url, "SERINUS_REDIS_TAG": keys.tag, **NARROW}


def assert_golden(name: str, shown: subprocess.CompletedProcess[str], code: int) -> None:
    assert (shown.returncode, shown.stderr) == (code, "")
    assert max(map(len, shown.stdout.splitlines()), default=0) <= 80 or name == "explain"
    file = GOLDEN / f"{name}.txt"
    lines = [line.rstrip() for line in shown.stdout.splitlines()]
    if os.environ.get("SERINUS_WRITE_GOLDEN"):
        file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert lines == file.read_text(encoding="utf-8").splitlines()


async def test_explain_shows_the_evidence_of_the_latest_attempt_over_time(run: dict[str, str]) -> None:
    assert_golden("explain", serinus("explain", "shop/checkout", **run), 0)


async def test_explain_for_a_program_has_every_evaluation_and_channel(run: dict[str, str]) -> None:
    shown = json.loads(serinus("explain", f"test/u-1/{RUN.canary_hash}/1", "-o", "json", **run).stdout)
    assert (shown["run"], shown["judge"], round(shown["bar"], 3)) == ("test/u-1/new/1", "sequential", 4.605)
    assert [one["evaluation"] for one in shown["evaluations"]] == list(range(1, 25))
    each = [one["metrics"]["errors"] for one in shown["evaluations"]]
    assert all(one["dispersion"] is not None for one in each if one["channels"][0]["canary"][1])
    last = each[-1]
    assert (last["calibrated"], last["channels"][0]["canary"]) == (True, [28, 14_000])
    low, high = last["channels"][0]["interval"]
    assert (low or 0) < 1 <= high


async def test_explain_of_a_run_that_nobody_knows_names_those_that_are_known(run: dict[str, str]) -> None:
    shown = serinus("explain", "payments", **run)
    assert (shown.returncode, shown.stderr) == (1, 'error: no run found for "payments"; available: shop/checkout\n')


async def test_power_takes_traffic_rates_and_noise_from_a_run(run: dict[str, str]) -> None:
    assert_golden("power-run", serinus("power", "--run", "checkout", **run), 0)


async def test_replay_of_a_run_in_redis_ends_as_the_run_did(run: dict[str, str], files: Path) -> None:
    by = ("--judge", "sequential", "--judge", "scorecard")
    shown = serinus("replay", "policy.yaml", "shop/checkout", *by, "--save", "snapshots.jsonl", cwd=str(files), **run)
    assert_golden("replay", shown, 3)
    again = serinus("replay", "policy.yaml", "--snapshots", "snapshots.jsonl", *by, cwd=str(files), **NARROW)
    assert again.stdout == shown.stdout
    details = serinus("replay", "policy.yaml", "--snapshots", "snapshots.jsonl", "--details", cwd=str(files), **NARROW)
    assert "noise measured: dispersion" in details.stdout
    explained = json.loads(serinus("explain", "checkout", "-o", "json", **run).stdout)
    replayed = json.loads(serinus("replay", "policy.yaml", "checkout", "-o", "json", cwd=str(files), **run).stdout)
    assert set(replayed["judges"]) == {"sequential", "scorecard", "recommendation", "kayenta"}
    assert replayed["judges"]["sequential"]["ending"] == "abort"
    assert replayed["judges"]["sequential"]["evaluations"] == explained["evaluations"]


def test_power_of_a_policy_says_which_gate_is_out_of_reach(files: Path) -> None:
    asked = ("power", "policy.yaml", "-r", "rollout.yaml", "--baseline", "errors=0.002")
    assert_golden(
        "power",
        serinus(*asked, "--rate", "180000/m", "--dispersion", "1", "--correlation", "0", cwd=str(files), **NARROW),
        0,
    )
    assert_golden("power-unreachable", serinus(*asked, "--rate", "50/s", cwd=str(files), **NARROW), 4)
