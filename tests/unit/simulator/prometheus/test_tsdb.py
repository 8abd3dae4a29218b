from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.prometheus.promql import parse
from serinus_simulator.prometheus.series import ABSENT, Series
from serinus_simulator.prometheus.tsdb import LOOKBACK, SampleStore

OK, FAILED = Series("requests", (("code", "200"),)), Series("requests", (("code", "500"),))


def row(*values: float) -> array[float]:
    return array("d", values)


def store(retention: int = 10**9) -> SampleStore:
    return SampleStore(retention)


def test_a_range_holds_its_end_but_not_its_beginning() -> None:
    samples = store()
    target = samples.target({"pod": "a"}, [OK])
    for time in (1000, 2000, 3000):
        target.append(time, 1.0, row(time / 1000))
    (found,) = samples.range(parse("requests[2s]"), 3000)
    assert list(found.times) == [2000, 3000]
    assert list(found.values) == [2.0, 3.0]
    assert found.labels == {"__name__": "requests", "code": "200", "pod": "a"}


@given(st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=30), st.integers(0, 900), st.integers(1, 400))
def test_a_range_is_every_sample_in_it_and_no_other(scrapes: list[tuple[int, bool]], end: int, length: int) -> None:
    samples, expected, time = store(), [], 0
    target = samples.target({}, [OK])
    for step, there in scrapes:
        time += step
        target.append(time, 1.0, row(float(time)) if there else None)
        if there and end - length < time <= end:
            expected.append(time)
    found = samples.range(parse(f"requests[{length}ms]"), end)
    assert [list(one.times) for one in found] == ([expected] if expected else [])
    for one in found:
        assert list(one.values) == [float(time) for time in one.times]


def test_a_series_that_is_born_later_has_no_samples_before() -> None:
    samples = store()
    target = samples.target({}, [OK, FAILED])
    target.append(1000, 1.0, row(5, ABSENT))
    target.append(2000, 1.0, row(6, 1))
    found = {one.labels["code"]: list(one.times) for one in samples.range(parse("requests[1m]"), 2000)}
    assert found == {"200": [1000, 2000], "500": [2000]}


def test_an_instant_is_the_last_sample_within_the_lookback() -> None:
    samples = store()
    target = samples.target({}, [OK])
    target.append(1000, 1.0, row(5))
    (found,) = samples.instant(parse("requests"), 1000 + LOOKBACK - 1)
    assert (list(found.times), list(found.values)) == ([1000 + LOOKBACK - 1], [5.0])
    assert samples.instant(parse("requests"), 1000 + LOOKBACK) == []
    assert samples.instant(parse("requests"), 999) == []


def test_a_series_that_has_ended_is_in_no_instant_but_its_samples_stay_in_ranges() -> None:
    samples = store()
    target = samples.target({}, [OK])
    target.append(1000, 1.0, row(5))
    target.append(2000, 0.0, None)
    assert samples.instant(parse("requests"), 2500) == []
    assert [list(one.times) for one in samples.range(parse("requests[10s]"), 2500)] == [[1000]]
    (up,) = samples.instant(parse("up"), 2500)
    assert list(up.values) == [0.0]


def test_targets_are_told_apart_by_their_labels() -> None:
    samples = store()
    for pod in "abc":
        samples.target({"pod": pod, "namespace": "shop"}, [OK, FAILED]).append(1000, 1.0, row(1, 2))

    def pods(query: str) -> list[str]:
        return [one.labels["pod"] + one.labels["code"][0] for one in samples.instant(parse(query), 1000)]

    assert pods('requests{pod=~"a|c",code="200"}') == ["a2", "c2"]
    assert pods('requests{pod!="a",code="500",namespace="shop"}') == ["b5", "c5"]
    assert pods('{__name__=~"req.*",pod="b"}') == ["b2", "b5"]
    assert pods('requests{pod="z"}') == []
    assert pods('requests{nothing="",pod="a",code=~".*"}') == ["a2", "a5"]
    assert pods('requests{nothing="x"}') == []


def test_what_is_older_than_the_retention_is_forgotten_with_its_target() -> None:
    samples = store()
    old = samples.target({"pod": "old"}, [OK])
    new = samples.target({"pod": "new"}, [OK])
    old.append(1000, 1.0, row(1))
    for time in (1000, 2000):
        new.append(time, 1.0, row(2))
    samples.forget_before(1500)
    assert [one.labels["pod"] for one in samples.range(parse("requests[1h]"), 5000)] == ["new"]
    assert [list(one.times) for one in samples.range(parse('requests{pod=~"old|new"}[1h]'), 5000)] == [[2000]]


def test_a_target_that_waits_for_its_first_scrape_is_not_forgotten() -> None:
    samples = store()
    waiting = samples.target({"pod": "a"}, [OK])
    samples.forget_before(9000)
    waiting.append(9500, 1.0, row(1))
    assert [list(one.times) for one in samples.range(parse("requests[1h]"), 9500)] == [[9500]]


def test_a_target_that_comes_back_under_the_same_labels_is_one_series() -> None:
    samples = store()
    samples.target({"pod": "a"}, [OK]).append(1000, 1.0, row(1))
    samples.target({"pod": "a"}, [OK]).append(2000, 1.0, row(2))
    assert [list(one.times) for one in samples.range(parse("requests[1h]"), 2000)] == [[1000, 2000]]
    samples.forget_before(9000)
    samples.target({"pod": "a"}, [OK]).append(9000, 1.0, row(3))
    assert [list(one.times) for one in samples.range(parse("requests[1h]"), 9000)] == [[9000]]


def test_a_subquery_sums_what_an_instant_would_find_at_each_multiple_of_its_step() -> None:
    samples = store()
    for pod, first in (("a", 1000), ("b", 3000)):
        target = samples.target({"pod": pod}, [OK, FAILED])
        for time in range(first, 9000, 2000):
            target.append(time, 1.0, row(time, ABSENT if time < 5000 else 1))
    found = samples.sums(parse('sum by (pod) (requests{code=~"200|500"})[6s:2s]'), 8500)
    assert [(one.labels, list(one.times), list(one.values)) for one in found] == [
        ({"pod": "a"}, [4000, 6000, 8000], [3000, 5001, 7001]),
        ({"pod": "b"}, [4000, 6000, 8000], [3000, 5001, 7001]),
    ]
    (whole,) = samples.sums(parse("sum by () (requests)[6s:2s]"), 8500)
    assert list(whole.values) == [6000, 10_002, 14_002]
    assert samples.sums(parse("sum by (pod) (requests)[6s:2s]"), 9000 + LOOKBACK + 6000) == []
    assert {tuple(one.labels) for one in samples.sums(parse("requests[6s:2s]"), 8500)} == {("__name__", "code", "pod")}


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(0, 60_000))
def test_thinning_keeps_one_old_sample_a_step_and_every_new_one(steps: list[int], before: int) -> None:
    samples = store()
    times: list[int] = []
    target = samples.target({}, [OK])
    for step in steps:
        times.append((times[-1] if times else 0) + step)
        target.append(times[-1], 1.0, row(times[-1]))
    samples.thin_out(before, 10_000)
    kept = list(target.times)
    assert [time for time in kept if time >= before] == [time for time in times if time >= before]
    old = [time // 10_000 for time in times if time < before]
    assert [time // 10_000 for time in kept if time < before] == sorted(set(old))
    assert list(target.up) == [1.0] * len(kept)
