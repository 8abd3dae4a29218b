"""Edges and parts of buckets: the margin that is tested is the one that was written, or the difference is known."""

from itertools import pairwise
from math import erfc, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_judging.histogram import edge_at_least, tail_counts
from serinus_judging.sequential import latency
from serinus_judging.sequential.latency import Pair

from tests.unit.judging.laws import better, lawful, log_value, rates, trials, worse

PROMETHEUS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OTEL = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
DEMO = tuple(float(f"{0.005 * 1.1994**i:.4g}") for i in range(39))
FINE = tuple(round(0.05 * 1.1**i, 6) for i in range(40))


def slower(seconds: float, median: float, sigma: float) -> float:
    """Share of a log-normal distribution."""
    return erfc(log(seconds / median) / sigma / sqrt(2)) / 2


def counts(edges: tuple[float, ...], median: float, sigma: float = 0.5, requests: int = 10**6) -> list[int]:
    shares = [1.0, *(slower(edge, median, sigma) for edge in edges), 0.0]
    return [round(requests * (before - after)) for before, after in pairwise(shares)]


def allowed(pair: Pair, part: float, median: float, sigma: float) -> float:
    """Stable's share that counts as slower."""
    above = slower(pair.above, median, sigma)
    below = slower(pair.below, median, sigma) if pair.below else 1.0
    return above + part * (below - above)


def test_slower_counts_what_lies_above_each_edge() -> None:
    assert tail_counts((5, 4, 3, 2)) == [9, 5, 2]
    assert tail_counts((5,)) == []


def test_margins_lie_nearest_to_the_quantiles_of_stable() -> None:
    pairs = latency.chosen(FINE, counts(FINE, 0.2), 1.2)
    assert [pair.quantile for pair in pairs] == [0.5, 0.75, 0.9, 0.95, 0.99]
    wanted = 1.2 * 0.2 * np.exp(0.5 * np.array([0, 0.6745, 1.2816, 1.6449, 2.3263]))
    assert [pair.edge for pair in pairs] == pytest.approx(list(wanted), rel=0.06)


