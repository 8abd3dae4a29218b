"""What the commands on recorded snapshots say of wrong input."""

from pathlib import Path

import pytest
from serinus.app import app
from typer.testing import CliRunner

from tests.recorded import MANIFEST, POLICY

RUNNER = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "rollout.yaml").write_text(MANIFEST)
    (tmp_path / "empty").write_text("")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("power", 2, "give a policy's file, or a run by --run"),
        ("power policy.yaml --rate 50/s", 1, "names no stages: give the Rollout's manifest by --rollout"),
        ("power policy.yaml -r rollout.yaml", 2, "Give it as --rate 50/s"),
        ("power policy.yaml -r rollout.yaml --rate 50/s", 2, "Give --baseline errors=0.002"),
        ("power policy.yaml -r rollout.yaml --rate fast", 2, "such as 50/s or 3000/m"),
        ("power policy.yaml -r rollout.yaml --rate 5/s --baseline errors", 2, "write it as errors=0.002"),
        ("power policy.yaml -r rollout.yaml --rate 5/s --baseline bugs=1", 2, "events and trials are errors"),
        ("replay policy.yaml", 2, "give snapshots: --snapshots FILE, a RUN in Redis, or --prometheus URL"),
        ("replay policy.yaml --snapshots policy.yaml", 1, "policy.yaml:1: not valid JSON"),
        ("replay policy.yaml --snapshots rollout.yaml --prometheus http://x", 2, "not from both"),
        ("replay policy.yaml --snapshots empty", 1, "empty has snapshots of no run"),
        ("replay policy.yaml --snapshots empty --judge coin", 2, "there is no judge coin; known: sequential"),
        ("replay policy.yaml a/b --prometheus http://x", 2, "needs --canary-hash and --stable-hash"),
        ("replay policy.yaml b --prometheus http://x --canary-hash n --stable-hash o", 2, "namespace/name as RUN"),
        ("replay policy.yaml a/b --prometheus http://x --canary-hash n --stable-hash o", 2, "--from and --to"),
    ],
)
def test_wrong_input_says_what_to_write(arguments: str, code: int, says: str) -> None:
    shown = RUNNER.invoke(app, arguments.split())
    assert (shown.exit_code, shown.stdout) == (code, "")
    assert says in shown.stderr


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ("--from -2h --to -1h", "Give --stage 10"),
        ("--from yesterday --to -1h --stage 5", "--from yesterday: write 2026-05-01T10:00:00Z"),
        ("--from -1h --to -2h --stage 5", "would end before it begins"),
        ("--from -2h --to -1h --stage 5 --stage 25", "say since when, as 25@"),
        ("--from -2h --to -1h --stage all", "write a weight from 0 to 100"),
        ("--from -2h --to -1h --stage 10 -r rollout.yaml", "the Rollout goes through 5 %, 25 %, 50 %"),
    ],
)
def test_a_range_of_the_past_that_cannot_be_is_refused(times: str, says: str) -> None:
    place = "shop/checkout --prometheus http://127.0.0.1:9 --canary-hash n --stable-hash o"
    shown = RUNNER.invoke(app, ["replay", "policy.yaml", *place.split(), *times.split()])
    assert shown.exit_code == 2
    assert says in shown.stderr


@pytest.mark.parametrize("command", ["explain", "power", "replay"])
def test_help_ends_with_an_example(command: str) -> None:
    assert f"Example: serinus {command}" in RUNNER.invoke(app, [command, "--help"]).stdout
