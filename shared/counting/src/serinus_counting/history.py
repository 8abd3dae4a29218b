"""Stable's past: counts per pod in blocks of five minutes of the day before a run, by which its noise is measured.

What is fetched are the counters' values at the blocks' edges, summed up by the provider over all labels that do not
matter here. A block is the difference of two of them; one in which a pod restarted, came or went has no count for it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise, repeat
from math import inf
from zlib import crc32

from serinus_contracts import AnalysisPlan, Bucketed, Counted, History, PlanMetric, Selector
from serinus_contracts.base import Millis
from serinus_contracts.events import MAX_COUNT
from serinus_contracts.metric import QUANTILES
from serinus_contracts.plan import any_of

from serinus_counting.series import Series, with_one_spelling

BLOCK_MS = 300_000
BLOCKS = 288
MAX_GROUPS = {"proportion": 64, "distribution": 16}
"""More pods than this are told of in groups, so that a snapshot stays small."""

BESIDE = 2
"""Edges that are kept beyond those that may be tested: the buckets beside tell how the distribution bends."""

Cell = tuple[int, ...] | None
"""Counts of one pod in one block: (events, trials), or per bucket; None where the pod was not there for all of it."""


def last_edge(stage_started: Millis) -> Millis:
    """Where the last block ends: nothing that the run itself counts may lie in its history."""
    return stage_started // BLOCK_MS * BLOCK_MS


def selector(metric: PlanMetric) -> Selector | None:
    """What is read of a metric's past; None where nothing is."""
    return metric.source.history if isinstance(metric.source, Counted | Bucketed) else None


def summed_by(plan: AnalysisPlan, metric: PlanMetric) -> tuple[str, ...]:
    """The labels that matter: the pod, and what tells events from trials, or the bucket."""
    if isinstance(metric.source, Bucketed):
        return (plan.pod_label(metric), "le")
    assert isinstance(metric.source, Counted)
    groups = (*metric.source.events, *metric.source.trials)
    telling = {matcher.label for group in groups for matcher in group} | set(metric.source.one_of_labels)
    pod = plan.pod_label(metric)
    return (pod, *sorted(telling - {pod}))


def history(plan: AnalysisPlan, metric: PlanMetric, series: Iterable[Series], end: Millis) -> History | None:
    """The blocks up to `end` of sums by `summed_by`, sampled at the blocks' edges; None where they tell nothing."""
    by_pod: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if pod := one.labels.get(plan.pod_label(metric), ""):
            by_pod[pod].append(one)
    first = end - BLOCKS * BLOCK_MS
    edges: tuple[float, ...] = ()
    if isinstance(metric.source, Counted):
        cells = {pod: _proportion(metric.source, members, first) for pod, members in by_pod.items()}
    else:
        assert isinstance(metric.source, Bucketed)
        edges, cells = _distribution(metric.source, by_pod, first)
        edges, cells = _trimmed(plan, metric, edges, cells)
    found = _grouped({pod: row for pod, row in cells.items() if any(row)}, MAX_GROUPS[metric.source.kind])
    if not found:
        return None
    rows = list(zip(*found.values(), strict=True))
    begin = next(i for i, row in enumerate(rows) if any(row))
    ends = tuple(range(first + (begin + 1) * BLOCK_MS, end + 1, BLOCK_MS))
    return History(pods=tuple(found), seconds=BLOCK_MS / 1000, ends=ends, blocks=tuple(rows[begin:]), edges=edges)


def _increases(members: Sequence[Series], first: Millis) -> tuple[list[list[float]], list[bool]]:
    """What each series of one pod counted in each block, and in which blocks the pod was there and did not restart.

    A series that is born while others of its pod are there counts from 0. What fell, or went while the pod was
    there, has restarted, and all of the pod with it.
    """
    columns = [_at_edges(one, first) for one in members]
    there = [any(value is not None for value in values) for values in zip(*columns, strict=True)]
    usable = [before and after for before, after in pairwise(there)]
    increases = []
    for column in columns:
        counted = [0.0] * BLOCKS
        for block, (before, after) in enumerate(pairwise(column)):
            if after is None:
                usable[block] &= before is None
            elif after < (before or 0.0):
                usable[block] = False
            else:
                counted[block] = after - (before or 0.0)
        increases.append(counted)
    return increases, usable


def _at_edges(series: Series, first: Millis) -> list[float | None]:
    column: list[float | None] = [None] * (BLOCKS + 1)
    for time, value in zip(series.times, series.values, strict=True):
        place, rest = divmod(time - first, BLOCK_MS)
        if rest == 0 and 0 <= place <= BLOCKS:
            column[place] = value
    return column


def _proportion(source: Counted, members: Sequence[Series], first: Millis) -> list[Cell]:
    increases, usable = _increases(members, first)
    events, trials = [0.0] * BLOCKS, [0.0] * BLOCKS
    for one, counted in zip(members, increases, strict=True):
        is_trial = any_of(source.trials, one.labels)
        if is_trial and source.one_of_labels and not any(name in one.labels for name in source.one_of_labels):
            return [None] * BLOCKS  # good and bad cannot be told apart
        for total, counts in ((events, any_of(source.events, one.labels)), (trials, is_trial)):
            if counts:
                total[:] = map(float.__add__, total, counted)
    return [
        (round(x), round(n)) if known and 0 < n <= MAX_COUNT and x <= MAX_COUNT else None
        for x, n, known in zip(events, trials, usable, strict=True)
    ]


