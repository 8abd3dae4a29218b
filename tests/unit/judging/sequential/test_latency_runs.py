"""Whole runs in the buckets that services have: what is slower than allowed is aborted, what is not is promoted."""

from math import erfc, log, sqrt

import numpy as np
import pytest
from serinus_contracts.events import MetricsCollected

from tests.unit.judging.builders import distribution, latency, plan, snapshot
from tests.unit.judging.runs import judged
from tests.unit.judging.told import Told

CLIENT_LIBRARIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OPENTELEMETRY = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
DEMO = tuple(float(f"{0.005 * 1.1994**i:.4g}") for i in range(39))
NATIVE = tuple(2.0 ** (i / 4) for i in range(-32, 14))
GRIDS = pytest.mark.parametrize("edges", [CLIENT_LIBRARIES, OPENTELEMETRY, DEMO, NATIVE], ids=range(4))
RULE = plan(latency(critical=True), weights=(10,), gate="nonInferiority")
DEMOS = (0.06, log(400 / 60) / 2.3263)
"""Median and sigma of the demo's durations: p99 at 400 ms."""
NARROW = (0.15, 0.25)
LOOKS = 12


def looks(edges: tuple[float, ...], factor: float, shape: tuple[float, float], seed: int) -> list[MetricsCollected]:
    random, (median, sigma) = np.random.default_rng(seed), shape

    def drawn(requests: int, times: float) -> list[int]:
        above = [1.0, *(erfc(log(edge / median / times) / sigma / sqrt(2)) / 2 for edge in edges), 0.0]
        return [int(v) for v in random.multinomial(requests, -np.diff(above))]

    return [
        snapshot({"latency": distribution(edges, drawn(10_000, factor), drawn(90_000, 1.0))}, n, weight=10)
        for n in range(1, LOOKS + 1)
    ]


def outcome(edges: tuple[float, ...], factor: float, shape: tuple[float, float]) -> Told:
    return judged(RULE, looks(edges, factor, shape, seed=len(edges)))[1]


@GRIDS
@pytest.mark.parametrize("shape", [DEMOS, NARROW], ids=["wide", "narrow"])
def test_a_canary_slower_by_40_percent_where_20_are_allowed_is_aborted(
    edges: tuple[float, ...], shape: tuple[float, float]
) -> None:
    assert outcome(edges, 1.4, shape).regressed == ("latency",)


@GRIDS
@pytest.mark.parametrize("shape", [DEMOS, NARROW], ids=["wide", "narrow"])
def test_a_canary_slower_by_10_percent_where_20_are_allowed_is_not(
    edges: tuple[float, ...], shape: tuple[float, float]
) -> None:
    found = outcome(edges, 1.1, shape)
    assert found.verdict != "abort"
    assert found.log_eprocess < 0


@GRIDS
def test_a_canary_slower_by_10_percent_is_proved_to_be_allowed(edges: tuple[float, ...]) -> None:
    assert outcome(edges, 1.1, DEMOS).reason == "non_inferior"


@GRIDS
@pytest.mark.parametrize("shape", [DEMOS, NARROW], ids=["wide", "narrow"])
def test_an_equal_canary_is_proved_to_be_allowed(edges: tuple[float, ...], shape: tuple[float, float]) -> None:
    assert outcome(edges, 1.0, shape).reason == "non_inferior"


def test_equal_arms_nearly_all_in_one_bucket_are_promoted() -> None:
    counts = (0, 0, 80, 1300, 20, 0, 0, 0, 0, 0, 0, 0)
    look = {"latency": distribution(CLIENT_LIBRARIES, counts, counts)}
    _, found = judged(plan(latency()), [snapshot(look, n) for n in range(1, 61)])
    assert found.reason == "non_inferior"
