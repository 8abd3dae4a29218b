import pytest
from serinus_contracts import Gauge, Gauged, Margin, Matcher, PlanMetric, Selector
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.resets import Span
from serinus_counting.series import Series

from tests.support import plan

SPAN = Span(floor=0, begin=100_000, end=130_000)


def named(name: str) -> tuple[Matcher, ...]:
    return (Matcher(label="__name__", value=name),)


def metric(**source: object) -> PlanMetric:
    fields = {"query": Selector(name="x"), "value": named("used"), **source}
    return PlanMetric(name="memory", source=Gauged(**fields), margin=Margin())


def series(name: str, pod: str, *values: float, container: str = "app") -> Series:
    times = [100_000 + 30_000 * i // max(1, len(values) - 1) for i in range(len(values))]
    return Series({"__name__": name, "pod": pod, "container": container}, times, values)


def measured(one: PlanMetric, *found: Series) -> Gauge:
    gauge = measure(MetricWindow(plan(metrics=(one,)), one, SPAN, {}, 15_000), found)
    assert isinstance(gauge, Gauge)
    return gauge


SHARE = metric(over=named("limit"))


def test_a_pods_value_is_its_last_one_divided_by_its_limit_over_all_its_containers() -> None:
    gauge = measured(
        SHARE,
        series("used", "checkout-new-1", 10, 30),
        series("used", "checkout-new-1", 10, 10, container="proxy"),
        series("limit", "checkout-new-1", 60, 60),
        series("limit", "checkout-new-1", 20, 20, container="proxy"),
        series("used", "checkout-old-1", 1, 25),
        series("limit", "checkout-old-1", 100, 100),
    )
    assert gauge.status == "ok"
    assert gauge.canary == {"checkout-new-1": 0.5}
    assert gauge.stable == {"checkout-old-1": 0.25}


def test_a_pod_without_a_limit_is_left_out_and_no_pod_at_all_is_no_data() -> None:
    used = [series("used", pod, 1, 2) for pod in ("checkout-new-1", "checkout-old-1")]
    one = measured(SHARE, *used, series("limit", "checkout-old-1", 4, 4))
    assert (one.canary, one.stable) == ({}, {"checkout-old-1": 0.5})
    none = measured(SHARE, *used)
    assert (none.status, none.detail) == ("no_data", "no pod has limit")


def test_a_missing_value_is_told_by_the_name_of_what_no_pod_has() -> None:
    limits = [series("limit", pod, 4, 4) for pod in ("checkout-new-1", "checkout-old-1")]
    assert measured(SHARE, *limits).detail == "no pod has used"
    gone = Series({"__name__": "used", "pod": "checkout-old-1"}, [10_000, 20_000], [1, 1])
    assert measured(SHARE, *limits, gone).detail == "no pod has both a value of this minute and what it is divided by"


def test_a_pod_that_is_gone_has_no_value_any_more() -> None:
    gone = Series({"__name__": "used", "pod": "checkout-old-2"}, [10_000, 20_000], [1, 1])
    gauge = measured(metric(), series("used", "checkout-new-1", 1, 2), series("used", "checkout-old-1", 1, 3), gone)
    assert gauge.stable == {"checkout-old-1": 3}


def test_a_rate_is_the_increase_a_second_divided_by_quota_over_period() -> None:
    one = metric(value=named("cpu"), over=named("quota"), per=named("period"), rate=True)
    gauge = measured(
        one,
        series("cpu", "checkout-new-1", 5, 20),
        series("quota", "checkout-new-1", 200_000, 200_000),
        series("period", "checkout-new-1", 100_000, 100_000),
        series("cpu", "checkout-old-1", 50, 20),
        series("quota", "checkout-old-1", 100_000, 100_000),
        series("period", "checkout-old-1", 100_000, 100_000),
    )
    assert gauge.canary == {"checkout-new-1": pytest.approx(15 / 30 / 2)}
    assert gauge.stable == {"checkout-old-1": pytest.approx(20 / 30)}, "a restarted counter counts its new value"


def test_a_gauge_of_more_pods_than_a_snapshot_can_hold_is_an_error_and_not_judged_by_some_of_them() -> None:
    found = [
        series("used", f"checkout-{arm}-{'p' * 200}-{number}", 1, 1) for arm in ("new", "old") for number in range(800)
    ]
    gauge = measured(metric(), *found)
    assert (gauge.status, gauge.canary) == ("error", {})
    assert gauge.detail.startswith("800 pods of an arm have a value, more than a snapshot can hold")
