"""The policies and providers of docs/how-to/stores.md, from their text to what a store is asked."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from serinus_collecting.collect_periods import selectors_of
from serinus_collecting.ports import ProviderError
from serinus_collecting.providers import Provider, read_providers
from serinus_contracts import AnalysisPlan
from serinus_contracts.period_stores import cloudwatch_metric, datadog_query
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage

from tests.support import ERRORS, LATENCY, RUN, plan

BLOCKS = re.findall(
    r"```yaml\n(.*?)```", (Path(__file__).parents[2] / "docs" / "how-to" / "stores.md").read_text(), re.DOTALL
)
EXAMPLES = {match[1]: text for text in BLOCKS if (match := re.search(r"metadata: {name: ([a-z-]+)}", text))}


def planned(text: str) -> AnalysisPlan:
    (policy,) = load_text(text, "policy.yaml")
    return resolve(policy, RUN, (Stage(5, 0, (1,), False),))


def asked(text: str) -> Sequence[str]:
    made = planned(text)
    return [datadog_query(one, 60) for metric in made.metrics for one in selectors_of(made, metric)]


def test_the_example_of_datadog_asks_for_events_and_trials_of_each_arm_by_its_hash() -> None:
    scope = "service:checkout AND env:prod AND version"
    assert planned(EXAMPLES["datadog"]).api == "datadog"
    assert asked(EXAMPLES["datadog"]) == [
        f"sum:trace.http.request.{what}{{{scope}:{arm}}}.as_count().rollup(sum, 60)"
        for arm in ("new", "old")
        for what in ("errors", "hits")
    ]


def test_pods_are_told_by_the_tags_that_the_agent_makes_of_their_labels() -> None:
    text = EXAMPLES["datadog"].replace(', label: version, namespaceLabel: ""', "")
    scope = "service:checkout AND env:prod AND kube_namespace:shop AND rollouts_pod_template_hash:new"
    assert asked(text)[1] == f"sum:trace.http.request.hits{{{scope}}}.as_count().rollup(sum, 60)"


def test_a_tag_of_ones_own_with_its_two_values_tells_the_arms() -> None:
    source = "label: mesh_service, canary: shop-canary, stable: shop.stable, exclude: '{probe=\"y\"}'"
    found = asked(EXAMPLES["datadog"].replace("label: version", source))
    scope = "service:checkout AND env:prod AND NOT probe:y AND mesh_service"
    assert found[1] == f"sum:trace.http.request.hits{{{scope}:shop-canary}}.as_count().rollup(sum, 60)"
    assert found[2] == f"sum:trace.http.request.errors{{{scope}:shop.stable}}.as_count().rollup(sum, 60)"


def test_a_plan_for_prometheus_keeps_the_bytes_that_it_had() -> None:
    assert b'"api"' not in plan().canonical


@pytest.mark.parametrize("metric", [ERRORS, LATENCY])
def test_what_is_no_metric_of_a_store_is_told(metric: object) -> None:
    made = plan(metrics=(metric,))
    with pytest.raises(ProviderError):
        selectors_of(made, made.metrics[0])


def test_the_example_of_providers_is_read(tmp_path: Path) -> None:
    for name in ("api-key", "application-key"):
        (tmp_path / name).touch()
    found: dict[str, Provider] = {}
    for text in [text for text in BLOCKS if text.startswith("# providers")]:
        (tmp_path / "providers.yaml").write_text(text)
        found |= read_providers(tmp_path / "providers.yaml")
    assert {name: one.api for name, one in found.items()} == {"datadog": "datadog", "cloudwatch": "cloudwatch"}


def test_the_example_of_cloudwatch_asks_for_the_metrics_of_each_arms_target_group() -> None:
    made = planned(EXAMPLES["cloudwatch"])
    assert made.api == "cloudwatch"
    found = [cloudwatch_metric(one) for one in selectors_of(made, made.metrics[0])]
    assert [one.name for one in found] == ["HTTPCode_Target_5XX_Count", "RequestCount"] * 2
    assert {one.namespace for one in found} == {"AWS/ApplicationELB"}
    assert [dict(one.dimensions)["TargetGroup"].split("/")[1] for one in found] == [
        *["checkout-canary"] * 2,
        *["checkout-stable"] * 2,
    ]
    assert all(len(one.dimensions) == 2 for one in found)