@lawful
@given(trials, trials, rates, worse, st.floats(0, 1), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_part_of_a_bucket_keeps_the_law_for_aborting(
    n: float, m: float, b: float, psi: float, part: float, split: list[float]
) -> None:
    for kept in (1.0, 0.7, 0.0):
        assert expectation(n, m, b, psi, part, split, kept, 0.0) <= 1e-9 + 1e-13 * (n + m)


@lawful
@given(trials, trials, rates, better, st.floats(0, 1), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_a_part_of_a_bucket_keeps_the_law_for_proceeding(
    n: float, m: float, b: float, psi: float, part: float, split: list[float]
) -> None:
    for more in (0.0, 0.3, 1.0):
        found = expectation(n, m, b, psi, part, split, 1.0, more)
        assert found <= 1e-9 + 1e-13 * (n + m)


def expectation(
    n: float, m: float, b: float, psi: float, part: float, split: list[float], kept: float, more: float
) -> float:
    """ln E[e], as ln e is linear in counts: stable's requests are above, inside and below a bucket by these shares.

    The canary's share is `kept` of what is allowed, and `more` of what is not.
    """
    above, inside, _ = np.array(split) / max(sum(split), 1e-9) if sum(split) > 1e-6 else (0.1, 0.2, 0.7)
    none = log_value(0, n, 0, m, b, 1.0, 0.0, psi)
    per_x = (log_value(n, n, 0, m, b, 1.0, 0.0, psi) - none) / n
    per_y = (log_value(0, n, m, m, b, 1.0, 0.0, psi) - none) / m
    edge = min(above + part * inside, 1.0)
    share = kept * edge + more * (1 - edge)
    stable = above * np.expm1(per_y) + inside * np.expm1(part * per_y)
    return float(none + n * np.log1p(share * np.expm1(per_x)) + m * np.log1p(max(stable, -1 + 1e-300)))


@lawful
@given(
    st.sampled_from([PROMETHEUS, OTEL, DEMO, FINE, tuple(2.0 ** (i / 8) for i in range(-80, 32))]),
    st.floats(0.004, 1.0),
    st.floats(0.2, 1.2),
    st.sampled_from([1.05, 1.2, 1.5, 2.0]),
    st.sampled_from([10**4, 10**6, 10**9]),
)
def test_the_margin_of_log_normal_durations_is_never_tested_tighter_nor_proven_wider_than_written(
    edges: tuple[float, ...], median: float, sigma: float, ratio: float, requests: int
) -> None:
    for pair in latency.chosen(edges, counts(edges, median, sigma, requests), ratio):
        assert allowed(pair, pair.abort, median, sigma) >= slower(pair.edge / (0.97 * ratio), median, sigma)
        if pair.proceed is not None:
            assert allowed(pair, pair.proceed, median, sigma) <= slower(pair.edge / (1.03 * ratio), median, sigma)
        assert pair.seen >= ratio * (1 - 1e-6)
        assert pair.shown <= ratio * (1 + 1e-6)


@pytest.mark.parametrize("edges", [PROMETHEUS, OTEL, DEMO, FINE])
@pytest.mark.parametrize(("median", "sigma"), [(0.06, 0.6), (0.06, 0.8155), (0.15, 0.25)])
def test_a_slowdown_by_a_fifth_more_than_allowed_is_seen_in_common_buckets(
    edges: tuple[float, ...], median: float, sigma: float
) -> None:
    pairs = latency.chosen(edges, counts(edges, median, sigma, 10**5), 1.2)
    assert min(pair.seen for pair in pairs) < 1.3
    assert max(pair.shown for pair in pairs) > 1.15


@lawful
@given(
    st.lists(st.floats(0.001, 100), min_size=1, max_size=60, unique=True).map(sorted),
    st.sampled_from([1.0, 1.05, 1.2, 1.5, 3.0]),
    st.data(),
)
def test_whatever_the_buckets_stable_is_read_around_the_canarys_edge_over_the_ratio(
    edges: list[float], ratio: float, data: st.DataObject
) -> None:
    found = data.draw(st.lists(st.integers(0, 1000), min_size=len(edges) + 1, max_size=len(edges) + 1))
    pairs = latency.chosen(edges, found, ratio)
    assert len({pair.edge for pair in pairs}) == len(pairs)
    proves = [pair.proceed is not None for pair in pairs]
    assert proves == sorted(proves, reverse=True)
    for pair in pairs:
        assert pair.edge in edges
        assert pair.below == 0 or pair.below in edges
        assert pair.below <= pair.edge / ratio * (1 + 1e-8)
        assert pair.edge / ratio <= pair.above * (1 + 1e-8)
        assert 0 <= (pair.proceed or 0) <= pair.abort <= 1
        assert pair.shown <= pair.seen * (1 + 1e-9)


def test_an_edge_at_the_margin_is_tested_as_it_is_though_floating_point_misses_it_by_a_hair() -> None:
    pair = latency.chosen((0.1, 0.12, 0.5), [50, 10, 35, 5], 1.2)[0]
    assert (pair.edge, pair.below, pair.above) == (0.12, 0.1, 0.1)
    assert (pair.seen, pair.shown) == pytest.approx((1.2, 1.2))


def test_beside_an_empty_bucket_only_the_buckets_edges_are_known() -> None:
    """All could lie at 49 ms, where a tenth more is beyond 50."""
    pair = latency.chosen(PROMETHEUS, [0, 0, 0, 1300, 20, 0, 0, 0, 0, 0, 0, 0], 1.2)[-1]
    assert (pair.edge, pair.abort, pair.proceed) == (0.1, 1.0, None)


def test_equal_arms_nearly_all_in_one_bucket_have_an_edge_that_proves() -> None:
    pairs = latency.chosen(PROMETHEUS, [0, 0, 80, 1300, 20, 0, 0, 0, 0, 0, 0, 0], 1.2)
    assert pairs[0].proceed is not None
    assert 1.05 <= pairs[0].shown <= 1.2 <= pairs[0].seen < 2


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
        ((0.1, 0.2), [500, 0, 0]),
    ],
)
def test_without_requests_or_usable_edges_nothing_is_chosen(edges: tuple[float, ...], counts: list[int]) -> None:
    assert latency.chosen(edges, counts, 1.2) == ()


def test_sixty_buckets_are_no_trouble() -> None:
    edges = tuple(0.001 * 1.15**i for i in range(60))
    pairs = latency.chosen(edges, counts(edges, 0.2), 1.2)
    assert len(pairs) == 5
    assert all(pair.proceed for pair in pairs)


def test_a_limit_takes_the_next_edge_above() -> None:
    assert edge_at_least((0.5, 1.0, 2.5), 0.9) == 1.0
    assert edge_at_least((0.5, 1.0, 2.5), 1.0) == 1.0
    assert edge_at_least((0.5, 1.0, 2.5), 3.0) is None
