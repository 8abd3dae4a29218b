"""Holds the counts that were judged against what the scrapes at the windows' edges really showed.

The simulator logs every answer of every metrics page. From that log alone, and not by the collector's code, the
count of each window follows; and the chain of looks must be without a hole or a repeat, with one verdict each.
"""

import json
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from serinus_contracts import (
    AnalysisPlan,
    Bucketed,
    Counted,
    Keys,
    MetricsCollected,
    PlanMetric,
    Proportion,
    VerdictReached,
    from_entry,
)
from serinus_contracts.plan import any_of
from serinus_contracts.selector import Selector
from serinus_runtime.plans import Plans
from serinus_runtime.redis import Client

Times = Mapping[str, Sequence[int]]
NEAR_MS = 200
_PAGE_SERIES = re.compile(r"^(?P<name>[^{]+)(\{(?P<labels>.*)\})?$")


@dataclass(frozen=True)
class Ledger:
    """`windows` were compared, `faults` are the differences, each in a sentence."""

    windows: int
    faults: Sequence[str]

    @property
    def holds(self) -> bool:
        return not self.faults and self.windows > 0


@dataclass(frozen=True)
class Page:
    """One scrape of one pod: what each series showed, and how much of it a restart has hidden so far."""

    time: int
    values: Mapping[str, float]
    hidden: float


async def check(
    client: Client, keys: Keys, run: str, truth: Path, scraper: str = "simulator", times: Times | None = None
) -> Ledger:
    """Compare every judged window of the run with the log of scrapes (JSON Lines) by one scraper.

    A Prometheus stamps a sample with the time at which its scrape began, not with that of the answer which is in
    the log: `times` gives the stamps (ms) of each pod, in order.
    """
    looks = [look for look in await _events(client, keys.stream("snapshots"), MetricsCollected) if look.run.id == run]
    verdicts = [one for one in await _events(client, keys.stream("verdicts"), VerdictReached) if one.run.id == run]
    if not looks:
        return Ledger(0, ("no look was taken",))
    faults = [*_chain_faults(looks, verdicts)]
    pages = read_pages(truth, looks[0].run.namespace, looks[0].run.name, scraper)
    if times is not None:
        pages = {pod: _stamped(known, times.get(pod, ())) for pod, known in pages.items()}
    plans = Plans(client, keys)
    windows = 0
    for look in looks:
        plan = await plans.get(look.plan)
        assert plan is not None
        for name, measured in look.metrics.items():
            if (
                measured.status != "ok"
                or measured.window is None
                or measured.kind not in ("proportion", "distribution")
            ):
                continue
            metric = next(metric for metric in plan.metrics if metric.name == name)
            windows += 1
            for arm in ("canary", "stable"):
                seen = getattr(measured, arm)
                true = _expected(plan, metric, look, arm, pages)
                counted = _totals(seen.values()) if isinstance(measured, Proportion) else list(seen)
                if counted != true:
                    faults.append(f"{name} of {arm} in the look to {look.end}: counted {counted}, scrapes show {true}")
    return Ledger(windows, faults)


def _totals(pods: Iterable[tuple[int, int]]) -> list[int]:
    pairs = list(pods)
    return [sum(events for events, _ in pairs), sum(trials for _, trials in pairs)]


async def _events(client: Client, stream: str, kind: Any) -> list[Any]:
    entries: Any = await client.xrange(stream)
    # What somebody else wrote there is for the dead letters; ours have a type.
    return [from_entry(kind, fields).data for _, fields in entries if b"ce_type" in fields]


def _chain_faults(looks: Sequence[MetricsCollected], verdicts: Sequence[VerdictReached]) -> Iterable[str]:
    before = 0
    for look in looks:
        if look.follows != before:
            yield f"the look to {look.end} follows {look.follows}, the one before ended at {before}"
        before = look.end
    told = Counter(verdict.event_id() for verdict in verdicts)
    for name, times in told.items():
        if times > 1:
            yield f"verdict {name} was told {times} times"
    ends = [verdict.end for verdict in verdicts]
    if ends != sorted(ends):
        yield "verdicts are out of order"
    # The newest look may be on its way to its verdict.
    for look in looks[:-1]:
        if look.event_id() not in told:
            yield f"the look to {look.end} has no verdict"
    if any(verdict.quality.gaps for verdict in verdicts):
        yield f"{verdicts[-1].quality.gaps} gaps"


def read_pages(truth: Path, namespace: str, rollout: str, scraper: str) -> dict[str, list[Page]]:
    """The scrapes of each pod of a rollout by one scraper, in order of time."""
    pages: dict[str, list[Page]] = defaultdict(list)
    with truth.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # still being written
            scrape = json.loads(line)
            ours = (scrape["namespace"], scrape["rollout"]) == (namespace, rollout) and scrape["by"].startswith(scraper)
            if not ours or not scrape["ok"]:
                continue
            hidden = _counted(scrape["totals"]) - _counted(scrape["values"])
            pages[scrape["pod"]].append(Page(scrape["time"], scrape["values"], hidden))
    for known in pages.values():
        known.sort(key=lambda page: page.time)
    return pages


def _stamped(pages: Sequence[Page], stamps: Sequence[int]) -> list[Page]:
    """The pages with the stamps of their samples: each belongs to the nearest one."""
    found = []
    for page in pages:
        near = bisect_right(stamps, page.time)
        close = min(stamps[max(0, near - 1) : near + 1], key=lambda stamp: abs(stamp - page.time), default=None)
        if close is not None and abs(close - page.time) < NEAR_MS:
            found.append(replace(page, time=close))
    return found


def _counted(series: Mapping[str, float]) -> float:
    """All whole-number counters together; sums of latencies would bring the errors of floating point."""
    return sum(value for name, value in series.items() if "_sum" not in name)


def _expected(
    plan: AnalysisPlan, metric: PlanMetric, look: MetricsCollected, arm: str, pages: Mapping[str, Sequence[Page]]
) -> list[int]:
    """What the scrapes show for one metric and arm between the edges of its window."""
    window = look.metrics[metric.name].window
    assert window is not None
    assert isinstance(metric.source, Counted | Bucketed)
    hash_ = look.run.canary_hash if arm == "canary" else look.run.stable_hash
    shown: dict[str, float] = defaultdict(float)
    started = {pod.name: pod.started or 0 for pod in look.pods}
    for pod, known in pages.items():
        if pod.startswith(f"{look.run.name}-{hash_}-"):
            young = started.get(pod, 0) >= window.begin
            for series, count in _shown(known, look.stage_started, window.begin, window.end, young).items():
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
    counts: dict[str, float] = defaultdict(float)
    before = pages[base].values if base >= 0 else {}
    hidden = pages[base].hidden if base >= 0 else 0.0
    for page in pages[base + 1 : last + 1]:
        restarted = page.hidden != hidden
        for series, value in page.values.items():
            counts[series] += value if restarted else value - before.get(series, 0.0)
        before, hidden = page.values, page.hidden
    return counts


def parse_series(text: str) -> dict[str, str]:
    """Labels of a series as a metrics page writes it, with its name as `__name__`."""
    found = _PAGE_SERIES.match(text)
    assert found is not None
    selector = Selector.parse(text)
    return {"__name__": found["name"], **{matcher.label: matcher.value for matcher in selector.matchers}}
