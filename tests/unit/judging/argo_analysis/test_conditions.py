"""The expression language of AnalysisTemplates, held to what Argo Rollouts' own evaluator answers."""

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serinus_judging.argo_analysis.conditions import ExpressionError, parse

VERDICT = {"verdict": "hold", "data": {"rates": [0.5, 2.0], "name": "a b"}, "count": 3.0, "none": None}


@pytest.mark.parametrize(
    ("text", "result", "expected"),
    [
        ("result[0] >= 0.95", (0.96,), True),
        ("result[0] >= 0.95", (0.9499,), False),
        ("result >= .95", 0.95, True),
        ("result[0] <= 2_000", (2000.0,), True),
        ("result[0] < 1e3 && result[1] > 1.", (999.0, 1.5), True),
        ("result[0] < 1 and not (result[0] < 0.5)", (0.7,), True),
        ("result[0] < 1 or result[9] > 0", (0.7,), True),
        ("len(result) == 0 || result[0] > 1", (), True),
        ("all(result, {# > 1})", (2.0, 3.0), True),
        ("all(result, # > 1)", (2.0, 0.5), False),
        ("any(result, {# > 1},)", (), False),
        ("any(result.data.rates, # > 1) && result.verdict != 'abort'", VERDICT, True),
        ("all([result], {len(#.data.rates) == 2 && .count == 3})", VERDICT, True),
        ('result.verdict == "hold"', VERDICT, True),
        ('result["verdict"] in ["proceed", "hold"]', VERDICT, True),
        ('result.verdict not in ["abort"]', VERDICT, True),
        ('"count" in result and not ("size" in result)', VERDICT, True),
        ("result.missing == nil", VERDICT, True),
        ("(result.missing ?? 5) > 4", VERDICT, True),
        ("result[0] > 1 ? result[0] < 5 : true", (3.0,), True),
        ("1 < result[0] < 5", (7.0,), False),
        ("result[-1] == 2", (1.0, 2.0), True),
        ("-result[0] < 0", (1.0,), True),
        ("-2 ** 2 == -4", 0.0, True),
        ("2 ** 3 ^ 2 == 512", 0.0, True),
        ("7 % 4 == 3 and -7 % 4 == -3", 0.0, True),
        ("1 + 2 * 3 - 4 / 2 == 5", 0.0, True),
        ("1 / 0 > 1e308", 0.0, True),
        ("9223372036854775807 + 1 < 0", 0.0, True),
        ("'a' + 'b' == 'ab' && 'a' < 'b'", 0.0, True),
        (r"'\'\n' == " + r'"' + r"'\n" + '"', 0.0, True),
        ("isNaN(result[0])", (math.nan,), True),
        ("isInf(result[0])", (-math.inf,), True),
        ("isNaN(result[0]) || result[0] < 0.05", (0.01,), True),
        ("isNil(result)", None, True),
        ("isNil(result)", (), False),
        ("default(result, 0) < 1", None, True),
        ("asFloat(result.text) >= 0.5", {"text": "0.75"}, True),
        ("asInt(result[0]) == 3", (3.9,), True),
        ("asInt('12') == 12", 0.0, True),
    ],
)
def test_an_expression_is_answered_as_argo_answers_it(text: str, result: Any, expected: bool) -> None:
    assert parse(text).holds(result) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "column 1: unexpected end"),
        ("result[0] >= ", "column 14: unexpected end"),
        ("result[0] = 1", "column 11: unexpected '=': write == to compare"),
        ("result[0] > 1 & true", "column 15: unexpected '&': write && or and"),
        ("result[0] > 1)", "column 14: unexpected ')'"),
        ("(result[0] > 1", "column 15: unexpected end, expected ')'"),
        ("results[0] > 1", "column 1: unknown name 'results'; known are result, len"),
        ("result[0] > 1 && sum(result) > 2", "column 18: unknown name 'sum'"),
        ("filter(result, # > 1)", "column 1: unknown name 'filter'"),
        ("result[0:2] == nil", "column 9: slices are not supported"),
        ("result | len", "column 8: unexpected '|': pipes are not supported"),
        ("result matches 'a.*'", "column 8: unexpected 'matches'"),
        ("result?.a", "column 7: unexpected '?.'"),
        ("# > 1", "column 1: unexpected '#'"),
        ("len(result, 1) > 1", "column 1: len takes 1 arguments, not 2"),
        ("result == 'abc", "column 11: unexpected a text without its end"),
        (r"result == '\d'", r"column 12: unknown escape \d"),
        ("result > 5m", "column 10: '5m' is no number"),
        ("result > 0x10", "column 10: '0x10' is no number"),
        ("result > 1e999", "column 10: 1e999 is too large"),
        ("result > 9223372036854775808", "column 10: 9223372036854775808 is too large"),
        ("result > 1 @ 2", "column 12: unexpected '@'"),
        ("result.x ?? 0 + 1 > 2", "column 15: ?? and + cannot be mixed"),
        ("let x = 1; x > 0", "column 1: unknown name 'let'"),
        ("result." + "a." * 100 + "b", "nested too deeply"),
        ("(" * 100 + "true" + ")" * 100, "nested too deeply"),
        ("true && " * 1000 + "true", "has at most 2000 characters"),
    ],
)
def test_what_it_does_not_know_is_refused_with_the_column(text: str, complaint: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("text", "result", "complaint"),
    [
        ("result[0] > 1", (), "index out of range: 0 (length 0)"),
        ("result > 1", (1.0,), "> is not defined for floats and int"),
        ("true || result.verdict == 'a'", (1.0,), "type floats has no field verdict"),
        ("result[0] == 'a'", (1.0,), "== is not defined for float and string"),
        ("result[0]", (1.0,), "gives float, expected true or false"),
        ("!result[0] > 1", (1.0,), "! is not defined for float"),
        ("result[0.5] > 1", (1.0,), "a floats has no element by float"),
        ("result.a.b > 1", {}, "a nil has no member"),
        ("result.verdict > 1", VERDICT, "> is not defined for string and int"),
        ("isNaN(result)", (1.0,), "isNaN does not take a floats"),
        ("result[0] % 2 == 1", (3.0,), "% is not defined for float and int"),
        ("5 % 0 == 1", 0.0, "division by zero"),
        ("asInt('1.5') == 1", 0.0, "no whole number"),
        ("asInt(1e30) == 1", 0.0, "no whole number of 64 bits"),
        ("asFloat('1_') == 1", 0.0, "no number"),
        ("all(result, #)", (1.0,), "all needs a condition that is true or false"),
        ("result in result", (1.0,), "in is not defined for floats and floats"),
    ],
)
def test_what_does_not_fit_the_result_is_an_error_even_where_it_is_not_reached(
    text: str, result: Any, complaint: str
) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text).holds(result)
    assert complaint in str(refused.value)


