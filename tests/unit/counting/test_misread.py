"""Counts that would be read as something else are an error with the values seen and the way out, never a pass."""

import pytest
from serinus_contracts import Bucketed, Counted, Matcher, Measurement, PlanMetric, Selector
from serinus_counting.measure import measure
from serinus_counting.resets import Span
from serinus_counting.series import Series

from tests.support import ERRORS, LATENCY, plan

PODS = {"checkout-new-1": ("canary", 0), "checkout-old-1": ("stable", 0)}


def series(pod: str, count: float, **labels: str) -> Series:
    labels = {"__name__": "http_requests_total", "pod": f"checkout-{pod}-1", "instance": pod, **labels}
    return Series(labels, [20_000, 40_000], [0, count])


def found(*series: Series, metric: PlanMetric = ERRORS) -> Measurement:
    pods: dict[str, tuple[str, int]] = PODS
    return measure(plan(), metric, series, Span(0, 20_000, 40_000), pods, 20_000)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("expression", ["5..", "5.*", "5xx", "5[0-9][0-9]", r"5\d\d", "5..|429", "(5..)"])
def test_ones_own_expression_for_server_errors_is_held_to_the_words_that_are_there(expression: str) -> None:
    source = Counted(
        query=Selector(name="http_requests_total"),
        events=((Matcher(label="status_code", op="=~", value=expression),),),
        trials=((),),
    )
    words = [series(pod, 5, status_code=value) for pod in ("new", "old") for value in ("ok", "failed")]
    own = ERRORS.model_copy(update={"source": source})
    assert found(*words, metric=own).status == "error"


def test_ones_own_expression_for_words_is_left_alone() -> None:
    source = Counted(
        query=Selector(name="http_requests_total"),
        events=((Matcher(label="code", op="=~", value="UNAVAILABLE|INTERNAL"),),),
        trials=((),),
    )
    words = [series(pod, 5, code=value) for pod in ("new", "old") for value in ("OK", "UNAVAILABLE")]
    one = found(*words, metric=ERRORS.model_copy(update={"source": source}))
    assert (one.status, one.model_dump()["canary"]) == ("ok", {"checkout-new-1": (5, 10)})


def bucket(pod: str, le: str, scope: str) -> Series:
    return series(pod, 10, __name__="http_request_duration_seconds_bucket", le=le, otel_scope_name=scope)


def test_requests_that_several_scopes_of_one_process_count_are_an_error_with_the_cure() -> None:
    scopes = ("opentelemetry.instrumentation.asgi", "fastapi")
    twice = [series("new", 5, code="200", otel_scope_name=scope) for scope in scopes]
    buckets = [bucket(pod, le, scope) for pod in ("new", "old") for le in ("0.1", "+Inf") for scope in scopes]
    assert isinstance(LATENCY.source, Bucketed)
    for one in (found(GOOD, *twice), found(*buckets, metric=LATENCY)):
        assert one.status == "error"
        assert "several scopes, fastapi, opentelemetry.instrumentation.asgi, each request once under each" in one.detail
        assert one.detail.endswith("source.exclude, '{otel_scope_name!=\"fastapi\"}'")


def test_processes_with_a_scope_each_count_as_they_do() -> None:
    new = series("new", 5, code="200", otel_scope_name="b")
    assert found(series("old", 9, code="200", otel_scope_name="a"), new).status == "ok"