Layout = tuple[float, ...]


def _distribution(
    source: Bucketed, by_pod: Mapping[str, Sequence[Series]], first: Millis
) -> tuple[Layout, dict[str, list[Cell]]]:
    """Counts per bucket, in the buckets of the pod that was there last; pods that lack one of them are left out."""
    known: dict[str, dict[float, Series]] = {}
    for pod, members in by_pod.items():
        try:
            known[pod] = {float(one.labels["le"]): one for one in with_one_spelling(members)}
        except (KeyError, ValueError):
            continue
    if not known:
        return (), {}
    latest = max(known.values(), key=lambda buckets: max(one.times[-1] for one in buckets.values()))
    bounds = sorted(latest)
    if len(bounds) < 2 or bounds[-1] != inf:
        return (), {}
    cells: dict[str, list[Cell]] = {}
    for pod, buckets in known.items():
        if not buckets.keys() >= latest.keys():
            continue
        increases, usable = _increases([buckets[bound] for bound in bounds], first)
        cells[pod] = [
            _buckets(cumulative) if there else None
            for there, cumulative in zip(usable, zip(*increases, strict=True), strict=True)
        ]
    return tuple([bound * source.scale for bound in bounds[:-1]]), cells


def _buckets(cumulative: Sequence[float]) -> Cell:
    if not (cumulative[-1] > 0 and max(cumulative) <= MAX_COUNT):
        return None
    counts = tuple([round(after - before) for before, after in pairwise((0.0, *cumulative))])
    return counts if min(counts) >= 0 else None


def _trimmed(
    plan: AnalysisPlan, metric: PlanMetric, edges: Layout, cells: Mapping[str, Sequence[Cell]]
) -> tuple[Layout, dict[str, list[Cell]]]:
    """With those edges only at which something may be tested: what lies between others is told as one bucket."""
    totals = [sum(column) for column in zip(*(cell for row in cells.values() for cell in row if cell), strict=True)]
    if not totals:
        return edges, {}
    limits = [limit.edge for limit in plan.limits if limit.metric == metric.name and limit.edge is not None]
    kept = sorted(_tested(edges, totals, metric.margin.ratio) | _reached(edges, limits))
    bounds = [0, *(i + 1 for i in kept), len(totals)]

    def cut(cell: Cell) -> Cell:
        return cell and tuple([sum(cell[begin:end]) for begin, end in pairwise(bounds)])

    return tuple([edges[i] for i in kept]), {pod: [cut(cell) for cell in row] for pod, row in cells.items()}


def _tested(edges: Layout, totals: Sequence[int], ratio: float) -> set[int]:
    """Indexes of the edges around stable's quantiles, as far as the margin reaches, and the buckets beside these.

    Where the margin at an edge lies nearest a quantile, it is the last before it or the first behind it; of edges with
    nothing between them it is the first. What stable has there is read from the bucket around it and those beside.
    """
    slower = [total - sum_to for total, sum_to in zip(repeat(sum(totals)), accumulate(totals), strict=False)][:-1]
    testable = [i for i, count in enumerate(slower) if 0 < count < sum(totals)]
    if not testable:
        return set()
    shares = [count / sum(totals) for count in slower]
    before = min((shares[i] for i in testable if shares[i] >= 1 - QUANTILES[0]), default=shares[testable[0]])
    behind = max((shares[i] for i in testable if shares[i] <= 1 - QUANTILES[-1]), default=shares[testable[-1]])
    # Between edges with nothing between them nothing can be read: what is tested may lie at the first of these, or
    # behind the last.
    first, last = shares.index(before), max(i for i in testable if shares[i] == behind)
    nearer = max((i for i, edge in enumerate(edges) if edge <= edges[first] / ratio), default=0)
    if shares[nearer] < 1:
        nearer = shares.index(shares[nearer])
    beyond = _reached(edges, [ratio * edges[last]])
    return set(range(max(nearer - BESIDE, 0), min(max(beyond, default=len(edges)) + BESIDE + 1, len(edges))))


def _reached(edges: Layout, seconds: Iterable[float]) -> set[int]:
    """Indexes of the first edge at or beyond each duration, where there is one."""
    firsts = [next((i for i, edge in enumerate(edges) if edge >= wanted * (1 - 1e-9)), None) for wanted in seconds]
    return {i for i in firsts if i is not None}


def _grouped(cells: Mapping[str, Sequence[Cell]], most: int) -> dict[str, Sequence[Cell]]:
    """At most so many rows: pods are put together in an order that has nothing to do with how they behave."""
    if len(cells) <= most:
        return dict(cells)
    order = sorted(cells, key=lambda pod: (crc32(pod.encode()), pod))
    found: dict[str, Sequence[Cell]] = {}
    for number in range(most):
        members = order[number::most]
        name = members[0] if len(members) == 1 else f"{members[0]} and {len(members) - 1} more"
        found[name] = [_sum(block) for block in zip(*(cells[pod] for pod in members), strict=True)]
    return found


def _sum(block: Sequence[Cell]) -> Cell:
    there = [cell for cell in block if cell]
    return tuple(map(sum, zip(*there, strict=True))) if there else None
