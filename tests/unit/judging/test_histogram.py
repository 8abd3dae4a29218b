"""What is slower than a duration, and that it agrees with the quantile."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from serinus_judging.histogram import interpolated_tail, quantile

from tests.unit.judging.laws import lawful

EDGES = (0.1, 0.2, 0.4, 0.8)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, 100), (0.05, 95), (0.1, 90), (0.15, 80), (0.2, 70), (0.3, 55), (0.6, 25), (0.8, 0), (5.0, 0)],
)
def test_counts_are_split_evenly_inside_a_bucket(seconds: float, expected: float) -> None:
    """10 up to 0.1 s, 20 up to 0.2 s, 30 up to 0.4 s, 30 up to 0.8 s, 10 beyond, taken to lie at 0.8 s."""
    assert interpolated_tail(EDGES, (10, 20, 30, 30, 10), seconds) == pytest.approx(expected)


def test_without_buckets_nothing_is_interpolated_tail() -> None:
    assert interpolated_tail((), (), 1.0) == 0


@lawful
@given(
    st.lists(st.integers(0, 50), min_size=5, max_size=5),
    st.floats(0.0, 1.0),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_quantile_is_beyond_a_duration_if_enough_are_slower(counts: list[int], seconds: float, q: float) -> None:
    found = quantile(EDGES, counts, q)
    assume(found is not None)
    assert found is not None
    assume(abs(found - seconds) > 1e-6)
    share = interpolated_tail(EDGES, counts, seconds) / sum(counts)
    if found > seconds:
        assert share >= 1 - q - 1e-9
    else:
        assert share <= 1 - q + 1e-9


def test_quantiles_are_those_of_prometheus() -> None:
    edges, counts = (0.1, 0.2, 0.4), (10, 10, 0, 0)
    assert quantile(edges, counts, 0.75) == pytest.approx(0.15)
    assert quantile(edges, counts, 0.5) == pytest.approx(0.1)
    assert quantile(edges, (0, 0, 0, 5), 0.5) == 0.4
    assert quantile(edges, (0, 0, 0, 0), 0.5) is None
    assert quantile((), (3,), 0.5) is None
    assert quantile((0.1, float("inf")), (0, 5, 0), 0.5) == float("inf")
