import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus.judge.arms import SCOPE, OverlapError, TwoArms, matchers, shown
from serinus_contracts import Selector

from tests.unit.cli.judge.processes import Process, Processes, version

V1, V2 = matchers('version="v1"'), matchers('version="v2"')
REQUESTS = Selector(name="http_requests_total")


def answered(arms: TwoArms) -> list[dict[str, str]]:
    return [one.labels for one in asyncio.run(arms.samples(REQUESTS, 60_000, 30_000)).read().series]


@pytest.mark.parametrize("text", ['version="v2"', '{version="v2"}', ' version = "v2" ', '{ version="v2", }'])
def test_labels_are_written_with_or_without_braces(text: str) -> None:
    assert matchers(text) == V2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty, which every series matches"),
        ("{}", "is empty, which every series matches"),
        ("version=v2", "a value stands in double quotes, which a shell takes away: 'version=\"v2\"'"),
        ("version=~v.*", "'version=~\"v.*\"'"),
        ('http_requests_total{version="v2"}', "names the metric http_requests_total: write labels alone"),
        ('version=~"v("', "is not a valid regular expression"),
        ('version="v2" and x', "expected a comma"),
    ],
)
def test_what_is_no_set_of_labels_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as refused:
        matchers(text)
    assert "pydantic" not in str(refused.value)


def test_each_series_says_its_arm_and_process_by_its_pod() -> None:
    arms = TwoArms(Processes([version("v1"), version("v2"), version("v3")]), V2, V1)
    assert [labels["pod"] for labels in answered(arms)] == ["canary/v2:80"] * 2 + ["stable/v1:80"] * 2
    (rule,) = SCOPE.arms
    assert [rule.arm(labels) for labels in answered(arms)] == ["canary"] * 2 + ["stable"] * 2


def test_the_pod_that_the_series_name_goes_before_the_scraped_instance() -> None:
    arms = TwoArms(Processes([Process({"version": "v2", "pod": "a", "instance": "b"}), version("v1")]), V2, V1)
    assert answered(arms)[0]["pod"] == "canary/a"


def test_a_series_of_both_arms_is_an_error_that_names_it() -> None:
    arms = TwoArms(Processes([version("v1"), version("v2")]), matchers('version=~"v.*"'), V1)
    with pytest.raises(
        OverlapError, match=re.escape('such as http_requests_total{code="200",instance="v1:80",version="v1"}')
    ):
        answered(arms)


def test_the_past_is_asked_of_stable_alone() -> None:
    server = Processes([version("v1"), version("v2")])
    found = asyncio.run(TwoArms(server, V2, V1).sums(REQUESTS, ("pod", "code"), 60_000, 60_000, 60_000)).read()
    assert server.asked[0] == 'sum by (pod,instance,code) http_requests_total{version="v1"}'
    assert {one.labels["pod"] for one in found.series} == {"stable/v1:80"}


VALUES = st.sampled_from(["a", "b", "ab", ""])


@given(st.lists(st.tuples(VALUES, VALUES), max_size=6, unique=True), *[st.sampled_from("ab") for _ in range(4)])
def test_no_series_is_ever_counted_for_both_arms(labels: list[tuple[str, str]], x: str, y: str, v: str, w: str) -> None:
    server = Processes([Process({"x": a, "y": b}) for a, b in labels])
    canary, stable = matchers(f'x=~".*{x}.*",y!="{v}"'), matchers(f'y=~".*{y}.*",x!="{w}"')
    try:
        found = answered(TwoArms(server, canary, stable))
    except OverlapError:
        both = [one for a, b in labels for one in Process({"x": a, "y": b}).series(0, 1000)]
        assert any(all(each.matches(one.labels) for each in (*canary, *stable)) for one in both)
        return
    bare = [tuple(sorted((k, v) for k, v in one.items() if k != "pod")) for one in found]
    assert len(bare) == len(set(bare))


def test_labels_are_shown_as_they_are_written() -> None:
    assert shown(matchers('{version=~"v2.*", zone!="a"}')) == 'version=~"v2.*",zone!="a"'
