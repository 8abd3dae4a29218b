from typing import Any

import pytest
from serinus_rollouts.policy_documents import load_text, read_resource
from serinus_runtime.documents import DocumentError

GOOD = """\
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: shop}
spec:
  match: {namespace: shop}
  metrics:
  - {name: errors, preset: http-errors}
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        load_text(text, "shop.yaml")
    return str(refused.value).splitlines()


def test_several_policies_may_stand_in_one_file() -> None:
    second = GOOD.replace("name: shop}", "name: other}", 1)
    assert [policy.metadata.name for policy in load_text(f"{GOOD}---\n{second}---\n", "x")] == ["shop", "other"]


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("  metrics:", "  metrcs:", "shop.yaml:6:3: spec.metrcs: unknown key: did you mean metrics?"),
        (
            "preset: http-errors",
            "prest: http-errors",
            "shop.yaml:7:20: spec.metrics.0.prest: unknown key: did you mean preset?",
        ),
        ("namespace: shop", "zzz: shop", "shop.yaml:5:11: spec.match.zzz: unknown key; known: labels, name, namespace"),
        (
            "http-errors",
            "http-error",
            "shop.yaml:7:28: spec.metrics.0.preset: Input should be "
            "'http-errors', 'http-latency', 'container-memory' or 'container-cpu'",
        ),
        ("kind: CanaryPolicy", "kind: Policy", "shop.yaml:2:7: kind: Input should be 'CanaryPolicy'"),
        ("metadata: {name: shop}", "metadata: {}", "shop.yaml:3:11: metadata.name: is missing"),
    ],
)
def test_a_mistake_is_named_with_file_line_column_and_the_way_out(before: str, after: str, complaint: str) -> None:
    told = complaints(GOOD.replace(before, after))
    assert complaint in told
    assert not any("Tuple" in one for one in told)


def test_a_document_of_another_kind_is_told_so_alone_and_one_without_a_kind_with_all_that_is_wrong() -> None:
    wrong = GOOD.replace("metrics:", "metrcs:")
    assert complaints(wrong.replace("CanaryPolicy", "Rollout")) == [
        "shop.yaml:2:7: kind: Input should be 'CanaryPolicy'"
    ]
    told = complaints(wrong.replace("kind: CanaryPolicy\n", ""))
    assert "shop.yaml:1:1: kind: is missing" in told
    assert "shop.yaml:5:3: spec.metrcs: unknown key: did you mean metrics?" in told


def test_a_rule_between_fields_points_at_the_part_it_is_about() -> None:
    text = GOOD.replace("spec:\n", "spec:\n  minimum: 2h\n")
    assert complaints(text) == [
        "shop.yaml:5:3: spec: minimum must be shorter than maximum, else no time is left to judge"
    ]


@pytest.mark.parametrize(
    ("stage", "complaint"),
    [
        (
            "{weight: 50, minimum: 2h}",
            "shop.yaml:9:27: spec.stages.0.minimum: no time is left to judge: minimum 7200 s is not shorter than "
            "maximum 3600 s; give this stage a maximum of its own",
        ),
        (
            "{weight: 50, maximum: 1m}",
            "shop.yaml:9:27: spec.stages.0.maximum: no time is left to judge: minimum 300 s is not shorter than "
            "maximum 60 s; give this stage a minimum of its own",
        ),
    ],
)
def test_a_stage_that_does_not_fit_what_it_leaves_to_the_policy_is_refused(stage: str, complaint: str) -> None:
    assert complaints(GOOD + f"  stages:\n  - {stage}\n") == [complaint]


def test_a_key_given_twice_is_refused_though_yaml_would_take_the_second() -> None:
    assert complaints(GOOD + "  interval: 1s\n  interval: 30s\n") == ["shop.yaml:9:3: interval: is given twice"]


def test_a_key_beside_a_merge_key_overrides_what_that_brings_and_is_found_where_it_stands() -> None:
    merged = GOOD + "  stages:\n  - &first {weight: 5, minimum: 1m}\n  - {<<: *first, weight: 50}\n"
    (policy,) = load_text(merged, "shop.yaml")
    assert [(stage.weight, stage.minimum) for stage in policy.spec.stages] == [(5, 60), (50, 60)]
    assert complaints(merged.replace("weight: 50", "weight: much"))[0].startswith("shop.yaml:10:26: ")


def test_a_mapping_as_a_key_and_a_document_that_refers_to_itself_are_refused() -> None:
    assert complaints(GOOD + "  ? {a: 1}\n  : 2\n")[0].startswith("shop.yaml:8:5: no YAML: found unhashable key")
    assert complaints("&whole {spec: *whole}") != []


def test_what_is_no_yaml_is_refused_where_it_stops_being_one() -> None:
    assert complaints("a: [1\nb: 2") == ["shop.yaml:2:2: no YAML: expected ',' or ']', but got ':'"]


@pytest.mark.parametrize("text", ["just text", "- 1", "42"])
def test_a_document_that_is_no_mapping_is_refused(text: str) -> None:
    (complaint,) = complaints(text)
    assert complaint.startswith("shop.yaml:1:1: ")


def resource(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "shop", "namespace": "shop", "uid": "u", "resourceVersion": "5", "managedFields": []}
    fields = {"match": {"name": "checkout"}, "metrics": [{"name": "errors", "preset": "http-errors"}]}
    return {"apiVersion": "serinus.dev/v1alpha1", "kind": "CanaryPolicy", "metadata": metadata, "spec": fields | spec}


def test_a_resource_is_a_policy_whatever_else_the_server_keeps_with_it() -> None:
    policy = read_resource(resource())
    assert (policy.metadata.name, policy.metadata.namespace) == ("shop", "shop")


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"metrics": []}, "spec.metrics: Tuple should have at least 1 item"),
        ({"match": {"name": "x" * 70_000}}, "CanaryPolicy shop/shop: spec is at most 64 KiB"),
        ({"match": {"namespace": "other", "name": "x"}}, "matches its own namespace only, not other"),
    ],
)
def test_a_wrong_resource_is_refused_by_its_name(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read_resource(resource(**spec))
    assert str(refused.value).startswith("CanaryPolicy shop/shop: ")
    assert complaint in str(refused.value)
