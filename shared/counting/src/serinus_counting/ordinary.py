"""The ordinary case of counting, at a small part of the cost: all series of a process have samples at the same times,
and none of them falls. Then one of them stands for all in what is decided by times, by the same code, and counts are
differences. Whatever is odd is left to `measure_each`, which goes series by series; both give the same.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from serinus_contracts import Bucketed, Counted, Measurement, Window
from serinus_contracts.base import Arm, Millis
from serinus_contracts.events import MAX_COUNT

from serinus_counting.advance import is_plain
from serinus_counting.layout import EVENT, NO_EDGE, TRIAL, Group, Layout, layout_of
from serinus_counting.metric_window import MetricWindow
from serinus_counting.progress import Progress
from serinus_counting.quality import Quality
from serinus_counting.resets import Process, Span, at_each_scrape, counted_samples, processes
from serinus_counting.series import Series, Target, with_pods
from serinus_counting.steps import Step, missing, newest, next_step, uncounted
from serinus_counting.tallies import ARMS, as_distribution, as_proportion, by_segment
from serinus_counting.warming import warm, warm_times

Pods = Mapping[str, tuple[Arm, Millis | None]]


def measure_ordinary(asked: MetricWindow, series: Sequence[Series]) -> tuple[Measurement, Progress] | None:
    """What `measure_on` gives; None where something is odd."""
    plan, metric, pods = asked.plan, asked.metric, asked.pods
    layout = layout_of(plan, metric, series, asked.labels)
    if layout is None or layout.characters > asked.max_characters:
        return None
    if not all(_alike(series, group.positions) for group in layout.groups):
        return None
    firsts = with_pods([series[group.positions[0]] for group in layout.groups], plan.pod_label(metric))
    by_arm: dict[Arm, list[Series]] = {arm: [] for arm in ARMS}
    for group, first in zip(layout.groups, firsts, strict=True):
        by_arm[group.arm].append(first)
    sizes: dict[Target, int] = defaultdict(int)
    for group, first in zip(layout.groups, firsts, strict=True):
        sizes[first.target] += len(group.positions)
    found = processes(firsts, asked.started, sizes)
    step = _step(asked, by_arm, firsts, found)
    if step is None:
        return None
    spans = [step.stretch.of(first) for first in firsts]
    increases = [
        _increases(series, group, first, found[first.target], span)
        for group, first, span in zip(layout.groups, firsts, spans, strict=True)
    ]
    totals: dict[Arm, float] = dict.fromkeys(ARMS, 0.0)
    for group, counted in zip(layout.groups, increases, strict=True):
        totals[group.arm] += sum(counted)
    if min(map(min, increases)) < 0:
        return None
    # Sums of another order differ in their last digit.
    if uncounted(by_arm, step.stretch, {arm: [total] for arm, total in totals.items()}) or not (
        max(totals.values()) < MAX_COUNT / 2
    ):
        return None
    quality = Quality(layout.series, newest(firsts), detail=step.detail)
    window = Window(begin=step.span.begin, end=step.span.end)
    rounded = [[round(each) for each in counted] for counted in increases]
    if isinstance(metric.source, Bucketed):
        up_to = _up_to_edges(layout, rounded)
        measured = as_distribution(metric, metric.source, layout.edges, up_to, window, quality)
        return (measured, step.after) if measured.status == "ok" else None
    assert isinstance(metric.source, Counted), "nothing else has a layout"
    whole = as_proportion(metric.source, _by_pod(layout.groups, firsts, rounded, pods), window, quality)
    if metric.segment is not None:
        counts: dict[Arm, list[tuple[Series, int]]] = {arm: [] for arm in ARMS}
        for group, counted in zip(layout.groups, rounded, strict=True):
            named = with_pods([series[at] for at in group.positions], plan.pod_label(metric))
            counts[group.arm] += zip(named, counted, strict=True)
        whole = by_segment(plan.warmup, metric, metric.source, whole, counts, pods)
    return whole, step.after


def _alike(series: Sequence[Series], positions: Sequence[int]) -> bool:
    """Whether these have samples at the same times, and none falls."""
    times = series[positions[0]].times
    for position in positions:
        one = series[position]
        if (one.times is not times and one.times != times) or one.values != sorted(one.values):
            return False
    return True


def _step(
    asked: MetricWindow,
    by_arm: Mapping[Arm, Sequence[Series]],
    firsts: Sequence[Series],
    found: Mapping[Target, Process],
) -> Step | None:
    """What is counted now, None where that is not the same for all series of a process, or nothing is."""
    if not all(at_each_scrape(one, found[one.target]) for one in firsts):
        return None
    if missing(asked, by_arm, firsts):
        return None
    warm_at = warm_times(asked.plan, asked.metric, asked.pods)
    step = next_step(asked, firsts, found, warm_at)
    if not isinstance(step, Step):
        return None
    if not is_plain(asked.fetched.before, found) or not is_plain(step.after, found):
        return None
    if isinstance(asked.metric.source, Bucketed) and warm(by_arm, warm_at, step.span)[0] != by_arm:
        return None
    return step


def _increases(series: Sequence[Series], group: Group, first: Series, process: Process, span: Span) -> Sequence[float]:
    """What each series of a group has counted, as `increase` tells of one."""
    start, stop, based = counted_samples(first, process, span)
    if start >= stop:
        return [0.0] * len(group.positions)
    last = stop - 1
    if not based:
        return [series[at].values[last] for at in group.positions]
    return [(values := series[at].values)[last] - values[start - 1] for at in group.positions]


def _by_pod(
    groups: Sequence[Group], firsts: Sequence[Series], rounded: Sequence[Sequence[int]], pods: Pods
) -> dict[Arm, dict[str, tuple[int, int]]]:
    arms: dict[Arm, dict[str, tuple[int, int]]] = {arm: {} for arm in ARMS}
    for group, first, counted in zip(groups, firsts, rounded, strict=True):
        sums = [0, 0, 0, 0]
        for role, count in zip(group.roles, counted, strict=True):
            sums[role] += count
        pod, both = first.labels.get("pod", ""), sums[EVENT + TRIAL]
        pod = pod if pod in pods else ""
        events, trials = arms[group.arm].get(pod, (0, 0))
        arms[group.arm][pod] = events + sums[EVENT] + both, trials + sums[TRIAL] + both
    return arms


def _up_to_edges(layout: Layout, rounded: Sequence[Sequence[int]]) -> dict[Arm, Sequence[int]]:
    sums: dict[Arm, list[int]] = {arm: [0] * (NO_EDGE + 1) for arm in ARMS}
    for group, counted in zip(layout.groups, rounded, strict=True):
        of_arm = sums[group.arm]
        for role, count in zip(group.roles, counted, strict=True):
            of_arm[role] += count
    return {arm: found[: len(layout.edges)] for arm, found in sums.items()}
