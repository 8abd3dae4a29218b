"""What a snapshot says of each metric: counts of both arms, and what is wrong with those that cannot be judged."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from serinus_contracts.base import Millis
from serinus_contracts.events import Distribution, Measurement, MetricsCollected, MetricStatus, Proportion
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import duration

from serinus_judging.histogram import tail_counts
from serinus_judging.plan_metrics import is_rate

Quad = tuple[int, int, int, int]
"""Counts of one channel: x of n on the canary, y of m on stable."""
NOTHING: Quad = (0, 0, 0, 0)
PATIENCE = 3.0
"""Times the warm-up for which an arm whose pods are all warming up is not counted."""


class Tails:
    """How many requests of each arm are slower than an edge, for the edges of one histogram."""

    def __init__(self, measured: Distribution, n: int, m: int) -> None:
        self.edges = measured.edges
        self.counts = measured.canary, measured.stable
        self.place = _places(measured.edges)
        self.canary, self.stable = tail_counts(measured.canary), tail_counts(measured.stable)
        self.n, self.m = n, m

    def interpolated(self, own: float, below: float, above: float, part: float) -> tuple[float, float, float, float]:
        """As `quad`, of stable those above `above` and a part of those between `below` (0: from the start) and it."""
        place = self.place
        try:
            x, bottom = self.canary[place[own]], self.stable[place[above]]
            top = self.stable[place[below]] if below else self.m
        except KeyError:
            return NOTHING
        return x, self.n, bottom + part * (top - bottom), self.m

    def quad(self, own: float, other: float) -> Quad:
        """The canary above its edge, stable above the other; NOTHING where the histogram lacks an edge."""
        i, j = self.place.get(own), self.place.get(other)
        return NOTHING if i is None or j is None else (self.canary[i], self.n, self.stable[j], self.m)


@lru_cache(maxsize=256)
def _places(edges: tuple[float, ...]) -> Mapping[float, int]:
    return {edge: place for place, edge in enumerate(edges)}


class Reading(NamedTuple):
    """One metric in one snapshot: its status after checking the counts, and what can be counted of it.

    quad: counts of a proportion; of a distribution (0, n, 0, m), with `tails` for the edges; cold: trials of canary and
    stable that are not in it, of pods that are warming up; left_out: their names; no_gate: why it may abort a canary
    but promotes none.
    """

    status: MetricStatus
    detail: str = ""
    seconds: float = 0.0
    quad: Quad = NOTHING
    tails: Tails | None = None
    measured: Measurement | None = None
    cold: tuple[int, int] = (0, 0)
    left_out: frozenset[str] = frozenset()
    no_gate: str = ""

    @property
    def without_requests(self) -> bool:
        """Measured well, but an arm served nothing."""
        return self.status == "no_data" and self.measured is not None and self.measured.status == "ok"


def window_seconds(plan: AnalysisPlan, snapshot: MetricsCollected) -> float:
    """How long the windows of a snapshot are that do not say so themselves."""
    return (snapshot.end - snapshot.follows) / 1000 if snapshot.follows else plan.interval


def stage_seconds(snapshot: MetricsCollected) -> float:
    """Seconds since the stage began."""
    return (snapshot.end - snapshot.stage_started) / 1000


def young_pods(plan: AnalysisPlan, snapshot: MetricsCollected, at: Millis | None = None) -> frozenset[str]:
    """Names of the pods that are still warming up at the end of the snapshot, or `at` another time."""
    old = (snapshot.end if at is None else at) - 1000 * plan.warmup
    return frozenset([pod.name for pod in snapshot.pods if pod.started is not None and pod.started > old])


def all_warm(plan: AnalysisPlan, snapshot: MetricsCollected) -> float:
    """From when on no pod of the snapshot is warming up any more, in ms."""
    return max([pod.started + 1000 * plan.warmup for pod in snapshot.pods if pod.started is not None], default=0.0)


def warm(
    plan: AnalysisPlan, snapshot: MetricsCollected, reading: Reading, all_warm_at: float, counted: Millis
) -> Reading:
    """A reading of a proportion without the counts of pods that were warming up when its window began.

    An arm of such pods alone settles, but for `PATIENCE` times the warm-up at most since the stage began or the metric
    was last counted: pods that are replaced all the time would never be judged. Where the source knows no pods nothing
    can be left out of a window: while the canary has such a pod, none is counted in the first seconds of a stage.
    all_warm_at: as `all_warm` tells; counted: end of the last window that was counted, 0 for none.
    """
    measured = reading.measured
    if reading.status != "ok" or not isinstance(measured, Proportion):
        return reading
    begin = measured.window.begin if measured.window else round(snapshot.end - 1000 * reading.seconds)
    if begin >= all_warm_at:
        return reading
    young = young_pods(plan, snapshot, begin)
    if measured.canary.keys() <= _NO_NAME:
        ours = any(pod.arm == "canary" for pod in snapshot.pods if pod.name in young)
        settled = begin >= snapshot.stage_started + 1000 * plan.warmup or not ours
        return reading if settled else reading._replace(status="settling", detail=_younger(plan, "the canary has pods"))
    arms = measured.canary, measured.stable
    (x, n), (y, m) = (summed({name: each for name, each in pods.items() if name not in young}) for pods in arms)
    all_x, all_n, all_y, all_m = reading.quad
    if (n, m) == (all_n, all_m):
        return reading
    details, left_out = [], young
    if not n or not m:
        arm = _younger(plan, "stable's pods are" if n else "the canary's pods are")
        if begin < max(snapshot.stage_started, counted) + 1000 * PATIENCE * plan.warmup:
            return reading._replace(status="settling", detail=arm)
        details.append(f"{arm}, and counted since none was older for {duration(PATIENCE * plan.warmup)}")
        if not n:
            x, n, left_out = all_x, all_n, left_out - measured.canary.keys()
        if not m:
            y, m, left_out = all_y, all_m, left_out - measured.stable.keys()
    left_out &= measured.canary.keys() | measured.stable.keys()
    if left_out:
        details.append(f"{_younger(plan, 'pods')} left out: {len(left_out)}")
    cold = all_n - n, all_m - m
    return reading._replace(quad=(x, n, y, m), detail="; ".join(details), cold=cold, left_out=left_out)


def _younger(plan: AnalysisPlan, what: str) -> str:
    return f"{what} younger than {duration(plan.warmup)}"


_NO_NAME = frozenset({""})


def read(metric: PlanMetric, measured: Measurement | None, seconds: float) -> Reading:
    """What one measurement gives; seconds: the window's length where it does not say."""
    if measured is None:
        return Reading("no_data", "not measured", seconds)
    window = measured.window
    if window is not None:
        seconds = (window.end - window.begin) / 1000
    if measured.status != "ok":
        return Reading(measured.status, measured.detail, seconds, measured=measured)
    tails = None
    if measured.kind != metric.source.kind:
        return Reading("error", f"measured as {measured.kind}, planned as {metric.source.kind}", measured=measured)
    if isinstance(measured, Proportion):
        x, n = summed(measured.canary)
        y, m = summed(measured.stable)
        fault = _impossible(x, n, y, m, is_rate(metric))
    elif not isinstance(measured, Distribution):
        return Reading("error", f"a {measured.kind} is not counted", measured=measured)
    else:
        x, y = 0, 0
        n, m, fault = _fits(measured)
        tails = None if fault else Tails(measured, n, m)
    if fault:
        return Reading("error", fault, seconds, measured=measured)
    counts = (x, n, y, m)
    if n == 0 or m == 0:
        return Reading("no_data", f"no requests on {'stable' if n else 'the canary'}", seconds, counts, None, measured)
    return Reading("ok", measured.detail, seconds, counts, tails, measured)


def summed(pods: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """Events and trials of all pods."""
    events = trials = 0
    for x, n in pods.values():
        events += x
        trials += n
    return events, trials


def _impossible(x: int, n: int, y: int, m: int, rate: bool) -> str:
    if min(x, n, y, m) < 0:
        return "counts below zero"
    if not rate and (x > n or y > m):
        arm, events, trials = ("canary", x, n) if x > n else ("stable", y, m)
        return f"more events than trials on the {arm} ({events:,} of {trials:,})"
    return ""


def _fits(measured: Distribution) -> tuple[int, int, str]:
    wanted = len(measured.edges) + 1
    for arm, buckets in (("canary", measured.canary), ("stable", measured.stable)):
        if len(buckets) != wanted:
            return 0, 0, f"{wanted - 1} edges do not fit {len(buckets)} buckets of the {arm}"
        if min(buckets) < 0:
            return 0, 0, "counts below zero"
    return sum(measured.canary), sum(measured.stable), ""
