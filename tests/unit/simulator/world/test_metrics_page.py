from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from serinus_simulator.prometheus.series import Series, number
from serinus_simulator.world.counters import Tally
from serinus_simulator.world.metrics_page import APPLICATION, CADVISOR, series, text, values
from serinus_simulator.world.scenario import Rollout
from serinus_simulator.world.scenario_pods import Container
from serinus_simulator.world.scenario_traffic import Metrics, Sessions, Traffic

from tests.unit.simulator.worlds import Handled

METRICS = Metrics(edges=(0.1, 1.0), error_codes={"500": 1.0, "503": 1.0})
SPEC = Rollout(name="checkout", metrics=METRICS)


def tally(ok: int = 7, errors: tuple[int, int] = (2, 0), buckets: tuple[int, int, int] = (4, 3, 2)) -> Tally:
    return Tally(ok, np.array(errors), np.array(buckets), 3.25)


def page(spec: Rollout, counted: Tally) -> str:
    return text(series(spec), values(spec, counted))


def test_a_page_is_read_by_prometheus_own_parser_as_it_was_meant() -> None:
    families = {family.name: family for family in text_string_to_metric_families(page(SPEC, tally()))}
    assert {name: family.type for name, family in families.items()} == {
        "http_requests": "counter",
        "http_request_duration_seconds": "histogram",
    }
    requests = {sample.labels["code"]: sample.value for sample in families["http_requests"].samples}
    assert requests == {"200": 7.0, "500": 2.0}
    histogram = families["http_request_duration_seconds"].samples
    assert {sample.labels["le"]: sample.value for sample in histogram if "le" in sample.labels} == {
        "0.1": 4.0,
        "1.0": 7.0,
        "+Inf": 9.0,
    }
    assert {sample.name.rsplit("_", 1)[1]: sample.value for sample in histogram if not sample.labels} == {
        "sum": 3.25,
        "count": 9.0,
    }


def test_an_error_series_is_born_with_its_first_error_unless_told_otherwise() -> None:
    assert 'code="503"' not in page(SPEC, tally())
    always = SPEC.model_copy(update={"metrics": METRICS.model_copy(update={"error_series": "always"})})
    assert 'http_requests_total{code="503"} 0' in page(always, tally())


def test_names_and_labels_are_those_of_the_scenario_and_the_histogram_may_be_left_out() -> None:
    metrics = Metrics(requests="rq_total", code_label="status", ok_code="2xx", error_codes={"5xx": 1.0}, latency=None)
    spec = Rollout(name="checkout", metrics=metrics, sessions=Sessions(conversions_metric="orders_total"))
    shown = page(spec, Tally(3, np.array([1]), np.array([4]), 0.0, sessions=2, conversions=1))
    assert [line for line in shown.splitlines() if not line.startswith("#")] == [
        'rq_total{status="2xx"} 3',
        'rq_total{status="5xx"} 1',
        "user_sessions_total 2",
        "orders_total 1",
    ]


@given(st.floats(0, 1e15) | st.integers(0, 2**53).map(float))
def test_numbers_are_written_without_an_exponent_and_read_back(value: float) -> None:
    assert "e" not in number(value)
    assert float(number(value)) == value


def test_series_are_shown_as_prometheus_writes_them() -> None:
    assert str(Series("up", ())) == "up"
    assert str(Series("rq", (("path", 'a"b\\c\n'), ("le", "1.0")))) == 'rq{path="a\\"b\\\\c\\n",le="1.0"}'


def test_what_vanishes_is_not_on_the_page_of_the_arm_that_loses_it() -> None:
    handled = Handled(vanish=[{"from": {"weight": 5}, "metrics": "http_requests_total", "arm": "canary"}])
    handled.advance(2)
    handled.release()
    shown = {handled.app.arm(state): APPLICATION.read(handled.app, state) for state in handled.app.pods.values()}
    gone = {arm: math.isnan(row[0]) for arm, row in shown.items()}
    assert gone == {"stable": False, "canary": True}
    names = [one.name for one in series(handled.app.spec)]
    assert not math.isnan(shown["canary"][names.index("http_request_duration_seconds_count")])


def test_a_containers_page_has_gauges_and_a_counter_of_the_container() -> None:
    handled = Handled(container=Container(name="shop").model_dump())
    handled.advance(2)
    state = next(iter(handled.app.pods.values()))
    shown = text(CADVISOR.series(handled.app.spec), CADVISOR.read(handled.app, state))
    families = {family.name: family for family in text_string_to_metric_families(shown)}
    assert {name: family.type for name, family in families.items()} == {
        "container_memory_usage_bytes": "gauge",
        "container_spec_memory_limit_bytes": "gauge",
        "container_cpu_usage_seconds": "counter",
        "container_spec_cpu_quota": "gauge",
        "container_spec_cpu_period": "gauge",
    }
    assert {sample.labels["container"] for family in families.values() for sample in family.samples} == {"shop"}


def test_requests_are_shown_by_route_where_traffic_has_routes() -> None:
    spec = SPEC.model_copy(update={"traffic": Traffic(routes={"/": 9, "/pay": 1})})
    counted = tally()
    counted.by_route = np.array([[5, 0, 0], [2, 2, 0]])
    requests = [line for line in page(spec, counted).splitlines() if line.startswith("http_requests_total")]
    assert requests == [
        'http_requests_total{code="200",route="/"} 5',
        'http_requests_total{code="200",route="/pay"} 2',
        'http_requests_total{code="500",route="/pay"} 2',
    ]
