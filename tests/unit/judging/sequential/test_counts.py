"""From a snapshot to the counts of each channel."""

import numpy as np
from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanLimit
from serinus_judging.sequential.counts import Counted, count
from serinus_judging.sequential.latency import Pair
from serinus_judging.sequential.layout import key_of

from tests.unit.judging.builders import distribution, latency, metric, plan, proportion, snapshot

EDGES = (0.1, 0.2, 0.3)


def counted(rule: AnalysisPlan, pairs: list[tuple[Pair, ...] | None], look: MetricsCollected) -> Counted:
    return count(rule, key_of(rule).channels, pairs, look)


def test_stable_is_counted_above_the_next_edge_and_with_a_part_of_the_bucket_before_it() -> None:
    pairs = (Pair(0.5, 0.2, 0.1, 0.2, 0.5, 0.25, 1.3, 1.1), Pair(0.9, 0.3, 0.0, 0.3, 0.1, None, 1.5, 1.0))
    look = snapshot({"latency": distribution(EDGES, (10, 20, 30, 40), (50, 60, 70, 80))}, 1)
    counts = counted(plan(latency()), [pairs], look).counts
    assert counts[:, 0].tolist() == [70, 100, 180, 260]
    assert counts[:, 1].tolist() == [40, 100, 98, 260]
    assert counts[:, 2:5].any() == np.False_
    assert counts[:, 5].tolist() == [70, 100, 165, 260]
    assert counts[:, 6].any() == np.False_


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
    found = counted(rule, [None], look)
    assert found.counts[:, 6].tolist() == [70, 100, 60, 100]
    assert found.counts[:, 7].tolist() == [7, 10, 15, 26]
    assert found.counts[:, 8].tolist() == [0, 0, 0, 0]
    assert found.details == {"far": "the histogram has no edge at or beyond 9 s"}
    assert len(found.seconds) == found.counts.shape[1]


def test_edges_that_are_gone_are_an_error() -> None:
    look = snapshot({"latency": distribution((0.15, 0.3), (1, 2, 3), (4, 5, 6))}, 1)
    found = counted(plan(latency()), [(Pair(0.5, 0.2, 0.1, 0.2, 0.5, 0.25, 1.3, 1.1),)], look)
    assert found.readings[0].status == "error"
    assert not found.counts.any()
