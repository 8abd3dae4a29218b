import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts import Matcher, Selector
from serinus_contracts.selector import in_grouping, is_name

ANY = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10).filter(is_name)
LABEL = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True).filter(lambda label: label != "__name__") | ANY
NAME = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True) | ANY
MATCHERS = st.builds(Matcher, label=LABEL, op=st.sampled_from(["=", "!="]), value=st.text(max_size=20))


@given(st.builds(Selector, name=NAME, matchers=st.lists(MATCHERS, max_size=4).map(tuple)))
@example(Selector(name="INF"))
def test_what_is_rendered_selects_the_same_when_it_is_read_back_whatever_the_values_hold(selector: Selector) -> None:
    """The name of one that PromQL would take for a number stands as a matcher."""
    assert Selector.parse(str(selector)).all_matchers() == selector.all_matchers()


@pytest.mark.parametrize("value", ['"} or up{job="', 'a"b', "a\\", "line\nbreak", '\\"}'])
def test_a_value_cannot_break_out_of_its_quotes(value: str) -> None:
    rendered = str(Selector(name="up", matchers=(Matcher(label="pod", value=value),)))
    assert Selector.parse(rendered).matchers == (Matcher(label="pod", value=value),)
    assert "\n" not in rendered


@pytest.mark.parametrize(
    ("text", "stops_at"),
    [
        ("rate(up[5m])", "(up[5m])"),
        ("up{job='x'}", "job='x'"),
        ('up{job="x" pod="y"}', "comma"),
        ("up{job=x}", "job=x"),
        ("", "needs a metric name"),
        ("{}", "needs a metric name"),
        ("http.requests", '{"http.requests"}'),
        ('http.requests{code="5"}', '{"http.requests",code="5"}'),
        ('up{k8s.pod.name="x"}', "expected label"),
        ('{"a.b"}{c="d"}', "expected"),
        ('{"a.b","c.d"}', "more than one metric name: a.b and c.d"),
        ('up{"a.b"}', "more than one metric name: up and a.b"),
        ('up{__name__="down"}', "more than one metric name: up and down"),
        ('{""="x"}', "expected label"),
        ("up{", "no selector"),
    ],
)
def test_a_refusal_names_where_the_text_stops_being_a_selector(text: str, stops_at: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is compared below
        Selector.parse(text)
    assert stops_at in str(refused.value)


def test_expressions_are_anchored_and_an_absent_label_is_empty_as_in_prometheus() -> None:
    five = Matcher(label="code", op="=~", value="5..")
    assert five.matches({"code": "503"})
    assert not five.matches({"code": "1503"})
    assert not five.matches({})
    assert Matcher(label="code", op="!~", value="5..").matches({})
    assert Matcher(label="code", op="=", value="").matches({})
    assert Matcher(label="code", op="!=", value="200").matches({"code": "500"})


def test_an_expression_that_does_not_compile_is_refused_and_the_same_text_as_value_is_not() -> None:
    with pytest.raises(ValidationError, match="not a valid regular expression"):
        Matcher(label="code", op="=~", value="5(")
    assert Matcher(label="code", op="=", value="5(").matches({"code": "5("})


def test_narrowing_does_not_repeat_a_matcher() -> None:
    one = Matcher(label="namespace", value="shop")
    assert Selector.parse('up{namespace="shop"}').where(one) == Selector.parse('up{namespace="shop"}')


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("(?=x)", "RE2, as in Prometheus"),
        ("(x)\\1", "RE2, as in Prometheus"),
        ("x" * 2_001, "at most 2000 characters, this one 2001"),
    ],
)
def test_an_expression_that_prometheus_would_refuse_or_that_is_too_long_is_refused(value: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Matcher(label="path", op="=~", value=value)


@pytest.mark.parametrize(
    ("value", "text", "matches"),
    [("a.b", "a\nb", True), ("[[:digit:]]+", "42", True), (r"\d+", "٣", False), ("(?i)get", "GET", True)],
)
def test_an_expression_matches_what_it_matches_in_prometheus(value: str, text: str, matches: bool) -> None:
    assert Matcher(label="path", op="=~", value=value).matches({"path": text}) is matches


@pytest.mark.parametrize(
    ("text", "name", "labels", "rendered"),
    [
        ('{"http.requests"}', "http.requests", [], '{"http.requests"}'),
        (
            '{ "http.requests" , "k8s.pod.name" =~ "a.*", code="5" }',
            "http.requests",
            ["k8s.pod.name", "code"],
            '{"http.requests","k8s.pod.name"=~"a.*",code="5"}',
        ),
        ('up{"k8s.pod"="x"}', "up", ["k8s.pod"], 'up{"k8s.pod"="x"}'),
        ('{code="5","up"}', "up", ["code"], 'up{code="5"}'),
        ('{"up","code"="5"}', "up", ["code"], 'up{code="5"}'),
        (r'{"a \"b\" \\c"}', r'a "b" \c', [], r'{"a \"b\" \\c"}'),
        ('{"größe"}', "größe", [], '{"größe"}'),
        ('{"2xx"}', "2xx", [], '{"2xx"}'),
    ],
)
def test_names_of_prometheus_3_stand_in_quotes_and_others_as_every_version_reads_them(
    text: str, name: str, labels: list[str], rendered: str
) -> None:
    selector = Selector.parse(text)
    assert (selector.name, [one.label for one in selector.matchers], str(selector)) == (name, labels, rendered)


@pytest.mark.parametrize("name", ["inf", "NaN", "bool", "on", "ignoring", "group_left", "atan2"])
def test_a_metric_whose_name_promql_would_read_as_a_number_or_keyword_is_named_by_its_label(name: str) -> None:
    assert str(Selector.parse(f'{name}{{a="b"}}')) == f'{{__name__="{name}",a="b"}}'
    assert not Selector(name=name).quotes_names


@pytest.mark.parametrize("label", ["inf", "NaN", "without", "by"])
def test_a_label_that_promql_could_read_as_a_number_or_keyword_stands_in_braces_as_every_version_reads_it(
    label: str,
) -> None:
    selector = Selector.parse(f'up{{{label}="x"}}')
    assert str(selector) == f'up{{{label}="x"}}'
    assert not selector.quotes_names
    assert in_grouping(label) == (label if label == "by" else f'"{label}"')


def test_the_replacement_character_of_a_value_is_escaped_since_prometheus_takes_it_for_broken_utf_8() -> None:
    selector = Selector(name="up", matchers=(Matcher(label="a", value="x\ufffdy\\ufffd"),))
    assert str(selector) == r'up{a="x\ufffdy\\ufffd"}'
    assert Selector.parse(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        ("up", False),
        ('up{code=~"5\\\\.."}', False),
        ('{__name__=~"http_.*"}', False),
        ('{__name__=~"a|b:c"}', False),
        ('{"a.b"}', True),
        ('up{"a.b"="x"}', True),
        ('{__name__="a.b"}', True),
        ('{__name__=~"a\\\\.b|a_b"}', True),
        ('{__name__!="a.b",c="d"}', False),
    ],
)
def test_a_selector_says_whether_only_prometheus_3_holds_what_it_names(text: str, quotes: bool) -> None:
    assert Selector.parse(text).quotes_names is quotes


