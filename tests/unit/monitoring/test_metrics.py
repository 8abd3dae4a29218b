"""The metrics of all services, in one list that people can rely on."""

from tests.metrics import PAGE, declared, page

PROMISED = {
    "serinus_build_info",
    "serinus_is_leader",
    "serinus_last_verdict_timestamp_seconds",
    "serinus_prometheus_query_duration_seconds",
    "serinus_stream_lag_entries",
    "serinus_verdicts_total",
}
UNBOUNDED = {"pod", "hash", "run", "uid", "revision", "rollout", "name"}


def test_the_page_lists_every_metric_that_a_service_declares() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.metrics"


def test_the_metrics_that_dashboards_of_others_rely_on_are_there() -> None:
    assert {one.name for one in declared()} >= PROMISED


def test_no_label_grows_with_releases() -> None:
    assert {one.name: UNBOUNDED & set(one.labels) for one in declared() if UNBOUNDED & set(one.labels)} == {}


def test_every_name_is_ours_and_declared_once() -> None:
    names = [one.name for one in declared()]
    assert sorted(names) == sorted(set(names))
    assert all(name.startswith("serinus_") for name in names)
