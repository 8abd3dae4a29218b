import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from serinus_contracts import Matcher, Selector

LABEL = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
NAME = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,20}", fullmatch=True)
MATCHERS = st.builds(Matcher, label=LABEL, op=st.sampled_from(["=", "!="]), value=st.text(max_size=20))


@given(st.builds(Selector, name=NAME, matchers=st.lists(MATCHERS, max_size=4).map(tuple)))
def test_what_is_rendered_is_read_back_the_same_whatever_the_values_hold(selector: Selector) -> None:
    assert Selector.parse(str(selector)) == selector


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