@pytest.mark.parametrize("name", ["", "a\nb", "a\x7f", "a\ufffd", "x" * 256])
def test_what_no_query_could_name_is_no_name(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(ValidationError):
        Matcher(label=name, value="x")
    with pytest.raises(ValidationError):
        Selector(name=name)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("up", {"up"}),
        ('{__name__="up",job="a"}', {"up"}),
        (r'{__name__=~"up|a\\.b"}', {"up", "a.b"}),
        ('{__name__=~"up|node_.*"}', None),
        ('{__name__=~"up|"}', None),
        ('{__name__!="up"}', None),
        ('{job="a"}', None),
        ('{__name__=~"up|down",__name__!="down"}', None),
        ('{__name__=~"up|down",__name__=~"u.*"}', None),
    ],
)
def test_the_metrics_that_a_selector_can_select_are_known_where_it_names_them(
    text: str, names: set[str] | None
) -> None:
    assert Selector.parse(text).names == names


@given(st.lists(st.text("ab_:.- é/()*0\\\\", min_size=1, max_size=8), min_size=1, max_size=4))
def test_names_that_are_written_as_one_expression_are_read_from_it_again(names: list[str]) -> None:
    expression = "|".join(map(re.escape, names))
    both = Selector(matchers=(Matcher(label="__name__", op="=~", value=expression),))
    assert both.names == frozenset(names)
