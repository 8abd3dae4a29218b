"""From a snapshot to counts, and what is wrong with those that cannot be judged."""

import numpy as np
import pytest
from serinus_contracts.events import Distribution, Measurement, Proportion
from serinus_contracts.plan import PlanLimit, PlanMetric
from serinus_judging.sequential.counts import count
from serinus_judging.sequential.latency import Pair
from serinus_judging.snapshot import read

from tests.unit.judging.builders import distribution, latency, metric, missing, plan, proportion, snapshot

EDGES, FOUR = (0.1, 0.2, 0.3), (1, 1, 1, 1)


def test_pods_are_summed() -> None:
    measured = Proportion(
        status="ok", canary={"a": (1, 10), "b": (2, 20), "": (3, 30)}, stable={"c": (4, 40)}, series=4
    )
    reading = read(metric(), measured, 30)
    assert (reading.status, reading.quad) == ("ok", (6, 60, 4, 40))


@pytest.mark.parametrize(
    ("metric_", "measured", "status", "detail"),
    [
        (metric(), None, "no_data", "not measured"),
        (metric(), missing("error", "timeout"), "error", "timeout"),
        (metric(), proportion(0, 0, 1, 10), "no_data", "no requests on the canary"),
        (metric(), proportion(1, 10, 0, 0), "no_data", "no requests on stable"),
        (metric(), Proportion(status="ok"), "no_data", "no requests on the canary"),
        (metric(), proportion(11, 10, 1, 10), "error", "more events than trials on the canary (11 of 10)"),
        (metric(), proportion(1, 10, 1100, 1000), "error", "more events than trials on the stable (1,100 of 1,000)"),
        (metric(), proportion(-1, 10, 1, 10), "error", "counts below zero"),
        (metric(count="rate"), proportion(11, 10, 1, 10), "ok", ""),
        (metric(lag=60), proportion(11, 10, 1, 10), "ok", ""),
        (metric(), distribution(EDGES, FOUR, FOUR), "error", "measured as distribution, planned as proportion"),
        (latency(), proportion(1, 10, 1, 10), "error", "measured as proportion, planned as distribution"),
        (latency(), distribution(EDGES, (1, 1), (1, 1, 1, 1)), "error", "3 edges do not fit 2 buckets of the canary"),
        (latency(), distribution(EDGES, (1, 1, 1, -1), (1, 1, 1, 1)), "error", "counts below zero"),
        (latency(), distribution(EDGES, (0, 0, 0, 0), (1, 1, 1, 1)), "no_data", "no requests on the canary"),
        (latency(), Distribution(status="ok"), "error", "0 edges do not fit 0 buckets of the canary"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(
    metric_: PlanMetric, measured: Measurement | None, status: str, detail: str
) -> None:
    reading = read(metric_, measured, 30)
    assert (reading.status, reading.detail) == (status, detail)


def test_windows_have_their_own_length_or_else_the_looks() -> None:
    look = snapshot({"errors": proportion(1, 10, 1, 10)}, 2, interval=20_000)
    assert read(metric(), look.metrics["errors"], 99).seconds == 20
    assert read(metric(), proportion(1, 10, 1, 10), 99).seconds == 99


def test_durations_are_counted_above_both_edges_of_each_pair() -> None:
    pairs = (Pair(0.5, 0.1, 0.2, 0.2), Pair(0.9, 0.2, 0.3, None))
    look = snapshot({"latency": distribution(EDGES, (10, 20, 30, 40), (50, 60, 70, 80))}, 1)
    counts = count(plan(latency()), [pairs], look).counts
    assert counts[:, 0].tolist() == [70, 100, 210, 260]
    assert counts[:, 1].tolist() == [40, 100, 150, 260]
    assert counts[:, 2:5].any() == np.False_
    assert counts[:, 5].tolist() == [70, 100, 210, 260]
    assert counts[:, 6].tolist() == [70, 100, 150, 260]


def test_limits_are_counted_on_their_metrics() -> None:
    rule = plan(
        metric("conversion", 0.9, better="higher"),
        latency(),
        limits=[
            PlanLimit(name="low", metric="conversion", better="higher", share=0.5),
            PlanLimit(name="slow", metric="latency", share=0.1, edge=0.15),
            PlanLimit(name="far", metric="latency", share=0.1, edge=9),
        ],
    )
    look = snapshot(
        {"conversion": proportion(30, 100, 40, 100), "latency": distribution(EDGES, (1, 2, 3, 4), (5, 6, 7, 8))}, 1
    )
    counted = count(rule, [None], look)
    assert counted.counts[:, 6].tolist() == [70, 100, 60, 100]
    assert counted.counts[:, 7].tolist() == [7, 10, 15, 26]
    assert counted.counts[:, 8].tolist() == [0, 0, 0, 0]
    assert counted.details == {"far": "the histogram has no edge at or beyond 9 s"}
    assert len(counted.seconds) == counted.counts.shape[1]


def test_edges_that_are_gone_are_an_error() -> None:
    look = snapshot({"latency": distribution((0.15, 0.3), (1, 2, 3), (4, 5, 6))}, 1)
    counted = count(plan(latency()), [(Pair(0.5, 0.1, 0.2, 0.2),)], look)
    assert counted.readings[0].status == "error"
    assert not counted.counts.any()
