"""Stable's past, block by block."""

from itertools import accumulate
from math import inf
from operator import add

from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import ArmRule, Bucketed, Counted, History, Margin, Matcher, PlanLimit, PlanMetric, Selector
from serinus_counting.history import BLOCK_MS, BLOCKS, history, last_edge, summed_by
from serinus_counting.series import Series
from serinus_judging.histogram import edge_at_least
from serinus_judging.sequential import latency

from tests.support import ERRORS, LATENCY, plan

END = 600 * BLOCK_MS
FIRST = END - BLOCKS * BLOCK_MS


def series(pod: str, values: dict[int, float], **labels: str) -> Series:
    """Values at block edges, by their number from the first."""
    times = [FIRST + place * BLOCK_MS for place in values]
    return Series({"pod": pod} | (labels or {"code": "200"}), times, list(values.values()))


def past(*found: Series, metric: PlanMetric = ERRORS, limits: tuple[PlanLimit, ...] = ()) -> History | None:
    return history(plan(metrics=(metric,), limits=limits), metric, found, END)


def row(one: History | None, block: int, pod: str = "a") -> tuple[int, ...] | None:
    """The cell of the block that begins at an edge, by the edge's number."""
    assert one is not None
    return one.blocks[one.ends.index(FIRST + (block + 1) * BLOCK_MS)][one.pods.index(pod)]


def test_a_block_is_the_difference_of_the_sums_at_its_edges() -> None:
    one = past(series("a", {0: 5, 1: 105, 2: 305}), series("a", {0: 1, 1: 3, 2: 3}, code="503"))
    assert (row(one, 0), row(one, 1)) == ((2, 102), (0, 200))
    assert one is not None
    assert (one.seconds, one.edges, one.ends[-1]) == (300.0, (), END)


def test_an_error_series_that_is_born_in_a_pod_that_was_there_counts_from_zero() -> None:
    one = past(series("a", {0: 5, 1: 105}), series("a", {1: 4}, code="500"))
    assert row(one, 0) == (4, 104)


def test_a_block_in_which_a_pod_restarted_came_or_went_has_no_count() -> None:
    fell = past(series("a", {0: 500, 1: 600, 2: 50, 3: 70}), series("a", {0: 1, 1: 2, 2: 9, 3: 9}, code="500"))
    assert [row(fell, block) for block in range(4)] == [(1, 101), None, (0, 20), None]
    vanished = past(series("a", {0: 5, 1: 50, 2: 90, 3: 100}), series("a", {0: 7, 1: 8, 3: 1}, code="500"))
    assert [row(vanished, block) for block in range(3)] == [(1, 46), None, (1, 11)]
    came = past(series("a", {0: 5, 1: 9, 2: 12}), series("b", {1: 700, 2: 703}))
    assert (row(came, 0, "b"), row(came, 1, "b")) == (None, (0, 3))


def test_blocks_before_the_first_count_are_left_out() -> None:
    one = past(series("a", {200: 5, 201: 9}))
    assert one is not None
    assert len(one.blocks) == len(one.ends) == BLOCKS - 200
    assert one.ends[0] == FIRST + 201 * BLOCK_MS


def test_what_tells_nothing_is_no_history() -> None:
    assert past() is None
    assert past(series("a", {3: 5})) is None
    assert past(series("a", {0: 5, 1: 5})) is None
    assert past(series("a", {0: 5, 1: 9}, path="/")) is None, "good and bad cannot be told apart"
    assert past(series("", {0: 5, 1: 9})) is None, "no pods to compare"


def test_samples_beside_the_edges_or_outside_the_day_are_not_counted() -> None:
    beside = Series({"pod": "a", "code": "200"}, [FIRST - BLOCK_MS, FIRST + 1, END + BLOCK_MS], [1, 2, 3])
    assert past(beside) is None


def test_nothing_that_the_run_counts_lies_in_its_history() -> None:
    assert last_edge(END + BLOCK_MS - 1) == END
    assert last_edge(END) == END


def test_only_labels_that_matter_are_asked_for() -> None:
    assert summed_by(plan(), ERRORS) == ("pod", "code")
    assert summed_by(plan(), LATENCY) == ("pod", "le")
    named = (Matcher(label="__name__", value="x_total"),)
    metric = PlanMetric(
        name="x", source=Counted(query=ERRORS.source.query, events=(named,), trials=((),)), margin=Margin()
    )
    arms = (ArmRule(label="kubernetes_pod_name", canary="n", stable="o"),)
    assert summed_by(plan(arms=arms), metric) == ("kubernetes_pod_name", "__name__")


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 5), st.booleans(), st.booleans()), min_size=2, max_size=BLOCKS
    )
)
def test_counts_of_a_day_never_exceed_what_was_counted(steps: list[tuple[int, int, bool, bool]]) -> None:
    """Restarts and times out of sight lose counts; no count is invented, and events stay within trials."""
    good = bad = true = failures = 0
    sampled: dict[str, dict[int, float]] = {"200": {}, "500": {}}
    for place, (more, failed, restarts, seen) in enumerate(steps):
        if restarts:
            good = bad = 0
        good, bad = good + more, bad + failed
        true, failures = true + more + failed, failures + failed
        if seen:
            sampled["200"][place] = good
            if bad:
                sampled["500"][place] = bad
    one = past(*(series("a", values, code=code) for code, values in sampled.items() if values))
    cells = [cell for block in one.blocks for cell in block if cell] if one else []
    assert all(events <= trials for events, trials in cells)
    assert sum(trials for _, trials in cells) <= true
    assert sum(events for events, _ in cells) <= failures


