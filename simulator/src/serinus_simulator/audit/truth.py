"""What the scrapes really showed, by the simulator's log, and from that log alone what a window must count."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from serinus_contracts import AnalysisPlan, Bucketed, Counted, MetricsCollected, PlanMetric, Window
from serinus_contracts.plan import any_of
from serinus_contracts.selector import Selector

Times = Mapping[str, Sequence[int]]
Pages = Mapping[str, Sequence["Page"]]
# Prometheus moves a stamp by so much to keep its samples at even distances.
ALIGNED_MS = 2


@dataclass(frozen=True)
class Page:
    """One scrape of one pod: what each series showed, and how much of it a restart has hidden so far."""

    time: int
    values: Mapping[str, float]
    hidden: float


def read_truth(truth: Path, scraper: str) -> dict[tuple[str, str], dict[str, list[Page]]]:
    """The scrapes by one scraper, in order of time: by namespace and rollout, then by pod."""
    pages: dict[tuple[str, str], dict[str, list[Page]]] = defaultdict(lambda: defaultdict(list))
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # still being written
            scrape = json.loads(line)
            if not scrape["by"].startswith(scraper) or not scrape["ok"]:
                continue
            hidden = _counted(scrape["totals"]) - _counted(scrape["values"])
            page = Page(scrape["time"], scrape["values"], hidden)
            pages[scrape["namespace"], scrape["rollout"]][scrape["pod"]].append(page)
    for pods in pages.values():
        for known in pods.values():
            known.sort(key=lambda page: page.time)
    return pages


def stamped(pages: Sequence[Page], stamps: Sequence[int]) -> list[Page]:
    """The pages (in order of time) at the stamps of their samples (ms, in order).

    A scrape is answered after it has begun and before the next one of its pod begins, however slow it is. A page$
    without a stamp of its own came after the scraper had given up.
    """
    found: dict[int, Page] = {}
    for page in pages:
        begun = bisect_right(stamps, page.time + ALIGNED_MS) - 1
        if begun >= 0:
            found.setdefault(stamps[begun], replace(page, time=stamps[begun]))
    return list(found.values())


def _counted(series: Mapping[str, float]) -> float:
    """All whole-number counters together; sums of latencies would bring the errors of floating point."""
    return sum(value for name, value in series.items() if "_sum" not in name)


def expected(
    plan: AnalysisPlan, metric: PlanMetric, snapshot: MetricsCollected, arm: str, pages: Mapping[str, Sequence[Page]]
) -> list[int]:
    """What the scrapes show for one metric and arm between the edges of its window."""
    window = snapshot.metrics[metric.name].window
    assert window is not None
    assert isinstance(metric.source, Counted | Bucketed)
    hash_ = snapshot.run.canary_hash if arm == "canary" else snapshot.run.stable_hash
    shown: dict[str, float] = defaultdict(float)
    started = {pod.name: pod.started or 0 for pod in snapshot.pods}
    ours: Pages = {pod: known for pod, known in pages.items() if pod.startswith(f"{snapshot.run.name}-{hash_}-")}
    if metric.source.kind == "distribution":
        ours = _warm(ours, started, plan.warmup, window)
    for pod, known in ours.items():
        young = started.get(pod, 0) >= window.begin
        for series, count in _shown(known, snapshot.stage_started, window.begin, window.end, young).items():
            shown[series] += count
    if metric.source.kind == "proportion":
        events = trials = 0.0
        for series, count in shown.items():
            labels = parse_series(series)
            if not _of_metric(metric.source.query, labels):
                continue
            trials += count if any_of(metric.source.trials, labels) else 0
            events += count if any_of(metric.source.events, labels) else 0
        return [round(events), round(trials)]
    buckets: dict[float, float] = defaultdict(float)
    for series, count in shown.items():
        labels = parse_series(series)
        if _of_metric(metric.source.query, labels):
            buckets[float(labels["le"])] += count
    cumulative = [buckets[edge] for edge in sorted(buckets)]
    return [round(after - before) for before, after in zip([0.0, *cumulative], cumulative, strict=False)]


def _warm(pages: Pages, started: Mapping[str, int], warmup: float, window: Window) -> Pages:
    """The pods whose latency counts: warm when the window begins, or where none is, when it ends."""
    for edge in (window.begin, window.end):
        warm = {pod: known for pod, known in pages.items() if started.get(pod, 0) + 1000 * warmup <= edge}
        if any(window.begin < page.time <= window.end for known in warm.values() for page in known):
            return warm
    return {}


def _of_metric(query: Selector, labels: Mapping[str, str]) -> bool:
    """The page does not carry the labels that a scrape adds, so only the name is compared."""
    return query.name is None or labels["__name__"] == query.name


def _shown(pages: Sequence[Page], floor: int, begin: int, end: int, young: bool) -> dict[str, float]:
    """The increase of each series of a pod between two moments, by the scrapes at or before them."""
    times = [page.time for page in pages]
    last, base = bisect_right(times, end) - 1, bisect_right(times, begin) - 1
    if last < 0:
        return {}
    if base < 0 or times[base] < floor:
        # Nothing before the window: a pod that began inside it counts from zero, another only from its first scrape.
        base = base + 1 if not (base < 0 and young) else -1
    if base > last:
        return {}
    counts: dict[str, float] = defaultdict(float)
    before = pages[base].values if base >= 0 else {}
    hidden = pages[base].hidden if base >= 0 else 0.0
    for page in pages[base + 1 : last + 1]:
        restarted = page.hidden != hidden
        for series, value in page.values.items():
            counts[series] += value if restarted else value - before.get(series, 0.0)
        before, hidden = page.values, page.hidden
    return counts


@lru_cache(maxsize=100_000)
def parse_series(text: str) -> dict[str, str]:
    """Labels of a series as a metrics page writes it, with its name as `__name__`."""
    selector = Selector.parse(text)
    return {"__name__": selector.name or "", **{matcher.label: matcher.value for matcher in selector.matchers}}
