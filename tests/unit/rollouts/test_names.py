"""A name is refused where a policy is written, or a query can be made of it: there is nothing between the two."""

from functools import cache
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts import Bucketed, CanaryPolicy, Counted, Gauged
from serinus_contracts.crd import custom_resource_definition
from serinus_contracts.plan import any_of
from serinus_contracts.regex import found
from serinus_rollouts.resolve import resolve
from serinus_simulator.prometheus.promql import parse

from tests.support import RUN
from tests.unit.rollouts.test_resolve import GATED, policy

HARD = st.sampled_from(
    ["k8s.pod.name", '"a b"', '{"a.b"}', '""', "sum", "inf", "on", "a\\b", r'"a\"b"', r'"a\\"', "a{}", "1"]
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12) | st.text("ab.\"\\{}' =\n\x00\ufffd", max_size=8) | HARD


@cache
def schema(*path: str) -> dict[str, Any]:
    """The custom resource's schema of a field of the spec."""
    versions = custom_resource_definition()["spec"]["versions"]
    place: dict[str, Any] = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    for part in path:
        place = place[part] if part == "items" else place["properties"][part]
    return place


def taken(text: str, *path: str) -> bool:
    """Whether the API server takes the text there."""
    return len(text) <= schema(*path)["maxLength"] and found(schema(*path)["pattern"], text)


def written(spec: dict[str, Any]) -> CanaryPolicy | None:
    try:
        return policy(**spec)
    except ValidationError:
        return None


def asked_for(made: CanaryPolicy) -> tuple[set[str], set[str]]:
    """The names of metrics and labels in all queries of the policy's plan, as another parser reads them."""
    metrics, labels = set(), set()
    for metric in resolve(made, RUN, GATED).metrics:
        assert isinstance(metric.source, Counted | Bucketed | Gauged)
        history = None if isinstance(metric.source, Gauged) else metric.source.history
        for query in filter(None, (metric.source.query, history)):
            for matcher in parse(f"{query}[5m]").matchers:
                labels.add(matcher.label)
                if matcher.label == "__name__":
                    metrics.add(matcher.value)
    return metrics, labels


@given(NAMES)
@example("x" * 255)
@example("x" * 256)
def test_a_metric_is_refused_by_policy_and_custom_resource_alike_or_asked_for(text: str) -> None:
    metric = {"name": "errors", "preset": "http-errors", "metric": text}
    made = written({"metrics": [metric]})
    assert (made is not None) == taken(text, "metrics", "items", "metric")
    if made is not None:
        name = made.spec.metrics[0].metric
        assert asked_for(made)[0] == {name}
        assert CanaryPolicy.model_validate_json(made.model_dump_json()) == made


@given(NAMES, NAMES, st.sampled_from(["pod-name", "pod-hash", "opentelemetry"]))
def test_a_label_is_refused_by_policy_and_custom_resource_alike_or_asked_for(
    label: str, namespace: str, preset: str
) -> None:
    made = written({"source": {"preset": preset, "label": label, "namespaceLabel": namespace}})
    assert (made is not None) == (taken(label, "source", "label") and taken(namespace, "source", "namespaceLabel"))
    if made is not None:
        source = made.spec.source
        assert {source.label, source.namespace_label} - {""} <= asked_for(made)[1]
        assert CanaryPolicy.model_validate_json(made.model_dump_json()) == made


def test_a_dotted_metric_of_opentelemetry_has_its_status_in_dotted_labels() -> None:
    made = policy(
        source={"preset": "opentelemetry", "label": "k8s.pod.name", "namespaceLabel": "k8s.namespace.name"},
        metrics=[{"name": "errors", "preset": "http-errors", "metric": "http.server.request.duration_count"}],
    )
    (metric,) = resolve(made, RUN, GATED).metrics
    assert isinstance(metric.source, Counted)
    assert str(metric.source.query) == (
        '{"http.server.request.duration_count","k8s.namespace.name"="shop",'
        '"k8s.pod.name"=~"checkout-new-.*|checkout-old-.*"}'
    )
    labels = [{"http.response.status_code": "503"}, {"error.type": "reset"}, {"http.response.status_code": "200"}]
    assert [any_of(metric.source.events, one) for one in labels] == [True, True, False]
