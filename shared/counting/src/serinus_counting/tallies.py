"""What series have counted, as a measurement: events and trials of each pod, or buckets of each arm."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from serinus_contracts import Bucketed, Counted, Distribution, Measurement, PlanMetric, Proportion, Window
from serinus_contracts.base import Arm, Millis
from serinus_contracts.plan import any_of, query_digest
from serinus_contracts.selector import Labels

from serinus_counting.quality import Quality, blank
from serinus_counting.segments import Counts, segmented
from serinus_counting.series import Series

ARMS: tuple[Arm, Arm] = ("canary", "stable")
MAX_EDGES = 200


def proportion(
    metric: PlanMetric,
    source: Counted,
    counts: Counts,
    pods: Mapping[str, tuple[Arm, Millis | None]],
    window: Window,
    quality: Quality,
    most_characters: int,
) -> Measurement:
    """Events and trials by pod; those of pods that the run does not know, or whose names would take more than
    `most_characters` in an arm, as one sum under ''."""
    arms: dict[Arm, dict[str, tuple[int, int]]] = {}
    for arm in ARMS:
        totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        left = most_characters
        for one, count in counts[arm]:
            is_trial = any_of(source.trials, one.labels)
            if is_trial and source.one_of_labels and not _has_one(one.labels, source.one_of_labels):
                wanted = ", ".join(source.one_of_labels)
                return blank(metric, "error", f"a series of {arm} has none of the labels {wanted}", quality)
            pod = one.labels.get("pod", "")
            if pod not in totals:
                left -= len(pod)
                pod = pod if pod in pods and left >= 0 else ""
            total = totals[pod]
            total[0] += count if any_of(source.events, one.labels) else 0
            total[1] += count if is_trial else 0
        arms[arm] = {pod: (events, trials) for pod, (events, trials) in totals.items()}
    return as_proportion(source, arms, window, quality)


def as_proportion(
    source: Counted, arms: Mapping[Arm, Mapping[str, tuple[int, int]]], window: Window, quality: Quality
) -> Measurement:
    """The measurement with these events and trials by pod."""
    return Proportion.model_validate(
        {"status": "ok", "query_digest": query_digest(source.query), "window": window, **arms, **quality.fields()}
    )


def by_segment(
    warmup_seconds: float,
    metric: PlanMetric,
    source: Counted,
    measured: Measurement,
    counts: Counts,
    pods: Mapping[str, tuple[Arm, Millis | None]],
) -> Measurement:
    """A measurement with its counts by the metric's segment, if it has one."""
    if metric.segment is None or not isinstance(measured, Proportion) or measured.window is None:
        return measured
    young_from = measured.window.begin - 1000 * warmup_seconds
    # Only a pod with counts of its own can be left out of the whole.
    known = measured.canary.keys() | measured.stable.keys()
    young = {name for name, (_, started) in pods.items() if started is not None and started > young_from}
    found = segmented(source, metric.segment, counts, frozenset(young & known))
    return Proportion.model_validate({**measured.model_dump(), "segment": metric.segment, **found._asdict()})


def _has_one(labels: Labels, names: Sequence[str]) -> bool:
    return not labels.keys().isdisjoint(names)


def distribution(metric: PlanMetric, source: Bucketed, counts: Counts, window: Window, quality: Quality) -> Measurement:
    """Counts between the edges that all histograms of both arms have."""
    edges = shared_edges([[one for one, _ in members] for members in counts.values()])
    if isinstance(edges, str):
        return blank(metric, "error", edges, quality)
    at_most: dict[Arm, dict[float, int]] = {}
    for arm in ARMS:
        at_most[arm] = defaultdict(int)
        for one, count in counts[arm]:
            at_most[arm][float(one.labels["le"])] += count
    up_to = {arm: [sums[edge] for edge in edges] for arm, sums in at_most.items()}
    return as_distribution(metric, source, edges, up_to, window, quality)


def shared_edges(arms: Iterable[Sequence[Series]]) -> Sequence[float] | str:
    """The edges, ascending, that all histograms of all arms have; why they cannot be judged by them, if so.

    Only an edge that every histogram of both arms has can be summed; a canary may come with other buckets.
    """
    layouts: set[frozenset[float]] = set()
    for members in arms:
        histograms: dict[tuple[tuple[str, str], ...], set[float]] = defaultdict(set)
        for one in members:
            try:
                edge = float(one.labels["le"])
            except (KeyError, ValueError):
                return "a series has no bucket edge in its label le"
            histograms[tuple(sorted((k, v) for k, v in one.labels.items() if k != "le"))].add(edge)
        layouts |= {frozenset(edges) for edges in histograms.values()}
    common = sorted(frozenset.intersection(*layouts))
    if len(common) < 2 or common[-1] != float("inf"):
        return "canary and stable share no bucket edges"
    if len(common) > MAX_EDGES:
        return f"the histograms have {len(common)} bucket edges, at most {MAX_EDGES} are judged"
    return common


def as_distribution(
    metric: PlanMetric,
    source: Bucketed,
    edges: Sequence[float],
    up_to: Mapping[Arm, Sequence[int]],
    window: Window,
    quality: Quality,
) -> Measurement:
    """The measurement with so many observations of each arm up to each edge, the last of which is infinite."""
    buckets: dict[str, list[int]] = {}
    for arm, cumulative in up_to.items():
        buckets[arm] = [after - before for before, after in zip([0, *cumulative], cumulative, strict=False)]
        if min(buckets[arm]) < 0:
            return blank(metric, "error", f"buckets of {arm} are not cumulative", quality)
    return Distribution.model_validate(
        {
            "status": "ok",
            "query_digest": query_digest(source.query),
            "window": window,
            "edges": [edge * source.scale for edge in edges[:-1]],
            **buckets,
            **quality.fields(),
        }
    )
