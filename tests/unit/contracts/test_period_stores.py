"""What a selector means to a store of sums, and which policies such a store cannot serve."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts import Selector
from serinus_contracts.period_stores import alternatives, cloudwatch_metric, datadog_query
from serinus_contracts.policy import CanaryPolicy

from tests.support import policy_document


@pytest.mark.parametrize(
    ("selector", "query"),
    [
        ('{"shop.requests"}', "sum:shop.requests{*}.as_count().rollup(sum, 60)"),
        (
            '{"trace.http.request.hits",service="shop",env!="test"}',
            "sum:trace.http.request.hits{service:shop AND NOT env:test}.as_count().rollup(sum, 60)",
        ),
        ('hits{code=~"500|503"}', "sum:hits{(code:500 OR code:503)}.as_count().rollup(sum, 60)"),
        ('hits{code=~"5.*"}', "sum:hits{code:5*}.as_count().rollup(sum, 60)"),
        (r'hits{pod=~"web\\-1|.*-x"}', "sum:hits{(pod:web-1 OR pod:*-x)}.as_count().rollup(sum, 60)"),
        ('hits{code!~"200|30.*"}', "sum:hits{NOT code:200 AND NOT code:30*}.as_count().rollup(sum, 60)"),
    ],
)
def test_a_selector_is_asked_of_datadog_in_its_own_words(selector: str, query: str) -> None:
    assert datadog_query(Selector.parse(selector), 60) == query


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ('{"shop requests"}', "names of letters, digits, _ and dots"),
        ('{code="500"}', "names of letters, digits, _ and dots"),
        ('hits{Env="prod"}', "keeps tags in lower case"),
        ('hits{env="Prod"}', "keeps values of tags in lower case"),
        ('hits{env="a,b"}', "letters, digits and _ - . / : alone"),
        ('hits{env="*"}', "letters, digits and _ - . / : alone"),
        ('hits{env="x} by {host"}', "letters, digits and _ - . / : alone"),
        ('hits{env=""}', "letters, digits and _ - . / : alone"),
        ('hits{code=~"5.."}', "filters by values, alternatives"),
        ('hits{code=~"5(0|1)"}', "filters by values, alternatives"),
        ('hits{code=~".*"}', "filters by values, alternatives"),
        (r'hits{code=~"5\\*"}', "filters by values, alternatives"),
    ],
)
def test_what_datadog_cannot_be_asked_is_refused_with_a_sentence(selector: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        datadog_query(Selector.parse(selector), 60)


def test_a_metric_of_cloudwatch_has_its_namespace_and_exactly_its_dimensions() -> None:
    selector = Selector.parse('{"AWS/ApplicationELB/RequestCount",LoadBalancer="app/shop/1",TargetGroup="tg/canary/2"}')
    found = cloudwatch_metric(selector)
    assert (found.namespace, found.name) == ("AWS/ApplicationELB", "RequestCount")
    assert found.dimensions == [("LoadBalancer", "app/shop/1"), ("TargetGroup", "tg/canary/2")]


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("RequestCount", "written with their namespace"),
        ('{"/RequestCount"}', "written with their namespace"),
        ('{"Shop/requests",code=~"5.*"}', "each dimension with its one value"),
        ('{"Shop/requests",code!="500"}', "each dimension with its one value"),
        ('{"Shop/requests",code=""}', "each dimension with its one value"),
        ('{"Shop/requests",code="500",code="503"}', "has each dimension once"),
    ],
)
def test_what_cloudwatch_cannot_be_asked_is_refused_with_a_sentence(selector: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        cloudwatch_metric(Selector.parse(selector))


@given(st.lists(st.text(st.characters(codec="ascii", exclude_characters="*"), min_size=1), min_size=1, max_size=4))
def test_alternatives_are_the_texts_that_were_escaped_or_nothing(texts: list[str]) -> None:
    assert alternatives("|".join(map(re.escape, texts))) in (texts, None)


def policy(source: dict[str, Any], metric: dict[str, Any] | None = None) -> dict[str, Any]:
    events = {"events": '{"shop.errors"}', "trials": '{"shop.requests"}'}
    return policy_document(source=source, metrics=[{"name": "errors", **(metric or events)}])


DATADOG = {"preset": "datadog"}


@pytest.mark.parametrize(
    ("source", "metric", "said"),
    [
        (DATADOG, {"preset": "http-errors"}, "preset datadog has no names of its own: give events and trials"),
        (DATADOG, {"preset": "http-latency"}, "Datadog gives no exact counts by latency"),
        (DATADOG, {"histogram": "x_bucket"}, "Datadog gives no exact counts by latency"),
        ({"preset": "cloudwatch"}, {"gauge": "x"}, "CloudWatch tells no pods apart here"),
        (DATADOG, {"events": "a", "trials": "b", "segment": "route"}, "come without segments"),
        (DATADOG, {"events": 'a{code=~"5.."}', "trials": "b"}, "filters by values, alternatives"),
        ({"preset": "cloudwatch"}, {"events": '{"Shop/errors"}', "trials": "requests"}, "with their namespace"),
        ({**DATADOG, "canary": "v2", "stable": "v1"}, {}, "say by label what holds the values"),
        ({**DATADOG, "label": "version", "canary": "V2", "stable": "v1"}, {}, "values of tags in lower case"),
        ({"preset": "cloudwatch", "exclude": '{mirrored="true"}'}, {}, "with their namespace"),
        (
            {},
            {"source": DATADOG, "events": "a", "trials": "b"},
            "preset datadog does not go with the policy",
        ),
    ],
)
def test_what_a_store_of_sums_cannot_serve_is_refused(source: dict[str, Any], metric: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CanaryPolicy.model_validate(policy(source, metric))


def test_what_is_left_out_is_asked_of_datadog_and_refused_of_cloudwatch() -> None:
    mirrored = {"exclude": '{mirrored="true"}'}
    CanaryPolicy.model_validate(policy(DATADOG | mirrored))
    metric = {"events": '{"Shop/errors"}', "trials": '{"Shop/requests"}'}
    with pytest.raises(ValidationError, match="each dimension with its one value"):
        CanaryPolicy.model_validate(policy({"preset": "cloudwatch"} | mirrored, metric))