def test_an_expression_that_would_take_for_ever_is_given_up() -> None:
    text = "all(result, all(result, all(result, all(result, # >= 0))))"
    with pytest.raises(ExpressionError, match="more than 10,000 operations"):
        parse(text).holds(tuple(float(i) for i in range(1000)))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=5,
)
RESULTS = st.tuples(st.floats()) | st.floats() | st.lists(st.floats(), max_size=3).map(tuple) | JSON
WORDS = """
result result[0] # . .a ['a'] ( ) [ ] { } , + - * / % ** < > <= >= == != && || and or not in ! ? : ?? 0 1 2.5
true false nil 'a' len( all( any( isNaN( isInf( isNil( asFloat( asInt( default(
"""
PIECES = st.sampled_from(WORDS.split())


@given(st.text() | st.lists(PIECES, max_size=15).map(" ".join), RESULTS)
@example("result ^ ^ 0", 0.0)
def test_garbage_is_refused_or_answered_and_nothing_else(text: str, result: Any) -> None:
    with suppress(ExpressionError):
        assert isinstance(parse(text).holds(result), bool)


@pytest.mark.parametrize("text", ["any(result, -1 in result)", "all(result, result == result)"])
@pytest.mark.parametrize("series", [400, 20_000])
def test_a_condition_that_walks_the_result_for_each_of_its_values_is_refused_after_a_bounded_work(
    text: str, series: int
) -> None:
    with pytest.raises(ExpressionError, match="conditions need more than 10,000 operations"):
        parse(text).holds(tuple(map(float, range(series))))


def test_a_condition_that_walks_the_result_once_is_answered() -> None:
    assert parse("-1 in result || all(result, # in [1, 2])").holds((1.0, 2.0) * 500) is True


ANSWERS: dict[str, Any] = json.loads((Path(__file__).parent / "answers.json").read_text("utf-8"))
# Argo walks the list once for both, so it stops before the element that does not fit.
ONE_WALK = {"all(result, # > 0) and all(result, # < 2)"}


def measured(result: dict[str, Any]) -> Any:
    """A result as a judge has it: every number of JSON is a float."""
    if "vector" in result:
        return tuple(map(float, result["vector"]))
    return float(result["scalar"]) if "scalar" in result else json.loads(json.dumps(result["json"]), parse_int=float)


def letter(text: str, result: Any) -> str:
    try:
        return "t" if parse(text).holds(result) else "f"
    except ExpressionError as error:
        # What Argo makes of them depends on the processor that it runs on.
        return "?" if "no whole number of 64 bits" in str(error) else "e"


def test_it_answers_what_argos_own_evaluator_answers() -> None:
    results = [measured(result) for result in ANSWERS["results"]]
    read = ANSWERS["answers"].keys() - set(ANSWERS["beyond"]) - ONE_WALK
    ours = {text: [letter(text, result) for result in results] for text in sorted(read)}
    wrong = {
        text: ("".join(found), ANSWERS["answers"][text])
        for text, found in ours.items()
        if any(one not in ("?", real) for one, real in zip(found, ANSWERS["answers"][text], strict=True))
    }
    assert not wrong


@pytest.mark.parametrize("text", ANSWERS["beyond"])
def test_what_lies_beyond_what_it_knows_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"^column \d+: "):
        parse(text)
