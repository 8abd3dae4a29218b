"""Counts that would be read as something else are an error with the values seen and the way out, never a pass."""

from typing import Any

import pytest
from serinus_contracts import CanaryPolicy, Measurement, Proportion
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span
from serinus_counting.series import Series
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage

from tests.support import RUN, policy_document

PODS = {"new": "checkout-new-x2z4k", "old": "checkout-old-b5dkf"}
ERRORS = {"name": "errors", "preset": "http-errors"}
LATENCY = {"name": "latency", "preset": "http-latency"}


def series(pod: str, count: float, **labels: str) -> Series:
    labels = {"__name__": "http_requests_total", "pod": PODS[pod], "instance": pod, **labels}
    return Series(labels, [20_000, 40_000], [0, count])


def found(*series: Series, metric: dict[str, str] = ERRORS, source: dict[str, str] | None = None) -> Measurement:
    """As a policy says it, resolved and measured."""
    policy = CanaryPolicy.model_validate(policy_document(metrics=[metric], source=source))
    plan = resolve(policy, RUN, [Stage(5, 0, (1,), False)])
    pods: Any = {PODS["new"]: ("canary", 0), PODS["old"]: ("stable", 0)}
    return measure(MetricWindow(plan, plan.metrics[0], Span(0, 20_000, 40_000), pods, 20_000), series)


def own(expression: str, label: str = "status_code", trials: str = "http_requests_total") -> dict[str, str]:
    return {"name": "errors", "events": f'http_requests_total{{{label}=~"{expression}"}}', "trials": trials}


GOOD = series("old", 100, code="200")


@pytest.mark.parametrize(
    "values",
    [
        ["success", "error"],
        ["OK", "UNAVAILABLE"],
        ["200 OK", "500 Internal Server Error"],
        ["0", "14"],
    ],
)
def test_a_status_in_words_is_an_error_of_the_metric_that_shows_the_words(values: list[str]) -> None:
    canary = [series("new", 5, code=value) for value in values]
    one = found(GOOD, *canary)
    assert one.status == "error"
    assert values[-1] in one.detail
    assert "events: 'http_requests_total{code=~\"...\"}', trials: http_requests_total" in one.detail


@pytest.mark.parametrize("values", [["200"], ["2xx", "5XX"], ["200", "timeout"], ["0"], ["000", "499"]])
def test_what_is_an_http_status_or_no_answer_at_all_is_counted(values: list[str]) -> None:
    assert found(GOOD, *[series("new", 5, code=value) for value in values]).status == "ok"


@pytest.mark.parametrize(
    "expression", ["5..", "5.*", "5xx", "5[0-9][0-9]", "5[0-9]{2}", r"5\\d\\d", "5..|429", "(5..)", "500|503"]
)
def test_ones_own_expression_for_server_errors_is_held_to_the_words_that_are_there(expression: str) -> None:
    words = [series(pod, 50, status_code=value) for pod in PODS for value in ("ok", "failed")]
    one = found(*words, metric=own(expression))
    assert (one.status, "status_code='failed'" in one.detail) == ("error", True)


def test_what_narrows_ones_own_events_and_trials_tells_no_failure() -> None:
    words = [series(pod, 50, app="shop", status_code=value) for pod in PODS for value in ("ok", "failed")]
    narrowed = {
        "name": "errors",
        "events": 'http_requests_total{app="shop",status_code=~"5.."}',
        "trials": 'http_requests_total{app="shop"}',
    }
    assert found(*words, metric=narrowed).status == "error"


@pytest.mark.parametrize(
    ("expression", "label", "values"),
    [
        ("UNAVAILABLE|INTERNAL", "code", ["OK"]),
        ("5..|UNAVAILABLE|INTERNAL", "code", ["OK"]),
        ("5..|error", "status", ["success"]),
        ("5.*", "status", ["200 OK"]),
        ("50[0-3].*", "status", ["200 OK", "404 Not Found"]),
        ("5.*", "code", ["20000"]),
        ("5[0-9]{4}", "code", ["20000"]),
        ("5.*", "postcode", ["10115", "80331"]),
        ("(5..)|(error)", "status", ["success"]),
        ("5.*|[x|y]", "status", ["success"]),
    ],
)
def test_an_expression_that_could_match_a_value_like_those_seen_is_left_alone(
    expression: str, label: str, values: list[str]
) -> None:
    healthy = [series(pod, 50, **{label: value}) for pod in PODS for value in values]
    one = found(*healthy, metric=own(expression, label))
    assert isinstance(one, Proportion), one.detail
    assert one.canary == {PODS["new"]: (0, 50 * len(values))}


