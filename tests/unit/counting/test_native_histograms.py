import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from serinus_counting.native_histograms import MAX_BOUNDS, Bucket, Histogram, classic, counters


def histogram(*samples: list[Bucket], pod: str = "a") -> Histogram:
    counts = [sum(count for *_, count in sample) for sample in samples]
    return Histogram({"pod": pod}, [1000 * (i + 1) for i in range(len(samples))], counts, samples)


def at(made: list[Histogram]) -> dict[tuple[str, str], list[float]]:
    return {(one.labels["pod"], one.labels["le"]): list(one.values) for one in classic(made)}


def test_buckets_become_cumulative_and_the_last_bound_is_without_end() -> None:
    found = at([histogram([(0.5, 1, 3), (1, 2, 4)], [(0.5, 1, 5), (1, 2, 4), (2, 4, 1)])])
    assert found == {("a", "1"): [3, 5], ("a", "2"): [7, 9], ("a", "4"): [7, 10], ("a", "+Inf"): [7, 10]}


def test_a_bound_at_which_a_histogram_has_nothing_is_a_bound_of_it_all_the_same() -> None:
    found = at([histogram([(0.5, 1, 3)]), histogram([(2, 4, 2)], pod="b")])
    assert found["a", "4"] == [3]
    assert found["b", "1"] == [0]


def test_a_bound_inside_of_a_merged_bucket_is_left_out() -> None:
    found = at([histogram([(0.5, 1, 3), (1, 2, 4)]), histogram([(0.5, 2, 9)], pod="b")])
    assert {le for _, le in found} == {"2", "+Inf"}
    assert (found["a", "2"], found["b", "2"]) == ([7], [9])


def test_many_bounds_are_thinned_to_those_of_quarter_octaves() -> None:
    fine = [2 ** (k / 32) for k in range(320)]
    found = at([histogram([(low, high, 1) for low, high in pairwise(fine)])])
    bounds = sorted(float(le) for _, le in found)
    assert len(bounds) <= MAX_BOUNDS
    assert all(math.isclose(high / low, 2**0.25) for low, high in pairwise(bounds[:-1]))


def test_as_a_counter_a_histogram_counts_its_observations() -> None:
    assert [list(one.values) for one in counters([histogram([(1, 2, 4)], [(1, 2, 4), (2, 4, 2)])])] == [[4, 6]]


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=60), st.integers(-1, 3), st.integers(-1, 3))
def test_what_lies_below_a_bound_is_counted_whatever_the_resolution(
    observations: list[float], first: int, second: int
) -> None:
    def buckets(schema: int) -> list[Bucket]:
        base = 2.0 ** (2.0**-schema)
        counts: dict[int, int] = {}
        for value in observations:
            # Rounded as the bounds are compared, so that what lies on one is on the same side in both.
            place = math.ceil(round(math.log2(value) * 2.0**schema, 9))
            counts[place] = counts.get(place, 0) + 1
        return [(base ** (place - 1), base**place, n) for place, n in sorted(counts.items())]

    found = at([histogram(buckets(first)), histogram(buckets(second), pod="b")])
    for (pod, le), values in found.items():
        assert pod != "a" or values == found["b", le]
