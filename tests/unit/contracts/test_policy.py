from typing import Any

import pytest
from pydantic import ValidationError
from serinus_contracts import CanaryPolicy
from serinus_contracts.crd import custom_resource_definition

ERRORS: dict[str, Any] = {"name": "errors", "preset": "http-errors"}
LATENCY: dict[str, Any] = {"name": "latency", "preset": "http-latency"}


def policy(**spec: Any) -> CanaryPolicy:
    fields = {"match": {"namespace": "shop", "name": "checkout"}, "metrics": [ERRORS]}
    return CanaryPolicy.model_validate(
        {
            "apiVersion": "serinus.dev/v1alpha1",
            "kind": "CanaryPolicy",
            "metadata": {"name": "shop"},
            "spec": fields | spec,
        }
    )


def test_a_short_policy_gets_careful_defaults() -> None:
    spec = policy().spec
    assert (spec.mode, spec.interval, spec.on_no_data, spec.on_time_spent) == ("shadow", 30, "hold", "hold")
    assert (spec.false_abort_rate, spec.false_promote_rate) == (0.01, 0.05)


def threshold(**conditions: Any) -> dict[str, Any]:
    """A spec of the judge `threshold` with one metric."""
    asked = {"name": "success", "query": "up", "conditions": {"success": "result[0] > 0.9"} | conditions}
    return {"judge": {"name": "threshold"}, "metrics": [asked]}


def selector(name: str, matchers: int) -> str:
    return name + "{" + ",".join(f'l{number}="v"' for number in range(matchers)) + "}"