def test_an_expression_for_a_status_of_three_digits_is_held_to_codes_of_five() -> None:
    assert found(*[series(pod, 50, code="20000") for pod in PODS], metric=own("5..", "code")).status == "error"


def test_trials_of_another_name_need_no_status_at_all() -> None:
    shown = [series(pod, 50, code="checkout", __name__="requests_total") for pod in PODS]
    failed = series("new", 2, code="503")
    one = found(*shown, failed, metric=own("5..", "code", "requests_total"))
    assert isinstance(one, Proportion), one.detail
    assert one.canary == {PODS["new"]: (2, 50)}


def test_ones_own_expression_for_words_is_counted() -> None:
    words = [series(pod, 5, code=value) for pod in PODS for value in ("OK", "UNAVAILABLE")]
    one = found(*words, metric=own("UNAVAILABLE|INTERNAL", "code"))
    assert isinstance(one, Proportion), one.detail
    assert one.canary == {PODS["new"]: (5, 10)}


def bucket(pod: str, le: str, scope: str, **labels: str) -> Series:
    return series(pod, 10, __name__="http_request_duration_seconds_bucket", le=le, otel_scope_name=scope, **labels)


def test_requests_that_several_scopes_of_one_process_may_count_are_an_error_with_the_cure() -> None:
    scopes = ("opentelemetry.instrumentation.asgi", "fastapi")
    twice = [series("new", 50, code="200", otel_scope_name=scope, otel_scope_version=scope[0]) for scope in scopes]
    buckets = [bucket(pod, le, scope) for pod in PODS for le in ("0.1", "+Inf") for scope in scopes]
    for one in (found(GOOD, *twice), found(*buckets, metric=LATENCY)):
        assert one.status == "error"
        assert (
            "several scopes, fastapi, opentelemetry.instrumentation.asgi, which may each hold all requests"
            in one.detail
        )
        assert "source.exclude, '{otel_scope_name!=\"fastapi\"}'" in one.detail


def served(scope: str, count: float, name: str = "http_server_request_duration_seconds_count", **labels: str) -> Series:
    return series("new", count, __name__=name, http_response_status_code="200", otel_scope_name=scope, **labels)


OTEL = {"preset": "opentelemetry"}
STABLE = series(
    "old", 100, __name__="http_server_request_duration_seconds_count", http_response_status_code="200"
)  # fmt: skip


def test_two_servers_of_one_process_count_requests_of_their_own() -> None:
    servers = [served("tomcat", 500, server_port="8080"), served("netty", 500, server_port="9090")]
    one = found(STABLE, *servers, source=OTEL)
    assert isinstance(one, Proportion), one.detail
    assert one.canary == {PODS["new"]: (0, 1000)}
    one = found(STABLE, served("tomcat", 500), served("netty", 40), source=OTEL)
    assert one.status == "ok", "without a port their counts tell"


def test_two_scopes_of_one_port_count_twice_also_where_one_leaves_out_a_part() -> None:
    servers = [served("asgi", 500, server_port="8080"), served("fastapi", 300, server_port="8080", http_route="/")]
    assert found(STABLE, *servers, source=OTEL).status == "error"


def test_two_client_libraries_of_one_process_count_requests_of_their_own() -> None:
    name = "http_client_request_duration_seconds_count"
    metric = {**ERRORS, "metric": name}
    stable = series("old", 100, __name__=name, http_response_status_code="200")
    for address in ("payments", "stock"):
        clients = [
            served("okhttp", 90, name, server_address="payments"),
            served("java-http-client", 20 if address == "payments" else 90, name, server_address=address),
        ]
        assert found(stable, *clients, metric=metric, source=OTEL).status == "ok"


def test_processes_with_a_scope_each_count_as_they_do() -> None:
    new = series("new", 90, code="200", otel_scope_name="b")
    assert found(series("old", 90, code="200", otel_scope_name="a"), new).status == "ok"
