from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_simulator.faults import ScrapeFault
from serinus_simulator.prometheus.promql import parse
from serinus_simulator.prometheus.tsdb import Result
from serinus_simulator.world.scraping import milliseconds

from tests.unit.simulator.worlds import Handled

TRAFFIC = {"requests_per_second": 1000, "error_rate": 0.01}
OK = 'http_requests_total{code="200"}'


def found(handled: Handled, query: str) -> list[Result]:
    selector, now = parse(query), milliseconds(handled.world.agenda.now)
    samples = handled.world.samples
    return samples.instant(selector, now) if selector.milliseconds is None else samples.range(selector, now)


def scrapes(handled: Handled) -> list[dict[str, Any]]:
    return [scrape.describe() for scrape in handled.world.truth.since()]


def test_every_pod_is_scraped_once_an_interval_each_at_its_own_moment() -> None:
    handled = Handled(traffic=TRAFFIC, replicas=4)
    handled.advance(1)
    handled.advance(10)
    series = found(handled, f"{OK}[10s]")
    assert len(series) == 4
    for one in series:
        assert len(one.times) == 10
        assert {later - earlier for earlier, later in zip(one.times, one.times[1:], strict=False)} == {1000}
    assert len({one.times[0] % 1000 for one in series}) == 4


def test_jitter_moves_each_scrape_within_its_interval() -> None:
    handled = Handled({"prometheus": {"scrape_interval": 1, "jitter": 0.2}}, traffic=TRAFFIC)
    handled.advance(20)
    (one, *_) = found(handled, f"{OK}[19s]")
    steps = [later - earlier for earlier, later in zip(one.times, one.times[1:], strict=False)]
    assert 800 <= min(steps) < 1000 < max(steps) <= 1200


def test_samples_carry_the_labels_of_their_target_and_page() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(5)
    one = found(handled, OK)[0]
    pod = next(iter(handled.app.pods.values()))
    assert one.labels == {
        "__name__": "http_requests_total",
        "code": "200",
        "job": "simulator",
        "namespace": "shop",
        "pod": pod.name,
        "instance": pod.address,
        "service": "checkout",
        "rollouts_pod_template_hash": pod.hash,
    }


def test_discovery_by_services_makes_one_target_for_each_service_of_a_pod() -> None:
    metrics = {"discovery": "services", "code_label": "status", "hash_label": None}
    names: dict[str, Any] = {"stable_service": "backend-stable", "canary_service": "backend-canary"}
    handled = Handled(None, traffic=TRAFFIC, metrics=metrics, replicas=3, **names)
    handled.advance(5)
    services = [one.labels["service"] for one in found(handled, 'http_requests_total{status="200"}')]
    assert sorted(services) == ["backend-canary"] * 3 + ["backend-stable"] * 3
    handled.release(seconds=5)
    by_service = {one.labels["service"]: one.labels["pod"] for one in found(handled, "up")}
    released = handled.status["currentPodHash"]
    assert released in by_service["backend-canary"]
    assert released not in by_service["backend-stable"]
    assert "rollouts_pod_template_hash" not in found(handled, "up")[0].labels


def test_a_pod_that_went_has_samples_of_the_past_but_none_now() -> None:
    handled = Handled(traffic=TRAFFIC, routing="none")
    handled.advance(5)
    handled.release(seconds=5)
    released = handled.status["currentPodHash"]
    query = f'http_requests_total{{rollouts_pod_template_hash="{released}",code="200"}}'
    assert len(found(handled, query)) == 1
    handled.set_status(abort=True)
    handled.advance(2)
    assert found(handled, query) == []
    assert len(found(handled, f"{query}[1m]")) == 1


def test_a_missed_scrape_leaves_a_gap_and_up_at_zero_and_is_told() -> None:
    handled = Handled(traffic=TRAFFIC, scrapes={"gaps": [{"at": 10, "lasts": 5}]})
    handled.advance(20)
    assert all(len(one.times) == 10 for one in found(handled, f"{OK}[15s]"))
    assert sum(value == 0 for one in found(handled, "up[15s]") for value in one.values) == 4 * 5
    missed = [one for one in scrapes(handled) if not one["ok"]]
    assert len(missed) == 4 * 5
    assert all(one["values"] is None and one["totals"] for one in missed)


def test_scrapes_are_missed_with_their_probability_and_by_a_fault() -> None:
    handled = Handled(traffic=TRAFFIC, scrapes={"missed": 0.3}, replicas=10)
    handled.advance(60)
    told = scrapes(handled)
    assert sum(not one["ok"] for one in told) / len(told) == pytest.approx(0.3, abs=0.08)
    clean = Handled(traffic=TRAFFIC)
    clean.advance(5)
    clean.world.add_fault(ScrapeFault(target="scrape", arm="stable", lasts=3.0))
    clean.advance(10)
    assert sum(not one["ok"] for one in scrapes(clean)) == 4 * 3


def test_an_error_series_is_born_with_the_first_error() -> None:
    handled = Handled(traffic={"requests_per_second": 40, "error_rate": 0.005})
    handled.advance(60)
    births = found(handled, 'http_requests_total{code="500"}[1m]')
    assert births
    assert all(one.values[0] >= 1 for one in births)
    assert min(len(one.times) for one in births) < 50