def test_many_pods_are_told_in_groups_that_keep_every_count() -> None:
    pods = [series(f"pod-{i}", {0: 5, 1: 5 + i, 2: 6 + 2 * i}) for i in range(200)]
    one = past(*pods)
    assert one is not None
    assert len(one.pods) == 64
    assert sum(cell[1] for cell in one.blocks[0] if cell) == sum(range(200))


def buckets(pod: str, layout: dict[str, tuple[float, float]]) -> list[Series]:
    return [series(pod, {286: before, 287: after}, le=le) for le, (before, after) in layout.items()]


# Of nine requests four took up to 0.2 s, four up to 0.4 s, and one up to 0.8 s.
NEAR = {"0.0125": (0.0, 0.0), "0.025": (0.0, 0.0), "0.05": (0.0, 0.0), "0.1": (0.0, 0.0), "0.2": (1.0, 5.0)}
NEAR |= {"0.4": (2.0, 10.0), "0.8": (2.0, 11.0)}
FAR = {"1.6": (2.0, 11.0), "3.2": (2.0, 11.0), "6.4": (2.0, 11.0), "12.8": (2.0, 11.0), "+Inf": (2.0, 11.0)}


def test_durations_are_counts_per_bucket_with_the_edges_that_may_be_tested_and_two_beside() -> None:
    one = past(*buckets("a", NEAR | FAR), metric=LATENCY)
    assert one is not None
    assert one.edges == (0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    assert one.blocks == (((0, 0, 0, 4, 4, 1, 0, 0, 0),), (None,))


def test_an_edge_that_a_limit_is_tested_at_is_kept() -> None:
    limits = tuple(PlanLimit(name="far", metric="latency", share=0.05, edge=edge) for edge in (0.01, 7))
    one = past(*buckets("a", NEAR | FAR), metric=LATENCY, limits=limits)
    assert one is not None
    assert one.edges == (0.0125, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 12.8)
    assert one.blocks[0] == ((0, 0, 0, 0, 4, 4, 1, 0, 0, 0, 0),)


def test_pods_with_other_buckets_than_the_newest_are_left_out() -> None:
    yesterday = [series("old", {0: 0, 1: 9}, le=le) for le in ("1", "+Inf")]
    one = past(*yesterday, *buckets("a", NEAR | FAR), metric=LATENCY)
    assert one is not None
    assert one.pods == ("a",)
    assert past(*[series("a", {0: 0, 1: 9}, le=le) for le in ("1", "x")], metric=LATENCY) is None
    assert past(*[series("a", {0: 0, 1: 9}, le=le) for le in ("1", "2")], metric=LATENCY) is None


BOUNDS = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, inf]


@given(
    st.lists(st.tuples(*[st.sampled_from([0, 0, 1, 5, 400])] * 8), min_size=1, max_size=5),
    st.sampled_from([0.001, 1.0]),
    st.floats(1.0, 3.0),
    st.lists(st.floats(0.01, 9.0), max_size=2),
)
def test_the_analyzer_chooses_the_same_edges_and_counts_as_from_all_buckets(
    blocks: list[tuple[int, ...]], scale: float, ratio: float, limited: list[float]
) -> None:
    sums = list(accumulate((tuple(accumulate(counts)) for counts in blocks), lambda a, b: tuple(map(add, a, b))))
    values = {bound: {0: 0.0} | {n + 1: float(to[i]) for n, to in enumerate(sums)} for i, bound in enumerate(BOUNDS)}
    source = Bucketed(query=Selector(name="x"), scale=scale)
    metric = LATENCY.model_copy(update={"source": source, "margin": Margin(ratio=ratio)})
    limits = tuple(PlanLimit(name="l", metric="latency", share=0.05, edge=edge * scale) for edge in limited)
    one = past(*(series("a", values[bound], le=str(bound)) for bound in BOUNDS), metric=metric, limits=limits)
    if one is None:
        assert not any(map(any, blocks))
        return
    told = [cell for block in one.blocks for cell in block if cell]
    assert [sum(cell) for cell in told] == [sum(counts) for counts in blocks if sum(counts)]
    edges, totals = [bound * scale for bound in BOUNDS[:-1]], [sum(column) for column in zip(*blocks, strict=True)]
    kept = [sum(column) for column in zip(*told, strict=True)]
    assert latency.chosen(one.edges, kept, ratio) == latency.chosen(edges, totals, ratio)
    for limit in limits:
        assert limit.edge is not None
        assert edge_at_least(one.edges, limit.edge) == edge_at_least(edges, limit.edge)
