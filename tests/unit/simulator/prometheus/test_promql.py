from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.prometheus.promql import ParseError, parse
from serinus_simulator.prometheus.series import quote


def shown(query: str) -> list[tuple[str, str, str]]:
    return [(one.label, one.operator, one.value) for one in parse(query).matchers]


@pytest.mark.parametrize(
    ("query", "matchers", "milliseconds"),
    [
        ("up", [("__name__", "=", "up")], None),
        (" up [ 5m ] ", [("__name__", "=", "up")], 300_000),
        ("up[1m30s]", [("__name__", "=", "up")], 90_000),
        ("up[500ms]", [("__name__", "=", "up")], 500),
        ("up[90]", [("__name__", "=", "up")], 90_000),
        ('up{a="b",}', [("__name__", "=", "up"), ("a", "=", "b")], None),
        ('{__name__=~"a|b", c!="d"}[1h]', [("__name__", "=~", "a|b"), ("c", "!=", "d")], 3_600_000),
        ("up{a!~'b.*',c=`d\\e`}", [("__name__", "=", "up"), ("a", "!~", "b.*"), ("c", "=", "d\\e")], None),
        ('{"a.b"}[5m]', [("__name__", "=", "a.b")], 300_000),
        ('{c="d","a.b",\'e.f\'!="g"}', [("c", "=", "d"), ("__name__", "=", "a.b"), ("e.f", "!=", "g")], None),
        ('up{"a\\ufffd"="\\ufffd"}', [("__name__", "=", "up"), ("a\ufffd", "=", "\ufffd")], None),
        ('job:rate:5m{a="x\\"\\n\\\\y"}', [("__name__", "=", "job:rate:5m"), ("a", "=", 'x"\n\\y')], None),
    ],
)
def test_selectors_are_read(query: str, matchers: list[tuple[str, str, str]], milliseconds: int | None) -> None:
    assert shown(query) == matchers
    assert parse(query).milliseconds == milliseconds


def test_sums_at_regular_moments_are_read() -> None:
    found = parse('sum by (pod, code,) (up{a="b"})[24h1ms:5m]')
    assert (found.by, found.milliseconds, found.step) == (("pod", "code"), 86_400_001, 300_000)
    assert [one.label for one in found.matchers] == ["__name__", "a"]
    assert (parse("up[5m:30s]").by, parse("up[5m:30s]").step) == (None, 30_000)
    assert parse("sum by () (up)[5m:30s]").by == ()
    assert parse('sum by ("k8s.pod.name", code) ({"a.b"})[5m:30s]').by == ("k8s.pod.name", "code")


@given(st.text(max_size=20))
def test_a_quoted_value_is_read_back_as_it_was(value: str) -> None:
    assert shown(f"up{{a={quote(value)}}}")[1] == ("a", "=", value)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("", "1:1"),
        ("http_requests_total{", "1:21"),
        ('{a=~".*"}', "1:1"),
        ("{}", "1:1"),
        ("http_requests_total[5m", "1:23"),
        ("foo bar", "1:5"),
        ("foo\nbar", "2:1"),
        ("http_requests_total[0s]", "1:21"),
        ("http_requests_total[5q]", "1:21"),
        ('http_requests_total{code=="a"}', "1:26"),
        ('http_requests_total{code="2}', "1:26"),
        ("sum(up)", "1:4"),
        ("sum by (a", "1:10"),
        ("sum by (a) up", "1:12"),
        ("sum by (a) (up", "1:15"),
        ("sum by (a) (up)", "1:16"),
        ("sum by (a) (up)[5m]", "1:20"),
        ("sum by (a) (up)[5m:0s]", "1:17"),
        ("up[5m:1q]", "1:4"),
        ('up{a=~"("}', "1:11"),
        ("up{a}", "1:5"),
        ("[5m]", "1:1"),
        ('up{"a.b"}', "1:1"),
        ('{""="a"}', "1:2"),
    ],
)
def test_what_is_no_selector_is_refused_with_its_place(query: str, place: str) -> None:
    with pytest.raises(ParseError, match=f"^{place}: parse error: "):
        parse(query)


@pytest.mark.parametrize(
    ("matcher", "value", "matches"),
    [
        ('a="x"', "x", True),
        ('a="x"', "", False),
        ('a=""', "", True),
        ('a!="x"', "", True),
        ('a=~"x|y"', "y", True),
        ('a=~"x"', "xx", False),
        ('a=~"x.*"', "xx", True),
        ('a!~"x.*"', "xx", False),
        ('a!~"x.*"', "y", True),
        ('a=~"checkout-(1|2)-.*"', "checkout-2-z", True),
    ],
)
def test_matchers_match_whole_values_and_absent_labels_as_empty(matcher: str, value: str, matches: bool) -> None:
    assert parse(f"up{{{matcher}}}").matchers[1].test(value) is matches


def test_matchers_that_name_all_their_values_say_so() -> None:
    values = [one.values for one in parse('up{a="x",b=~"y|z",c=~"d.*",e!="f"}').matchers]
    assert values == [{"up"}, {"x"}, {"y", "z"}, None, None]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{"a.b"}', '1:2: parse error: unexpected string "\\"a.b\\"" in label matching, expected identifier or "}"'),
        (
            'up{"a.b"="c"}',
            '1:4: parse error: unexpected string "\\"a.b\\"" in label matching, expected identifier or "}"',
        ),
        (
            'sum by ("a.b") (up)[5m:1m]',
            '1:9: parse error: unexpected string "\\"a.b\\"" in grouping opts, expected label',
        ),
    ],
)
def test_a_prometheus_before_3_refuses_quoted_names_in_its_words(query: str, message: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse(query, quoted_names=False)
    assert str(refused.value) == message
