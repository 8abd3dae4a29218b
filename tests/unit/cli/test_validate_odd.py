"""What `serinus validate` says of objects that earlier kept the controller from leading."""

from pathlib import Path

import pytest
import yaml
from serinus.app import app
from typer.testing import CliRunner

CASES = Path(__file__).parents[2] / "cases"


def validated(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["validate", *arguments])
    return done.exit_code, done.output


def written(folder: Path, strategy: dict[str, object]) -> tuple[Path, Path]:
    """Policy and manifest of the case, with another strategy of quilt."""
    quilt, loom, policy = yaml.safe_load_all((CASES / "01-rollout-without-set-weight.yaml").read_text())
    quilt["spec"]["strategy"] = strategy
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    (folder / "rollouts.yaml").write_text(yaml.safe_dump_all([quilt, loom]))
    return folder / "policy.yaml", folder / "rollouts.yaml"


@pytest.mark.parametrize(
    "strategy",
    [
        {"canary": {"steps": [{"pause": {}}]}},
        {"canary": {"steps": [{"setHeaderRoute": {"name": "inner"}}, {"pause": {}}]}},
        {"canary": {}},
        {"blueGreen": {"activeService": "quilt"}},
    ],
)
def test_a_rollout_without_a_weight_has_nothing_to_judge_and_the_way_out_is_told(
    tmp_path: Path, strategy: dict[str, object]
) -> None:
    policy, rollouts = written(tmp_path, strategy)
    code, told = validated(str(policy), "--rollout", str(rollouts))
    (error,) = [line for line in told.splitlines() if line.startswith("error")]
    assert "mill/quilt has nothing to judge" in error
    assert "add steps such as `setWeight: 10`" in error
    assert code == 1


def test_of_several_rollouts_in_a_manifest_those_are_checked_that_the_policy_is_for(tmp_path: Path) -> None:
    policy, rollouts = written(tmp_path, {"canary": {"steps": [{"pause": {}}]}})
    policy.write_text(policy.read_text().replace("namespace: mill", "name: loom"))
    assert validated(str(policy), "--rollout", str(rollouts))[0] == 0
    policy.write_text(policy.read_text().replace("name: loom", "name: spindle"))
    assert f"policy mill matches no Rollout of {rollouts}" in validated(str(policy), "--rollout", str(rollouts))[1]


def test_a_metric_or_label_that_is_no_plain_name_is_refused_at_its_place_with_the_way_out() -> None:
    code, told = validated(str(CASES / "metric-is-an-expression.yaml"))
    lines = [line.partition("metric-is-an-expression.yaml:")[2] for line in told.splitlines()]
    assert [line.partition(": i")[0] for line in lines] == [
        "8:12: spec.source.label",
        "12:13: spec.metrics.0.metric",
        "15:13: spec.metrics.1.metric",
    ]
    assert "such as k8s_pod_name" in lines[0]
    assert all("write events and trials, histogram or gauge" in line for line in lines[1:])
    assert code == 1
