"""From a Rollout and templates to a policy: nothing is lost without a word."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from serinus.import_.convert import Imported, convert
from serinus.import_.manifests import read
from serinus_contracts.policy import CanaryPolicy, PolicySpec
from serinus_runtime.documents import DocumentError

METRIC: dict[str, Any] = {
    "name": "success-rate",
    "interval": "30s",
    "count": 10,
    "failureLimit": 3,
    "successCondition": "result[0] >= 0.95",
    "provider": {"prometheus": {"address": "http://prometheus:9090", "query": 'up{service="{{args.service}}"}'}},
}
ANALYSIS: dict[str, Any] = {
    "templates": [{"templateName": "success"}], "args": [{"name": "service", "value": "canary"}],
}  # fmt: skip
STEPS: list[dict[str, Any]] = [
    {"setWeight": 5}, {"pause": {"duration": "5m"}}, {"analysis": ANALYSIS},
    {"setWeight": 50}, {"pause": {"duration": 90}}, {"analysis": ANALYSIS}, {"pause": {}},
]  # fmt: skip


def rollout(*steps: dict[str, Any], **canary: Any) -> dict[str, Any]:
    metadata = {"name": "checkout", "namespace": "shop", "labels": {"team": "pay"}}
    return {"kind": "Rollout", "metadata": metadata,
            "spec": {"strategy": {"canary": {"steps": list(steps or STEPS), **canary}}}}  # fmt: skip


def template(*metrics: dict[str, Any], name: str = "success", **spec: Any) -> dict[str, Any]:
    spec = {"args": [{"name": "service", "value": "default"}], "metrics": list(metrics or [METRIC])} | spec
    return {"kind": "AnalysisTemplate", "metadata": {"name": name}, "spec": spec}


def imported(folder: Path, *documents: dict[str, Any], mode: Any = "guard") -> Imported:
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return convert(read([file]), mode)


def spec_of(made: Imported) -> PolicySpec:
    return CanaryPolicy.model_validate(made.policy).spec


def refusal(folder: Path, *documents: dict[str, Any]) -> str:
    with pytest.raises(DocumentError) as refused:
        imported(folder, *documents)
    return str(refused.value).replace(f"{folder}/", "")


def lost(made: Imported) -> str:
    return "\n".join(problem.message for problem in made.report.lost)


def test_every_number_is_kept_and_what_is_asked_alike_is_one_metric(tmp_path: Path) -> None:
    numbers = {"initialDelay": "1m", "inconclusiveLimit": 2, "consecutiveErrorLimit": "7", "consecutiveSuccessLimit": 4}
    made = imported(tmp_path, rollout(), template(METRIC | numbers))
    spec = spec_of(made)
    (metric,) = spec.metrics
    assert (metric.name, metric.query) == ("success-rate", 'up{service="canary"}')
    asked = metric.conditions
    assert asked is not None
    assert (asked.success, asked.interval, asked.initial_delay, asked.count) == ("result[0] >= 0.95", 30, 60, 10)
    assert (asked.failure_limit, asked.inconclusive_limit, asked.consecutive_error_limit) == (3, 2, 7)
    assert (asked.consecutive_success_limit, asked.over, asked.weights) == (4, "stage", None)
    assert [(stage.weight, stage.minimum, stage.approval) for stage in spec.stages] == [
        (5, 300, "none"), (50, 90, "required"),
    ]  # fmt: skip
    assert (spec.mode, spec.interval, spec.judge.name) == ("guard", 30, "threshold")
    assert made.report.lost == []


def test_a_metric_of_some_stages_names_their_weights_and_what_differs_gets_its_templates_name(tmp_path: Path) -> None:
    other = template(METRIC | {"count": 20, "interval": "45s"}, name="long")
    steps = [*STEPS[:3], STEPS[3], {"analysis": ANALYSIS | {"templates": [{"templateName": "long"}]}}]
    spec = spec_of(imported(tmp_path, rollout(*steps), template(), other))
    assert [(one.name, one.conditions and one.conditions.weights) for one in spec.metrics] == [
        ("success-success-rate", (5,)), ("long-success-rate", (50,)),
    ]  # fmt: skip
    assert spec.interval == 15


def test_a_background_analysis_is_over_the_run_from_its_starting_step_on(tmp_path: Path) -> None:
    endless = {key: value for key, value in METRIC.items() if key != "count"}
    background = rollout(STEPS[0], STEPS[1], STEPS[3], STEPS[4], analysis=ANALYSIS | {"startingStep": 2})
    (metric,) = spec_of(imported(tmp_path, background, template(endless))).metrics
    assert metric.conditions is not None
    assert (metric.conditions.over, metric.conditions.weights, metric.conditions.count) == ("run", (50,), None)


def test_arguments_come_from_the_rollout_else_the_template_and_what_a_run_knows_stays_open(tmp_path: Path) -> None:
    wanted = "{{args.a}} {{ args.b }} {{args.c}} {{args.d}} {{args.e}} {{args.f}} {{args.limit}}"
    arguments = [
        {"name": "b", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "c", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "d", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "e", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "f", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['none']"}}},
    ]
    declared = [{"name": "a", "value": "own"}, *({"name": name} for name in "bcdef"), {"name": "limit", "value": 0.9}]
    asked = METRIC | {"provider": {"prometheus": {"query": wanted}}, "successCondition": "result[0] > {{args.limit}}"}
    analysis = {"templates": ANALYSIS["templates"], "args": arguments}
    (metric,) = spec_of(
        imported(tmp_path, rollout(STEPS[0], {"analysis": analysis}), template(asked, args=declared))
    ).metrics
    assert metric.query == "own {{canary_hash}} {{stable_hash}} {{namespace}} pay  0.9"
    assert metric.conditions is not None
    assert metric.conditions.success == "result[0] > 0.9"


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ({"provider": {"datadog": {"query": "q"}}}, "metric bad of success: provider datadog: only prometheus"),
        ({"provider": {"datadog": {"query": "up"}}}, "for conditions; Datadog gives counts, as docs/how-to/stores.md"),
        ({"provider": {"cloudWatch": {}}}, "for conditions; CloudWatch gives counts, as docs/how-to/stores.md"),
        ({"provider": {"prometheus": {"query": "up", "rangeQuery": {"step": "1m"}}}}, "asks for the present only"),
        ({"provider": {"prometheus": {"query": "{{args.token}}"}}}, "args.token comes from a Secret"),
        ({"provider": {"prometheus": {"query": "{{args.none}}"}}}, "{{args.none}} has no value"),
        ({"provider": {"prometheus": {"query": "{{ inputs.x }}"}}}, "{{ inputs.x }} has no value"),
        ({"successCondition": "sum(result) > 1"}, "successCondition: column 1: unknown name 'sum'"),
        ({"interval": "soon"}, "interval: 'soon' is no duration"),
        ({"count": "many"}, "count: Input should be a valid integer"),
        ({"count": None, "interval": "10s"}, "it would never end: give count"),
        ({"count": 0}, "it would never end"),
        ({"failureLimit": 20}, "too small for its limits"),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_be_expressed_is_listed_and_the_others_are_kept(
    tmp_path: Path, metric: dict[str, Any], complaint: str
) -> None:
    secret = [{"name": "service"}, {"name": "token", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]
    made = imported(tmp_path, rollout(), template(METRIC, METRIC | {"name": "bad"} | metric, args=secret))
    assert [one.name for one in spec_of(made).metrics] == ["success-rate"]
    (problem,) = made.report.lost
    assert complaint in problem.message
    assert problem.line > 20


def test_a_wrong_condition_is_told_once_and_where_it_is_written(tmp_path: Path) -> None:
    wrong = METRIC | {"name": "bad", "successCondition": "result[0] => 1"}
    (problem,) = imported(tmp_path, rollout(), template(METRIC, wrong)).report.lost
    line = (tmp_path / "manifests.yaml").read_text().splitlines()[problem.line - 1]
    assert line[problem.column - 1 :] == "result[0] => 1"


def test_what_changes_no_judgement_is_a_note_and_unknown_keys_are_told(tmp_path: Path) -> None:
    only = METRIC | {"failureCondition": "result[0] < 0.9", "colour": "red"}
    del only["successCondition"]
    given = ANALYSIS | {"args": [*ANALYSIS["args"], {"name": "undeclared", "value": "x"}]}
    steps = [STEPS[0], {"analysis": given}, {"setCanaryScale": {"weight": 10}}]
    made = imported(tmp_path, rollout(*steps), template(only, measurementRetention=[]), template(name="unused"))
    notes = "\n".join(made.report.notes)
    for note in (
        "has only a failureCondition: a value of NaN passes", "measurementRetention is left out",
        "AnalysisTemplate unused is not referred to", "steps[2].setCanaryScale stays",
        "SERINUS_PROVIDERS=main=http://prometheus:9090", "args.undeclared is declared by no template",
    ):  # fmt: skip
        assert note in notes
    assert "colour is not known" in lost(made)


def test_templates_may_refer_to_others_and_dry_runs_and_cluster_templates_are_kept(tmp_path: Path) -> None:
    whole = template(name="whole", templates=[{"templateName": "success", "clusterScope": True}])
    whole["spec"]["metrics"] = []
    analysis = {"templates": [{"templateName": "whole"}], "dryRun": [{"metricName": "succ.*"}]}
    cluster = template() | {"kind": "ClusterAnalysisTemplate"}
    (metric,) = spec_of(imported(tmp_path, rollout(STEPS[0], {"analysis": analysis}), whole, cluster)).metrics
    assert metric.conditions is not None
    assert metric.conditions.dry_run
    assert metric.query == 'up{service="default"}'


def test_timed_pauses_and_analyses_become_one_gate_and_gates_of_people_stay(tmp_path: Path) -> None:
    made = imported(tmp_path, rollout(), template())
    assert made.steps == [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}, {"pause": {}}]
    assert "-    duration: 5m\n" in made.diff
    gates: list[dict[str, Any]] = [{"setWeight": 5}, {"pause": None}, {"setWeight": 50}, {"analysis": ANALYSIS}]
    made = imported(tmp_path, rollout(*gates), template(), mode="enforce")
    assert made.steps == [{"setWeight": 5}, {"pause": None}, {"setWeight": 50}, {"pause": {}}]
    assert [stage.approval for stage in spec_of(made).stages] == ["required", "none"]


@pytest.mark.parametrize(
    ("documents", "complaint"),
    [
        ([], "exactly one Rollout is wanted (none given)"),
        ([rollout(), rollout()], "is wanted (manifests.yaml: checkout, manifests.yaml: checkout); import each from"),
        ([{"kind": "Service", "metadata": {"name": "web"}}], "(none given); passed over: Service web"),
        ([rollout(), template(), template()], "success is in manifests.yaml too"),
        ([{"kind": "Rollout", "spec": {"strategy": {"blueGreen": {}}}}], "no canary strategy"),
        ([rollout({"pause": {}})], "there is no stage to judge"),
        ([rollout({"setWeight": 5})], "no analysis: there is nothing to import"),
        ([rollout({"setWeight": 500})], "manifests.yaml:11:20: spec.strategy.canary.steps.0.setWeight"),
        ([rollout()], "AnalysisTemplate success is in none of the files"),
        ([rollout({"setWeight": 5}, {"analysis": {"templates": 5}})], "steps.1.analysis.templates"),
        ([rollout({"setWeight": 5}, analysis={"templates": 5})], "canary.analysis.templates"),
        ([rollout(), template(*[METRIC], dryRun="x")], "spec.dryRun"),
        ([rollout({"setWeight": 5}, analysis={"templates": [{"templateName": "success"}], "startingStep": "x"})],
         "canary.analysis.startingStep"),
        ([rollout(), {"kind": "AnalysisTemplate", "metadata": {"name": "success"}, "spec": {"metrics": ["x"]}}],
         "spec.metrics.0"),
        ([rollout() | {"spec": {"strategy": "canary"}}], "no canary strategy"),
        ([rollout(1)], "spec.strategy.canary.steps.0: Input should be"),  # type: ignore[arg-type]
        ([rollout() | {"metadata": ["x"]}], "AnalysisTemplate success is in none of the files"),
        ([rollout(), template(templates=[{"templateName": "success"}], metrics=[])], "refers to itself"),
    ],
)  # fmt: skip
def test_what_no_policy_comes_of_is_refused_with_its_place(
    tmp_path: Path, documents: list[dict[str, Any]], complaint: str
) -> None:
    assert complaint in refusal(tmp_path, *documents)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: [", "manifests.yaml:1:8: no YAML"),
        ("kind: Rollout\nkind: Rollout", "manifests.yaml:2:1: kind: is given twice"),
        ("- 1", "manifests.yaml:1:1: no manifest"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_line_and_column(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "manifests.yaml"
    file.write_text(text)
    with pytest.raises(DocumentError) as refused:
        read([file])
    assert complaint in str(refused.value)


@pytest.mark.parametrize(("set_weight", "percent"), [(50, 5), (500, 50), (5, 0.5), (1000, 100)])
def test_a_weight_of_parts_of_a_max_traffic_weight_becomes_its_percent(
    tmp_path: Path, set_weight: int, percent: float
) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": set_weight}, {"pause": {"duration": "1m"}}, {"analysis": ANALYSIS}]
    routing = {"maxTrafficWeight": 1000, "nginx": {"stableIngress": "loom"}}
    made = imported(tmp_path, rollout(*steps, trafficRouting=routing), template())
    assert [stage.weight for stage in spec_of(made).stages] == [percent]
    assert made.steps == [{"setWeight": set_weight}, {"pause": {}}]


def test_a_weight_above_the_max_traffic_weight_is_refused_at_its_place(tmp_path: Path) -> None:
    steps: list[dict[str, Any]] = [{"setWeight": 60}, {"analysis": ANALYSIS}]
    said = refusal(tmp_path, rollout(*steps, trafficRouting={"maxTrafficWeight": 50, "nginx": {}}), template())
    assert "steps.0.setWeight: 60 is more than all traffic, 50" in said