def test_a_restart_puts_the_counters_to_zero_but_not_the_totals() -> None:
    handled = Handled(traffic=TRAFFIC, restarts=[{"at": 20, "arm": "stable"}])
    handled.advance(40)
    fallen = {
        one.labels["pod"]
        for one in found(handled, f"{OK}[35s]")
        if any(later < earlier for earlier, later in zip(one.values, one.values[1:], strict=False))
    }
    restarted = {state.name for state in handled.app.pods.values() if state.restarts == 1}
    assert fallen == restarted
    assert len(fallen) == 1
    (name,) = fallen
    told = [one for one in scrapes(handled) if one["pod"] == name]
    totals = [one["totals"][OK] for one in told]
    assert totals == sorted(totals)
    assert told[-1]["values"][OK] < totals[-1]
    assert [one["ok"] for one in told].count(False) == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**16), st.lists(st.sampled_from(["promote", "wait", "restart", "release"]), max_size=6))
def test_samples_are_what_the_truth_tells_and_truth_what_was_served(seed: int, actions: list[str]) -> None:
    handled = Handled({"seed": seed}, traffic=TRAFFIC, scrapes={"missed": 0.1})
    handled.advance(3)
    handled.release()
    for number, action in enumerate(actions):
        if action == "promote" and handled.status.get("pauseConditions"):
            handled.promote()
        elif action == "restart":
            handled.world.restart_pod("shop", "checkout", "stable", 0)
        elif action == "release":
            handled.release(f"v{number + 3}")
        handled.advance(3)
    told = {(one["pod"], one["time"]): one for one in scrapes(handled)}
    for one in found(handled, f"{OK}[10m]"):
        for time, value in zip(one.times, one.values, strict=True):
            assert told[one.labels["pod"], time]["values"][OK] == value
    served = handled.app.served()
    for state in handled.app.pods.values():
        last = [one["totals"] for one in told.values() if one["pod"] == state.name]
        assert all(one.get(OK, 0) <= state.counters.total.ok for one in last)
    assert sum(one.requests for one in served.values()) == sum(
        state.counters.total.requests for state in handled.app.pods.values()
    )


def test_truth_is_bounded_filtered_and_can_be_read_from_a_time_on() -> None:
    handled = Handled({"truth_records": 50}, traffic=TRAFFIC)
    handled.advance(60)
    assert len(scrapes(handled)) == 50
    middle = scrapes(handled)[25]["time"]
    assert all(one.time > middle for one in handled.world.truth.since(middle))
    assert list(handled.world.truth.since(namespace="elsewhere")) == []
    assert len(list(handled.world.truth.since(rollout="checkout"))) == 50


def test_more_than_the_retention_is_not_kept() -> None:
    handled = Handled({"prometheus": {"scrape_interval": 1, "retention": 20}}, traffic=TRAFFIC)
    handled.advance(100)
    assert all(20 <= len(one.times) <= 22 for one in found(handled, f"{OK}[10m]"))


DAY = {"prometheus": {"scrape_interval": 1, "history": "24h", "retention": 60}}


def test_with_a_history_pods_have_served_before_the_worlds_start_and_go_on_counting() -> None:
    handled = Handled(DAY, traffic=TRAFFIC, replicas=4)
    handled.advance(10)
    series = found(handled, f"{OK}[25h]")
    assert len(series) == 4
    for one in series:
        assert 1440 <= len(one.times) <= 1450
        assert list(one.values) == sorted(one.values)
        assert one.values[-1] == pytest.approx(0.99 * 250 * 86_400, rel=0.01)
    assert sum(one.values[-1] for one in found(handled, "http_requests_total[10s]")) == pytest.approx(86_400_000, 0.01)


def test_the_past_is_kept_thinned_out_and_a_later_pod_has_none() -> None:
    handled = Handled(DAY, traffic=TRAFFIC, replicas=2)
    handled.advance(10)
    handled.release(seconds=300)
    lengths = sorted(len(one.times) for one in found(handled, f"{OK}[25h]"))
    assert len(lengths) == 3
    assert lengths[0] < 70
    assert 1440 <= lengths[1] <= lengths[2] < 1520


def test_noise_was_there_in_the_past_and_set_moments_count_from_the_start() -> None:
    shock = {"factor": 50, "lasts": 5, "at": [20]}
    noise = {"gamma": {"variation": 0.9, "interval": "5m"}, "shocks": [shock]}
    handled = Handled(DAY, traffic=TRAFFIC, replicas=2, noise=noise)
    handled.advance(10)
    (one, _) = found(handled, 'http_requests_total{code="500"}[25h]')
    blocks = [later - earlier for earlier, later in zip(one.values[::5], one.values[5::5], strict=False)]
    mean = sum(blocks) / len(blocks)
    assert sum((block - mean) ** 2 for block in blocks) / len(blocks) > 100 * mean
    before = one.values[-1]
    handled.advance(30)
    (one, _) = found(handled, 'http_requests_total{code="500"}[10s]')
    assert one.values[-1] - before > 500
