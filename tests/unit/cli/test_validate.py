"""What `serinus validate` says of a policy on the Rollout it is for."""

from pathlib import Path

import pytest
import yaml
from serinus.app import app
from typer.testing import CliRunner, Result

CASES = Path(__file__).parents[2] / "cases"
RUNNER = CliRunner(env={"COLUMNS": "200"})
PING_PONG = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: reed, namespace: mill}
spec:
  strategy:
    canary:
      pingPong: {pingService: reed-ping, pongService: reed-pong}
      trafficRouting: {istio: {virtualService: {name: reed}}}
      steps: [{setWeight: 50}, {pause: {}}]
status: {canary: {stablePingPong: ping}}
"""
BY_SERVICE = """
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: reed}
spec:
  match: {namespace: mill, name: reed}
  mode: enforce
  source: {preset: istio, canary: CANARY, stable: reed-pong}
  metrics: [{name: errors, preset: http-errors}]
"""
MAX_WEIGHT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: loom, namespace: mill}
spec:
  strategy:
    canary:
      trafficRouting: {maxTrafficWeight: 1000, nginx: {stableIngress: loom}}
      steps:
      - setWeight: SET
      - pause: {}
"""
AT_WEIGHT = """
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: loom}
spec:
  match: {namespace: mill, name: loom}
  mode: enforce
  stages: [{weight: STAGE, minimum: 5m}]
  metrics: [{name: errors, preset: http-errors}]
"""


def validated(folder: Path, policy: str, rollout: str) -> Result:
    (folder / "policy.yaml").write_text(policy)
    (folder / "rollout.yaml").write_text(rollout)
    return RUNNER.invoke(app, ["validate", str(folder / "policy.yaml"), "-r", str(folder / "rollout.yaml")])


@pytest.mark.parametrize(("set_weight", "percent"), [(50, "5"), (500, "50"), (5, "0.5"), (5, "0.50")])
def test_the_weights_of_a_policy_are_percent_whatever_the_rollout_counts_in(
    tmp_path: Path, set_weight: int, percent: str
) -> None:
    told = validated(tmp_path, AT_WEIGHT.replace("STAGE", percent), MAX_WEIGHT.replace("SET", str(set_weight)))
    assert (told.exit_code, told.output) == (0, "1 policy valid\n")


def test_a_stage_that_is_none_is_told_with_those_that_are_in_both_forms(tmp_path: Path) -> None:
    told = validated(tmp_path, AT_WEIGHT.replace("STAGE", "50"), MAX_WEIGHT.replace("SET", "50"))
    assert "has stages that the Rollout does not: 50 %; it has 5 % (50 of 1000)" in told.output


def test_more_than_all_traffic_is_an_error(tmp_path: Path) -> None:
    told = validated(tmp_path, AT_WEIGHT.replace("STAGE", "50"), MAX_WEIGHT.replace("SET", "1500"))
    assert (told.exit_code, "sets a weight of 150 %, which is no percentage" in told.output) == (1, True)


def test_services_of_ping_pong_are_taken_in_their_present_roles_and_others_refused(tmp_path: Path) -> None:
    told = validated(tmp_path, BY_SERVICE.replace("CANARY", "reed-ping"), PING_PONG)
    assert (told.exit_code, told.output) == (0, "1 policy valid\n")
    refused = validated(tmp_path, BY_SERVICE.replace("CANARY", "reed-canary"), PING_PONG)
    assert refused.exit_code == 1
    assert "Argo exchanges the Services of pingPong, reed-pong and reed-ping" in refused.output.replace("\n", " ")


def said_of(*arguments: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["validate", *arguments])
    return done.exit_code, done.output


def written(folder: Path, strategy: dict[str, object]) -> tuple[Path, Path]:
    """Policy and manifest of the case, with another strategy of quilt."""
    quilt, loom, policy = yaml.safe_load_all((CASES / "01-rollout-without-set-weight.yaml").read_text())
    quilt["spec"]["strategy"] = strategy
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    (folder / "rollouts.yaml").write_text(yaml.safe_dump_all([quilt, loom]))
    return folder / "policy.yaml", folder / "rollouts.yaml"


@pytest.mark.parametrize("with_rollout", [True, False])
def test_a_provider_of_other_namespaces_is_refused(tmp_path: Path, with_rollout: bool) -> None:
    for name, text in (("policy", BY_SERVICE.replace("CANARY", "reed-ping")), ("rollout", PING_PONG)):
        (tmp_path / f"{name}.yaml").write_text(text)
    given = ["--rollout", str(tmp_path / "rollout.yaml")] if with_rollout else []
    for access, code in (('{"main": ["bank"]}', 1), ('{"main": ["m*"]}', 0), ("main", 2)):
        found = RUNNER.invoke(app, ["validate", str(tmp_path / "policy.yaml"), *given, "--provider-namespaces", access])
        assert found.exit_code == code, found.output
        assert ("policy reed: provider main is not for namespace mill" in found.output) == (code == 1)


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
    code, told = said_of(str(policy), "--rollout", str(rollouts))
    (error,) = [line for line in told.splitlines() if line.startswith("error")]
    assert "mill/quilt has nothing to judge" in error
    assert "add steps such as `setWeight: 10`" in error
    assert code == 1


def test_of_several_rollouts_in_a_manifest_those_are_checked_that_the_policy_is_for(tmp_path: Path) -> None:
    policy, rollouts = written(tmp_path, {"canary": {"steps": [{"pause": {}}]}})
    policy.write_text(policy.read_text().replace("namespace: mill", "name: loom"))
    assert said_of(str(policy), "--rollout", str(rollouts))[0] == 0
    policy.write_text(policy.read_text().replace("name: loom", "name: spindle"))
    assert f"policy mill matches no Rollout of {rollouts}" in said_of(str(policy), "--rollout", str(rollouts))[1]


def test_a_metric_that_is_an_expression_is_refused_at_its_place_with_the_way_out_and_a_dotted_label_is_not() -> None:
    code, told = said_of(str(CASES / "metric-is-an-expression.yaml"))
    lines = [line.partition("metric-is-an-expression.yaml:")[2] for line in told.splitlines()]
    assert [line.partition(": i")[0] for line in lines] == [
        "12:13: spec.metrics.0.metric",
        "15:13: spec.metrics.1.metric",
    ]
    assert all("write events and trials, histogram or gauge" in line for line in lines)
    assert code == 1


def test_a_metric_that_no_gate_waits_for_is_told(tmp_path: Path) -> None:
    metrics = "[{name: errors, preset: http-errors, critical: true}, {name: latency, preset: http-latency}]"
    policy = AT_WEIGHT.replace("STAGE", "5").replace("[{name: errors, preset: http-errors}]", metrics)
    told = validated(tmp_path, policy, MAX_WEIGHT.replace("SET", "50"))
    assert told.exit_code == 0
    assert "warning: policy loom, metric latency: no gate waits for it" in told.output


def test_a_proxy_that_cannot_tell_a_failed_grpc_call_is_told_of_with_the_way_out(tmp_path: Path) -> None:
    source = "{preset: SOURCE, canary: a, stable: b}"
    file = tmp_path / "policy.yaml"
    text = BY_SERVICE.replace("{preset: istio, canary: CANARY, stable: reed-pong}", source)
    told = {}
    for preset in ("envoy", "contour", "haproxy", "traefik"):
        file.write_text(text.replace("SOURCE", preset))
        told[preset] = "a gRPC call that fails has HTTP status 200 here" in said_of(str(file))[1]
    assert told == {"envoy": True, "contour": True, "haproxy": True, "traefik": False}