def matched(number: int, pattern: str) -> dict[str, Any]:
    trials = f't{{a=~"{pattern}",b!~"{pattern}"}}'
    return {"name": f"x{number}", "events": f'e{{a=~"{pattern}"}}', "trials": trials}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"match": {}}, "match needs a namespace, a name or labels"),
        ({"metrics": []}, "at least 1 item"),
        ({"intervall": "30s"}, "Extra inputs are not permitted"),
        ({"interval": "0s"}, "greater than or equal to 0.5"),
        ({"minimum": "2h"}, "minimum must be shorter than maximum"),
        ({"stages": [{"weight": 5, "minimum": "10m", "maximum": "5m"}]}, "minimum must be shorter than maximum"),
        ({"stages": [{"weight": 5}, {"weight": 5}]}, "weight given twice: 5"),
        ({"metrics": [ERRORS, ERRORS]}, "metric given twice: errors"),
        ({"metrics": [{"name": "x"}]}, "exactly one of: preset, events with trials, histogram"),
        ({"metrics": [{"name": "x", "events": "a_total"}]}, "events and trials belong together"),
        ({"metrics": [{"name": "x", "events": "{a='1'}", "trials": "b"}]}, "expected label"),
        ({"metrics": [{"name": "x", "events": '{a="1"}', "trials": "b"}]}, "each need a metric name"),
        ({"metrics": [{"name": "x", "events": "a", "trials": "b", "metric": "c"}]}, "renames what a preset reads"),
        ({"metrics": [LATENCY | {"margin": {"ratio": 0.9}}]}, "ratio of at least 1"),
        ({"metrics": [ERRORS | {"margin": {"ratio": 0.5}}]}, "better than stable"),
        ({"metrics": [ERRORS | {"better": "higher", "margin": {"ratio": 1.2}}]}, "above 0 and at most 1"),
        ({"limits": [{"metric": "error", "above": 0.1}]}, "unknown metric 'error'; known: errors"),
        ({"limits": [{"metric": "errors"}]}, "exactly one of above and below"),
        ({"limits": [{"metric": "errors", "above": 5}]}, "share between 0 and 1"),
        ({"limits": [{"metric": "errors", "quantile": 0.95, "above": "5s"}]}, "has no quantile"),
        ({"source": {"preset": "service-label"}}, "tells the arms apart by their services: give canary and stable"),
        ({"source": {"preset": "service-label", "canary": "a", "stable": "a"}}, "could not be told apart"),
        ({"falseAbortRate": 0}, "greater than 0"),
        ({"interval": "9" * 400 + "s"}, "finite number"),
        ({"maximum": 1e308}, "less than or equal to 315360000"),
        ({"metrics": [ERRORS | {"metric": 'http_requests_total{method="GET"}'}]}, "write events and trials, histogram"),
        ({"metrics": [ERRORS | {"metric": "rate(http_requests_total[5m])"}]}, "a metric's name alone"),
        ({"metrics": [ERRORS | {"metric": "requests\n"}]}, "is not a metric name: a name has no control characters"),
        ({"metrics": [ERRORS | {"metric": ""}]}, "is not a metric name"),
        ({"metrics": [ERRORS | {"metric": "http requests"}]}, 'stands in double quotes, as "pod name"'),
        ({"metrics": [ERRORS | {"metric": '{"http.requests",code="500"}'}]}, "a metric's name alone"),
        ({"metrics": [ERRORS | {"metric": "x" * 256}]}, "at most 255 characters"),
        ({"source": {"label": ""}}, "is not a label name"),
        ({"source": {"label": "pod name"}}, 'stands in double quotes, as "pod name"'),
        ({"source": {"namespaceLabel": '""'}}, "is not a label name"),
        ({"metrics": [{"name": "x", "histogram": "http.requests_bucket"}]}, '{"http.requests_bucket"}'),
        (
            {"metrics": [LATENCY], "limits": [{"metric": "latency", "quantile": 1 - 1e-15, "above": 1}]},
            "at most 0.9999",
        ),
        ({"metrics": [{"name": "x", "events": selector("e", 21), "trials": "b"}]}, "at most 20 matchers"),
        ({"metrics": [{"name": f"x{i}", "events": selector("e", 2), "trials": "b"} for i in range(51)]}, "at most 50"),
        ({"match": {"name": "x", "labels": {f"l{i}": "v" * 1500 for i in range(50)}}}, "spec is at most 64 KiB"),
        ({"metrics": [matched(i, "a|b") for i in range(34)]}, "at most 100 regular expressions, this one 102"),
        ({"metrics": [matched(1, ".{999}")]}, "pattern too large"),
        (threshold(success="result[0] => 1"), "column 11: unexpected '=': write == to compare"),
        (threshold(interval="30s"), "it would never end"),
        (threshold(count=2), "a count above 1 needs an interval"),
        (threshold(failureLimit=-1), "failureLimit -1 needs consecutiveSuccessLimit"),
        (threshold(interval="30s", count=3, failureLimit=4), "too small for its limits"),
        (threshold(interval="0s", count=3), "longer than 0s"),
        (threshold(interval="10s", count=3), "snapshots are taken every 30 s: set spec.interval to 10s"),
    ],
)
def test_what_could_not_work_is_refused_with_the_reason(spec: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        policy(**spec)
    assert complaint in str(refused.value)


def test_names_of_prometheus_and_no_label_for_the_namespace_are_taken() -> None:
    spec = policy(
        source={"label": "k8s_pod_name", "namespaceLabel": ""}, metrics=[ERRORS | {"metric": "job:http_requests:sum"}]
    ).spec
    assert (spec.source.namespace_label, spec.metrics[0].metric) == ("", "job:http_requests:sum")


def test_a_limit_on_latency_is_a_duration_at_a_quantile() -> None:
    spec = policy(metrics=[ERRORS, LATENCY], limits=[{"metric": "latency", "quantile": 0.95, "above": "5s"}]).spec
    assert spec.limits[0].above == 5.0


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"metrics": [{**ERRORS, "name": f"m{number}"} for number in range(51)]}, "at most 50 items"),
        ({"limits": [{"metric": "errors", "above": 0.1}] * 51}, "at most 50 items"),
        ({"stages": [{"weight": weight} for weight in range(101)]}, "at most 100 items"),
        ({"interval": "400ms"}, "greater than or equal to 0.5"),
        ({"metrics": [{"name": "errors", "events": "e" * 4097, "trials": "t"}]}, "at most 4096 characters"),
        ({"match": {"labels": {f"l{number}": "x" for number in range(51)}}}, "at most 50 items"),
    ],
)
def test_what_would_cost_more_than_a_policys_share_is_refused(spec: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=place):
        policy(**spec)


def test_the_custom_resource_refuses_what_would_cost_more_than_a_policys_share() -> None:
    versions = custom_resource_definition()["spec"]["versions"]
    spec = versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {name: spec[name]["maxItems"] for name in ("metrics", "limits", "stages", "freeze")} == {
        "metrics": 50, "limits": 50, "stages": 100, "freeze": 50,
    }  # fmt: skip
    assert spec["metrics"]["items"]["properties"]["query"]["maxLength"] == 4096


COUNTED = {"name": "errors", "events": 'errors{a="1"}', "trials": "requests"}


def test_a_metric_of_counts_may_name_a_segment() -> None:
    assert policy(metrics=[COUNTED | {"segment": "route"}]).spec.metrics[0].segment == "route"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"metrics": [{"name": "latency", "preset": "http-latency", "segment": "route"}]}, "a distribution cannot"),
        ({"metrics": [COUNTED | {"segment": "route", "lag": "5m"}]}, "events that follow their trials by a lag"),
        ({"metrics": [COUNTED | {"segment": "a b"}]}, "segment"),
        ({"metrics": [COUNTED | {"segment": "route"}], "judge": {"name": "scorecard"}}, "scorecard knows no segments"),
        (
            {"metrics": [COUNTED | {"name": f"e{i}", "segment": "route"} for i in range(5)]},
            "at most 4 metrics have a segment",
        ),
    ],
)
def test_what_cannot_be_judged_by_segments_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        policy(**changed)
