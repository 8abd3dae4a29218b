"""Counts by a label come from the series that the whole is counted from."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import Proportion
from serinus_contracts.events import MAX_SEGMENT_BYTES, MAX_SEGMENTS, Segment
from serinus_counting.measure import measure
from serinus_counting.metric_window import MetricWindow
from serinus_counting.series import Series

from tests.support import ERRORS, plan
from tests.unit.counting.test_measure import PODS, SPAN, series

BY_ROUTE = ERRORS.model_copy(update={"segment": "route"})


def measured(*found: Series, pods: dict[str, object] = PODS, **restarted: int) -> Proportion:
    names = {name.replace("_", "-"): times for name, times in restarted.items()}
    one = measure(MetricWindow(plan(metrics=(BY_ROUTE,), warmup=10.0), BY_ROUTE, SPAN, pods, 10_000, names), found)  # type: ignore[arg-type]
    assert isinstance(one, Proportion)
    assert one.status == "ok"
    return one


Totals = list[tuple[int, int]]


def totals(one: Proportion) -> tuple[Totals, Totals]:
    """Events and trials of both arms, over the segments and over the pods."""
    parts = [*one.segments.values(), *([one.other_segments] if one.other_segments else [])]
    by_segment = [summed(part.canary for part in parts), summed(part.stable for part in parts)]
    return by_segment, [summed(one.canary.values()), summed(one.stable.values())]


def summed(counts: Iterable[tuple[int, int]]) -> tuple[int, int]:
    events, trials = zip(*counts, strict=True)
    return sum(events), sum(trials)


def test_counts_are_sorted_by_the_values_of_the_label_over_all_pods() -> None:
    one = measured(
        series("checkout-new-1", 0, 90, code="200", route="/"),
        series("checkout-new-1", 0, 10, code="500", route="/pay"),
        series("checkout-old-1", 0, 40, code="200", route="/"),
        series("checkout-old-2", 0, 50, code="200", route="/"),
        series("checkout-old-2", 0, 5, code="200"),
    )
    assert one.segments == {
        "/": Segment(canary=(0, 90), stable=(0, 90)),
        "/pay": Segment(canary=(10, 10)),
        "": Segment(stable=(0, 5)),
    }
    assert one.other_segments is None
    assert one.segment == "route"


routes = st.lists(
    st.tuples(st.sampled_from(sorted(PODS)), st.text(max_size=6), st.integers(0, 99)), min_size=1, max_size=40
)


@given(routes)
def test_the_sum_over_the_segments_is_the_whole_and_their_order_changes_nothing(
    found: list[tuple[str, str, int]],
) -> None:
    ends = [("checkout-new-1", "/", 7), ("checkout-old-1", "/", 9)]
    made = [
        series(pod, 0, count, code="500", route=route, i=str(i)) for i, (pod, route, count) in enumerate(found + ends)
    ]
    one = measured(*made)
    by_segment, by_pod = totals(one)
    assert by_segment == by_pod
    assert one.segments == measured(*reversed(made)).segments


def test_a_restart_is_seen_in_a_segment_as_in_the_whole() -> None:
    falls = Series(
        {"__name__": "x", "pod": "checkout-new-1", "instance": "a", "code": "200", "route": "/"},
        [20_000, 30_000, 40_000],
        [50, 60, 4],
    )
    one = measured(falls, series("checkout-old-1", 0, 9, code="200", route="/"), checkout_new_1=1)
    assert one.resets == 1
    assert one.segments["/"].canary == (0, 14)
    by_segment, by_pod = totals(one)
    assert by_segment == by_pod


def test_values_beyond_the_bound_and_endless_ones_are_counted_together() -> None:
    many = [series("checkout-new-1", 0, 10 + i, code="200", route=f"/{i}") for i in range(MAX_SEGMENTS + 9)]
    endless = series("checkout-old-1", 0, 5_000, code="200", route="x" * (MAX_SEGMENT_BYTES + 1))
    one = measured(*many, endless)
    assert len(one.segments) == MAX_SEGMENTS
    assert "/8" not in one.segments
    assert one.other_segments is not None
    assert one.other_segments.stable == (0, 5_000)
    by_segment, by_pod = totals(one)
    assert by_segment == by_pod


def test_what_could_steer_a_terminal_is_no_part_of_a_name() -> None:
    one = measured(
        series("checkout-new-1", 0, 3, code="200", route="a\x1b[2Jb\nc"),
        series("checkout-old-1", 0, 9, code="200", route="ok"),
    )
    assert list(one.segments) == ["ok", "a[2Jb c"]


def test_counts_of_pods_that_are_warming_up_are_told_apart() -> None:
    pods = {**PODS, "checkout-new-2": ("canary", 15_000)}
    one = measured(
        series("checkout-new-1", 0, 9, code="200", route="/"),
        series("checkout-new-2", 0, 4, code="500", route="/"),
        series("checkout-old-1", 0, 9, code="200", route="/"),
        pods=pods,
    )
    assert one.segments["/"] == Segment(canary=(4, 13), stable=(0, 9), canary_young=(4, 4))


def test_a_metric_without_a_segment_has_no_word_of_them() -> None:
    one = measure(
        MetricWindow(plan(), ERRORS, SPAN, PODS, 10_000),
        [series("checkout-new-1", 0, 3, code="200", route="/"), series("checkout-old-1", 0, 9, code="200")],
    )
    assert "segment" not in one.model_dump_json()
