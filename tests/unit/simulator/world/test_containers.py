from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.prometheus.promql import parse
from serinus_simulator.world.containers import ContainerState
from serinus_simulator.world.counters import Load
from serinus_simulator.world.latency import buckets
from serinus_simulator.world.metrics_page import CADVISOR
from serinus_simulator.world.scenario_pods import Container
from serinus_simulator.world.scenario_traffic import Latency
from serinus_simulator.world.scraping import milliseconds

from tests.unit.simulator.worlds import Handled

MIB = 2**20
TRAFFIC = {"requests_per_second": 100}


def container(**settings: Any) -> ContainerState:
    made = ContainerState(Container.model_validate(settings), np.random.default_rng(1), 0.0)
    made.start(0.0)
    return made


def load(**effects: float) -> Load:
    return Load(10.0, 0.0, *buckets(Latency(), 1.0, None, (0.1,)), **effects)  # type: ignore[arg-type]


def memory(handled: Handled) -> dict[str, float]:
    """Mebibytes in use by arm, the most of its pods."""
    found: dict[str, float] = {}
    for state in handled.app.pods.values():
        value = CADVISOR.read(handled.app, state)[0] / MIB
        if value == value and not state.gone:
            arm = handled.app.arm(state)
            found[arm] = max(found.get(arm, 0.0), value)
    return found


def test_memory_warms_up_to_its_baseline() -> None:
    one = container(memory={"baseline": "200Mi", "cold": 0.5, "warm_up": 60})
    assert one.memory(0.0) == 100 * MIB
    assert one.memory(60.0) == pytest.approx((200 - 100 / np.e) * MIB)
    assert one.memory(3600.0) == 200 * MIB


def test_memory_grows_by_the_hour_up_to_its_limit_and_a_restart_takes_it_back() -> None:
    one = container(memory={"baseline": "100Mi", "limit": "150Mi", "cold": 1, "growth": "20Mi"})
    one.use(0, load(leak=10 * MIB / 3600), 3600.0)
    assert one.memory(3600.0) == 130 * MIB
    one.use(0, load(), 3600.0 * 3)
    assert one.memory(4 * 3600.0) == 150 * MIB
    one.start(4 * 3600.0)
    assert one.memory(4 * 3600.0) == 100 * MIB


def test_memory_noise_has_the_mean_of_the_baseline() -> None:
    noise = {"sd": 0.1, "correlation": 0, "interval": 1}
    one = container(memory={"baseline": "100Mi", "cold": 1, "noise": noise})
    shown = np.asarray([one.memory(float(second)) for second in range(3000)]) / MIB
    assert shown.mean() == pytest.approx(100, abs=1)
    assert shown.std() == pytest.approx(10, rel=0.1)


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0.01, 100), st.booleans()), max_size=10))
def test_cpu_is_what_requests_and_time_take_since_the_start(spans: list[tuple[int, float, bool]]) -> None:
    one, expected = container(cpu={"per_request": 0.01, "idle": 0.1}), 0.0
    for requests, seconds, restart in spans:
        if restart:
            one.start(0.0)
            expected = 0.0
        one.use(requests, load(cpu_factor=2.0), seconds)
        expected += 2.0 * (requests * 0.01 + 0.1 * seconds)
        assert one.cpu == pytest.approx(expected)


def test_a_canary_that_leaks_is_told_from_stable_by_its_growth() -> None:
    still = {"memory": {"baseline": "100Mi", "cold": 1}}
    handled = Handled(traffic=TRAFFIC, container=still, canary=[{"from": {"weight": 25}, "memory_growth": "60Mi"}])
    handled.advance(2)
    handled.release()
    handled.advance(600)
    assert memory(handled) == {"stable": 100.0, "canary": 100.0}
    handled.promote(1800)
    assert memory(handled) == {"stable": 100.0, "canary": pytest.approx(130, abs=0.1)}
    handled.world.restart_pod("shop", "checkout", "canary", 0)
    handled.advance(2)
    assert memory(handled)["canary"] == pytest.approx(100, abs=0.1)


def test_a_container_is_a_target_of_its_own_with_the_kubelets_labels() -> None:
    handled = Handled(traffic=TRAFFIC, container={"name": "shop"}, metrics={"discovery": "services"})
    handled.advance(5)
    selector = parse('container_memory_usage_bytes{namespace="shop",container="shop"}')
    found = handled.world.samples.instant(selector, milliseconds(handled.world.agenda.now))
    assert [one.labels["pod"] for one in found] == sorted(handled.app.pods, key=list(handled.app.pods).index)
    assert {key for one in found for key in one.labels} == {
        "__name__", "container", "job", "metrics_path", "namespace", "pod", "instance"
    }  # fmt: skip


def test_cpu_over_quota_is_the_share_of_the_cores_that_is_used() -> None:
    cpu = {"per_request": 0.01, "idle": 0, "cores": 0.5}
    handled = Handled(traffic=TRAFFIC, replicas=2, container={"cpu": cpu})
    handled.advance(1)
    before = {state.name: CADVISOR.read(handled.app, state) for state in handled.app.pods.values()}
    handled.advance(100)
    for state in handled.app.pods.values():
        row = CADVISOR.read(handled.app, state)
        used = (row[2] - before[state.name][2]) / 100
        assert used / (row[3] / row[4]) == pytest.approx(50 * 0.01 / 0.5, rel=0.1)


def test_looks_at_containers_have_a_name_of_their_own_in_the_truth() -> None:
    handled = Handled(traffic=TRAFFIC, container={})
    handled.advance(5)
    told = [scrape.describe() for scrape in handled.world.truth.since()]
    assert {one["by"] for one in told} == {"simulator", "cadvisor simulator"}
    for one in told:
        gauges = one["by"].startswith("cadvisor")
        assert all(bool(re.match("container_", name)) is gauges for name in one["totals"])


def test_a_container_that_is_down_shows_nothing() -> None:
    handled = Handled(traffic=TRAFFIC, container={}, failing=[{"arm": "stable", "every": "1ms", "back_off": "1h"}])
    handled.advance(5)
    assert all(state.container is not None and state.container.started is None for state in handled.app.pods.values())
    assert memory(handled) == {}
