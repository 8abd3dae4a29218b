"""Edges: at or beyond the ratio for aborting, at or before it for proceeding, never between two edges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_judging.histogram import edge_at_least, tail_counts
from serinus_judging.sequential import latency
from serinus_judging.sequential.latency import Pair

from tests.unit.judging.laws import lawful

FINE = tuple(round(0.05 * 1.1**i, 6) for i in range(40))


def lognormal(edges: tuple[float, ...], median: float = 0.2, count: int = 100_000) -> list[int]:
    random = np.random.default_rng(1)
    places = np.searchsorted(edges, random.lognormal(np.log(median), 0.5, count))
    return [int(v) for v in np.bincount(places, minlength=len(edges) + 1)]


def test_slower_counts_what_lies_above_each_edge() -> None:
    assert tail_counts((5, 4, 3, 2)) == [9, 5, 2]
    assert tail_counts((5,)) == []


def test_edges_lie_nearest_to_the_quantiles_of_stable() -> None:
    pairs = latency.chosen(FINE, lognormal(FINE), 1.2)
    assert [pair.quantile for pair in pairs] == [0.5, 0.75, 0.9, 0.95, 0.99]
    wanted = 0.2 * np.exp(0.5 * np.array([0, 0.6745, 1.2816, 1.6449, 2.3263]))
    assert [pair.stable for pair in pairs] == pytest.approx(list(wanted), rel=0.06)


@lawful
@given(
    st.lists(st.floats(0.001, 100), min_size=1, max_size=60, unique=True).map(sorted),
    st.sampled_from([1.0, 1.05, 1.2, 1.5, 3.0]),
    st.data(),
)
def test_pairs_are_conservative_or_declared_coarse(edges: list[float], ratio: float, data: st.DataObject) -> None:
    counts = data.draw(st.lists(st.integers(0, 1000), min_size=len(edges) + 1, max_size=len(edges) + 1))
    pairs = latency.chosen(edges, counts, ratio)
    assert len({pair.stable for pair in pairs}) == len(pairs)
    for pair in pairs:
        assert pair.stable in edges
        if pair.abort is not None:
            assert pair.abort in edges
            assert ratio * pair.stable <= pair.abort * (1 + 1e-6)
            assert pair.abort <= 1.25 * ratio * pair.stable * (1 + 1e-6)
        if pair.proceed is not None:
            assert pair.proceed in edges
            assert pair.stable < pair.proceed <= ratio * pair.stable * (1 + 1e-6)


def test_classic_buckets_are_too_coarse_for_a_ratio_and_say_so() -> None:
    edges = (0.1, 0.25, 0.5, 1.0)
    pairs = latency.chosen(edges, [500, 300, 150, 40, 10], 1.2)
    assert {(pair.abort, pair.proceed) for pair in pairs} == {(None, None)}


def test_several_quantiles_at_one_edge_are_tested_once() -> None:
    assert [pair.stable for pair in latency.chosen((0.1, 1.0), [500, 495, 5], 1.2)] == [0.1, 1.0]


def test_edges_that_floating_point_misses_by_a_hair_are_found() -> None:
    assert latency.chosen((0.1, 0.12, 0.5), [50, 10, 35, 5], 1.2)[0] == Pair(0.5, 0.1, 0.12, 0.12)


@pytest.mark.parametrize(
    ("edges", "counts"),
    [
        ((), [5]),
        ((0.1,), [0, 0]),
        ((0.1,), [10, 0]),
        ((0.1,), [0, 10]),
        ((0.1,), [1, 2, 3]),
        ((0.1,), [-1, 5]),
        ((np.inf,), [5, 5]),
    ],
)
def test_without_requests_or_usable_edges_nothing_is_chosen(edges: tuple[float, ...], counts: list[int]) -> None:
    assert latency.chosen(edges, counts, 1.2) == ()


def test_sixty_buckets_are_no_trouble() -> None:
    edges = tuple(0.001 * 1.15**i for i in range(60))
    pairs = latency.chosen(edges, lognormal(edges), 1.2)
    assert len(pairs) == 5
    assert all(pair.abort and pair.proceed for pair in pairs)


def test_a_limit_takes_the_next_edge_above() -> None:
    assert edge_at_least((0.5, 1.0, 2.5), 0.9) == 1.0
    assert edge_at_least((0.5, 1.0, 2.5), 1.0) == 1.0
    assert edge_at_least((0.5, 1.0, 2.5), 3.0) is None
