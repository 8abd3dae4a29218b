"""What a judge of rules remembers of a run, and how a snapshot is read for it.

The evidence of such a judge is a small model, kept as JSON: whoever looks into Redis can read it.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self, TypeVar

from serinus_contracts.base import Contract
from serinus_contracts.events import Gauge, MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanMetric

from serinus_judging.histogram import edge_at_least, quantile
from serinus_judging.packing import EvidenceError
from serinus_judging.run_progress import RunProgress
from serinus_judging.snapshot import NOTHING, Quad, Reading, stage_seconds, window_seconds, young_pods
from serinus_judging.snapshot import read as read_metric


class MetricTotals(Contract):
    """Counts of one metric over the run and in this stage: x of n on the canary, y of m on stable.

    Of latency the events are slower than `edge` (s), the one at or beyond stable's p95 when it was first seen.
    good: snapshots of this stage that could be judged.
    """

    run: Quad = NOTHING
    stage: Quad = NOTHING
    edge: float | None = None
    good: int = 0


class RuleState(Contract):
    """The part that all judges of rules have. kind: whose evidence it is, and of which version.

    totals: per metric of the plan; ended: why the run was aborted, if it was.
    """

    kind: str
    totals: tuple[MetricTotals, ...]
    progress: RunProgress = RunProgress()
    ended: str = ""

    def pack(self) -> bytes:
        """As bytes, which `unpacked` turns into an equal value."""
        return self.model_dump_json(exclude_defaults=True).encode()

    @classmethod
    def unpacked(cls, packed: bytes, kind: str) -> Self:
        """The value that was packed. Raises EvidenceError for anything else."""
        try:
            found = cls.model_validate_json(packed)
        except ValueError as error:
            raise EvidenceError(f"no evidence of {kind}: {error}") from error
        if found.kind != kind:
            raise EvidenceError(f"evidence of {found.kind}, not of {kind}")
        return found


S = TypeVar("S", bound=RuleState)


class RuleSnapshot(NamedTuple):
    """A snapshot as rules read it: one reading per metric of the plan; fresh: a stage has just begun."""

    snapshot: MetricsCollected
    readings: tuple[Reading, ...]
    fresh: bool

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return stage_seconds(self.snapshot)


def read(plan: AnalysisPlan, state: RuleState, snapshot: MetricsCollected) -> RuleSnapshot:
    """The readings of a snapshot. Raises EvidenceError for evidence of a plan with other metrics."""
    if len(state.totals) != len(plan.metrics):
        raise EvidenceError(f"evidence of {len(state.totals)} metrics does not fit the plan of {plan.policy}")
    length, young = window_seconds(plan, snapshot), young_pods(plan, snapshot)
    readings = tuple(
        _read(metric, known, snapshot, length, young) for metric, known in zip(plan.metrics, state.totals, strict=True)
    )
    return RuleSnapshot(snapshot, readings, state.progress.enters(snapshot))


def _read(
    metric: PlanMetric, known: MetricTotals, snapshot: MetricsCollected, length: float, young: frozenset[str]
) -> Reading:
    measured = snapshot.metrics.get(metric.name)
    if metric.source.kind == "gauge" and isinstance(measured, Gauge):
        return _gauge(measured, young, length)
    reading = read_metric(metric, measured, length)
    if reading.tails is not None and known.edge is not None and known.edge not in reading.tails.place:
        return Reading("error", "bucket edges changed during the run", length, measured=measured)
    return reading


def _gauge(measured: Gauge, young: frozenset[str], length: float) -> Reading:
    """Of the pods that are warm."""
    if measured.status != "ok":
        return Reading(measured.status, measured.detail, length, measured=measured)
    if not measured.canary:
        return Reading("no_data", "no pod of the canary", length, measured=measured)
    warm = {pod: v for pod, v in measured.canary.items() if pod not in young}
    if not warm:
        return Reading("settling", "the canary's pods are still warming up", length, measured=measured)
    return Reading("ok", measured.detail, length, measured=measured.model_copy(update={"canary": warm}))


def advanced(state: S, now: RuleSnapshot, progress: RunProgress) -> S:
    """The state after a snapshot."""
    totals = tuple(_added_up(old, reading, now.fresh) for old, reading in zip(state.totals, now.readings, strict=True))
    return state.model_copy(update={"totals": totals, "progress": progress})


def _added_up(old: MetricTotals, reading: Reading, fresh: bool) -> MetricTotals:
    edge, quad = old.edge, NOTHING
    if reading.status == "ok":
        quad = reading.quad
        tails = reading.tails
        if tails is not None and tails.edges:
            if edge is None:
                p95 = quantile(tails.edges, tails.counts[1], 0.95) or 0.0
                edge = edge_at_least(tails.edges, p95) or tails.edges[-1]
            quad = tails.quad(edge, edge)
    before = (NOTHING, 0) if fresh else (old.stage, old.good)
    good = before[1] + (reading.status == "ok")
    return MetricTotals(run=_added(old.run, quad), stage=_added(before[0], quad), edge=edge, good=good)


def _added(one: Quad, other: Quad) -> Quad:
    a, b, c, d = one
    x, n, y, m = other
    return a + x, b + n, c + y, d + m


class Tally(Contract):
    """What of one metric is added up in a stage beside its counts: buckets of both arms, or the canary's gauges."""

    edges: tuple[float, ...] = ()
    canary: tuple[int, ...] = ()
    stable: tuple[int, ...] = ()
    total: float = 0.0
    snapshots: int = 0

    @property
    def mean(self) -> float | None:
        """Of the gauge over the snapshots, each the mean over the canary's pods."""
        return self.total / self.snapshots if self.snapshots else None

    def quantiles(self, q: float) -> tuple[float, float] | None:
        """Of canary and stable in seconds; None while nothing was counted."""
        canary, stable = (quantile(self.edges, counts, q) for counts in (self.canary, self.stable))
        return None if canary is None or stable is None else (canary, stable)

    def after(self, reading: Reading) -> "Tally":
        """With a snapshot added, if it is good."""
        if reading.status != "ok":
            return self
        if isinstance(reading.measured, Gauge):
            values = reading.measured.canary.values()
            return self.model_copy(
                update={"total": self.total + sum(values) / len(values), "snapshots": self.snapshots + 1}
            )
        if reading.tails is None:
            return self
        edges, (canary, stable) = reading.tails.edges, reading.tails.counts
        if edges == self.edges:
            canary, stable = _summed(self.canary, canary), _summed(self.stable, stable)
        return Tally(edges=edges, canary=canary, stable=stable)


def _summed(one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


class TalliedState(RuleState):
    """A state with the tallies of this stage, one per metric."""

    tallies: tuple[Tally, ...] = ()


T = TypeVar("T", bound=TalliedState)


def tallied(evidence: T, now: RuleSnapshot) -> T:
    """The evidence with the snapshot in its tallies."""
    before = evidence.tallies if evidence.tallies and not now.fresh else (Tally(),) * len(now.readings)
    after = tuple(tally.after(reading) for tally, reading in zip(before, now.readings, strict=True))
    return evidence.model_copy(update={"tallies": after})
