"""Whatever a provider, or what stands in its place, answers: samples, or one sentence that a verdict can carry."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serinus_collecting.ports import Answer, ProviderError, Values
from serinus_collecting.prometheus import _answer, _values, _version, read
from serinus_contracts import MetricsCollected
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span

from tests.support import ERRORS, plan, snapshot

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
NUMBER = st.floats() | st.integers(-(10**30), 10**30) | st.text(max_size=4) | st.sampled_from(["NaN", "+Inf", "1e999"])
LABELS = st.dictionaries(st.sampled_from(["__name__", "pod", "code", "le"]), st.text(max_size=8) | JSON, max_size=4)
SAMPLES = st.lists(st.tuples(NUMBER, NUMBER) | JSON, max_size=5)
ROW = st.fixed_dictionaries({}, optional={"metric": LABELS | JSON, "values": SAMPLES | JSON, "value": JSON | SAMPLES})
DATA = JSON | st.fixed_dictionaries(
    {"resultType": st.sampled_from(["matrix", "vector", "scalar", "string"]) | JSON, "result": st.lists(ROW) | JSON}
)
BODY = st.binary(max_size=50) | JSON.map(lambda value: json.dumps(value).encode()) | DATA.map(
    lambda data: json.dumps({"status": "success", "data": data}).encode()
)  # fmt: skip
HUGE = {"resultType": "matrix", "result": [{"metric": {}, "values": [[1e308, "1"]]}]}
ODD = {"resultType": "matrix", "result": [{"metric": {"pod": ["x"]}, "values": [[1, "1"]]}]}
BACKWARDS = {"resultType": "matrix", "result": [{"metric": {}, "values": [[2, "1"], [1, "1"]]}]}


def told(body: bytes) -> Answer | Values | str:
    try:
        data, warnings = read(200, body)
        return _answer(data, warnings)
    except ProviderError as error:
        return str(error)


@given(BODY)
@example(b"[" * 100_000)
@example(b'{"status": "success"}')
@example(json.dumps({"status": "success", "data": HUGE}).encode())
@example(json.dumps({"status": "success", "data": ODD}).encode())
@example(json.dumps({"status": "success", "data": BACKWARDS}).encode())
def test_any_answer_is_samples_in_order_of_time_or_one_sentence(body: bytes) -> None:
    found = told(body)
    if isinstance(found, str):
        assert 0 < len(found) < 600
        return
    assert isinstance(found, Answer)
    for one in found.series:
        assert all(isinstance(part, str) for pair in one.labels.items() for part in pair)
        assert all(earlier < later for earlier, later in pairwise(one.times))


@given(DATA)
def test_any_answer_to_a_query_is_values_or_one_sentence(data: Any) -> None:
    try:
        found = _values(data, ())
    except ProviderError:
        return
    assert all(value is None or isinstance(value, float) for value in found.values)


@pytest.mark.parametrize("data", [HUGE, ODD, BACKWARDS])
def test_samples_that_prometheus_would_never_send_are_refused(data: Any) -> None:
    with pytest.raises(ProviderError, match="unknown form"):
        _answer(data, ())


TWICE = {"metric": {}, "values": [[1, "3"], [2, "5"], [2, "5"], [3, "7"]]}


def test_a_sample_that_was_stored_twice_is_read_once() -> None:
    (one,) = _answer({"resultType": "matrix", "result": [TWICE]}, ()).series
    assert (one.times, one.values) == ([1_000, 2_000, 3_000], [3.0, 5.0, 7.0])


@given(st.permutations(range(8)))
def test_series_that_a_server_writes_in_any_order_are_read_in_one_and_have_one_name(order: list[int]) -> None:
    items = [{"metric": {"__name__": "x", "pod": f"{at % 3}", "code": f"{at}"}, "values": [[1, f"{at}"]]}
             for at in range(8)]  # fmt: skip
    read_at_once = _answer({"resultType": "matrix", "result": items}, ())
    assert _answer({"resultType": "matrix", "result": [items[at] for at in order]}, ()) == read_at_once
    assert _answer({"resultType": "matrix", "result": items[1:]}, ()).labels != read_at_once.labels


def test_an_answer_that_its_cluster_calls_partial_has_a_warning() -> None:
    body = {"status": "success", "isPartial": True, "data": {"resultType": "matrix", "result": []}}
    assert read(200, json.dumps(body).encode())[1] == ["the answer is partial"]


COUNTER = st.lists(st.floats(0, 1e300) | st.just(2.0**53), min_size=1, max_size=6)
SERIES = st.fixed_dictionaries(
    {
        "metric": st.fixed_dictionaries(
            {"pod": st.sampled_from(["checkout-new-1", "checkout-old-1", "other", ""])},
            optional={"code": st.text(max_size=5), "le": st.text(max_size=5)},
        ),
        "values": COUNTER.map(lambda values: [[1_009 + i, str(value)] for i, value in enumerate(values)]),
    }
)


@given(st.lists(SERIES, max_size=5))
def test_any_samples_make_a_measurement_that_can_be_published(rows: list[dict[str, Any]]) -> None:
    answer = _answer({"resultType": "matrix", "result": rows}, ())
    found = measure(MetricWindow(plan(), ERRORS, Span(0, 1_010_000, 1_012_000), {}, 1000), answer.series)
    look = snapshot(metrics={"errors": found})
    assert MetricsCollected.model_validate_json(look.model_dump_json()) == look


@pytest.mark.parametrize(
    ("about", "version"),
    [
        ({"version": "2.42.0+ds", "revision": "2.42.0", "goVersion": "go1.19.8"}, "2.42.0+ds"),
        ({"version": "3.16.0", "revision": "4c8b2c8", "goVersion": "go1.26.8"}, "3.16.0"),
        ({"version": "2.24.0"}, None),  # VictoriaMetrics, whatever its own version
        ({"version": "0.42.4", "revision": "4c8b2c8", "goVersion": "go1.26.8"}, None),  # Thanos
        ({"application": "Grafana Mimir", "version": "2.17.0", "goVersion": "go1.26.8"}, None),
        ({}, None),
        ("2.42.0", None),
    ],
)
def test_only_what_is_surely_a_prometheus_has_a_version_that_says_which_names_it_holds(
    about: Any, version: str | None
) -> None:
    assert _version(about) == version
