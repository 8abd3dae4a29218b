"""From a plan to channels: which counts are tested, in which order, and with what share of the false-abort rate."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np
from serinus_contracts.metric import QUANTILES
from serinus_contracts.plan import AnalysisPlan, PlanMetric

from serinus_judging.arrays import Floats, Index
from serinus_judging.plan_metrics import is_rate
from serinus_judging.sequential.channels import Channels
from serinus_judging.sequential.latency import Pairs
from serinus_judging.sequential.segments import LOG_SHARES, PLACES, WHOLE

SLOTS = len(QUANTILES)
"""Channels kept per latency metric and side, used or not: the shape of evidence follows from the plan alone."""

SlotsUsed = tuple[int, int]
"""Of a latency metric's slots how many are in use, and how many of these, the first, have a part in proceeding."""


class Count(NamedTuple):
    """What is tested of one count, in the words of `Channels`."""

    ratio: float
    absolute: float
    falling: bool = False
    rate: bool = False
    unpaired: bool = False
    odds: bool = False


class MetricKey(NamedTuple):
    """Of a metric what shapes its channels."""

    latency: bool
    tested: Count
    weight: float
    segmented: bool = False


class LimitKey(NamedTuple):
    """Of a limit what shapes its channel; metric: index of the one that it bounds."""

    metric: int
    share: float
    falling: bool
    weight: float


class ChannelSpec(NamedTuple):
    """Where the counts of one channel come from: everything that follows the order of channels follows these.

    metric, limit: indexes into the plan's (limit: None for a channel of the metric itself); pair: index of the
    latency metric and of its slot (None for counts without edges); proceeds: the half of a slot that is for
    proceeding, which has an edge of its own; complement: trials without an event are counted; place: of one of the
    metric's segments.
    """

    metric: int
    limit: int | None = None
    pair: tuple[int, int] | None = None
    proceeds: bool = False
    complement: bool = False
    place: int | None = None


@dataclass(frozen=True)
class PlanKey:
    """What of a plan shapes its channels; equal for all runs of one policy."""

    stages: int
    metrics: tuple[MetricKey, ...]
    limits: tuple[LimitKey, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels in all, those that can abort, those with a part in proceeding."""
        latencies = sum(metric.latency for metric in self.metrics)
        proceed = len(self.metrics) + (SLOTS - 1) * latencies
        abort = proceed + len(self.limits) + PLACES * sum(metric.segmented for metric in self.metrics)
        return abort + SLOTS * latencies, abort, proceed

    @cached_property
    def proportions(self) -> tuple[int, ...]:
        """Indexes of the metrics that are counted by pod."""
        return tuple([i for i, metric in enumerate(self.metrics) if not metric.latency])

    @cached_property
    def channels(self) -> tuple[ChannelSpec, ...]:
        """Every channel in order: of each metric in turn, of each limit, then those that only proceed."""
        own: list[ChannelSpec] = []
        numbers = count()
        for i, metric in enumerate(self.metrics):
            number = next(numbers) if metric.latency else None
            own += [ChannelSpec(i)] if number is None else [ChannelSpec(i, pair=(number, k)) for k in range(SLOTS)]
            own += [ChannelSpec(i, place=place) for place in range(PLACES)] if metric.segmented else []
        limits = [
            # "at least 85 % convert" is "at most 15 % do not": the complement
            ChannelSpec(limit.metric, j, complement=limit.falling and not self.metrics[limit.metric].tested.rate)
            for j, limit in enumerate(self.limits)
        ]
        return (*own, *limits, *[spec._replace(proceeds=True) for spec in own if spec.pair])


@dataclass(frozen=True, eq=False)
class Layout:
    """Channels in groups: the plan's metrics in order, then its limits.

    specs: what each channel counts; first: where each group's abort channels start (also the boundaries for
    `combination.group_evidence`); size: how many are in use; proceed_first: where each metric's begin in
    `channels.proceed`, of which the first proceed_size have a part; log_share: ln 1/size of its group for each abort
    channel, -inf for an unused slot; weight: shares of the false-abort rate.
    """

    channels: Channels
    specs: tuple[ChannelSpec, ...]
    first: Index
    size: tuple[int, ...]
    proceed_first: tuple[int, ...]
    proceed_size: tuple[int, ...]
    log_share: Floats
    weight: Floats
    log_weight: Floats

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """`first` as plain numbers."""
        return tuple(self.first.tolist())

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """`weight` as plain numbers."""
        return tuple(self.weight.tolist())


@lru_cache(maxsize=4096)
def key_of(plan: AnalysisPlan) -> PlanKey:
    """The plan's shape."""
    names = [metric.name for metric in plan.metrics]
    return PlanKey(
        stages=len(plan.stages),
        metrics=tuple(_metric(metric) for metric in plan.metrics),
        limits=tuple(
            LimitKey(names.index(limit.metric), limit.share, limit.better == "higher", limit.weight)
            for limit in plan.limits
        ),
    )


def _metric(metric: PlanMetric) -> MetricKey:
    margin, late = metric.margin, metric.lag > 0
    odds = late and metric.count == "share"
    falling = metric.better == "higher"
    counted = Count(margin.ratio, margin.absolute, falling, is_rate(metric), unpaired=late, odds=odds)
    return MetricKey(metric.source.kind == "distribution", counted, metric.weight, metric.segment is not None)


def slots_used(pairs: Pairs) -> SlotsUsed:
    """Of the pairs of a latency metric only that which shapes channels; all slots while they are not yet fixed."""
    if pairs is None:
        return SLOTS, SLOTS
    return len(pairs), sum(pair.proceed is not None for pair in pairs)


@lru_cache(maxsize=4096)
def layout(key: PlanKey, slots: tuple[SlotsUsed, ...]) -> Layout:
    """The layout of a plan; slots: per latency metric in the plan's order."""
    counts = [_count(key, spec) for spec in key.channels]
    _, abort, _ = key.shape
    groups = [_group(key, spec) for spec in key.channels[:abort]]
    first = [groups.index(group) for group in range(len(key.metrics) + len(key.limits))]
    pairs = [key.channels[start].pair for start in first]
    size = [1 if pair is None else slots[pair[0]][0] for pair in pairs]
    segmented = [first[i] for i, metric in enumerate(key.metrics) if metric.segmented]
    proceed_size = [1 if pair is None else slots[pair[0]][1] for pair in pairs[: len(key.metrics)]]
    # a proportion proceeds by the channel that aborts, a latency slot by the half of its own
    proceed = [i for i, spec in enumerate(key.channels[:abort]) if spec.limit is None and spec.place is None]
    halves = iter(range(abort, len(key.channels)))
    counted = {metric: i for i, metric in enumerate(key.proportions)}
    weight = np.array([metric.weight for metric in key.metrics] + [limit.weight for limit in key.limits])
    shares = weight / float(weight.sum())
    return Layout(
        channels=Channels(
            ratio=np.array([each.ratio for each in counts]),
            absolute=np.array([each.absolute for each in counts]),
            falling=np.array([each.falling for each in counts], dtype=bool),
            rate=np.array([each.rate for each in counts], dtype=bool),
            unpaired=np.array([each.unpaired for each in counts], dtype=float),
            odds=np.array([each.odds for each in counts], dtype=bool),
            abort=abort,
            proceed=np.array([next(halves) if key.channels[i].pair else i for i in proceed], dtype=np.intp),
            stages=key.stages,
            proportion=np.array([counted.get(spec.metric, -1) for spec in key.channels], dtype=np.intp),
            strata=tuple((start, start + 1, start + 1 + PLACES) for start in segmented),
            alone=np.array([0.0 if spec.place is None else LOG_SHARES[spec.place] for spec in key.channels[:abort]]),
        ),
        specs=key.channels,
        first=np.array(first, dtype=np.intp),
        size=tuple(size),
        proceed_first=tuple(proceed.index(start) for start in first[: len(key.metrics)]),
        proceed_size=tuple(proceed_size),
        log_share=_log_shares(first, size, segmented, abort),
        weight=shares,
        log_weight=np.log(shares),
    )


def _group(key: PlanKey, spec: ChannelSpec) -> int:
    return spec.metric if spec.limit is None else len(key.metrics) + spec.limit


def _count(key: PlanKey, spec: ChannelSpec) -> Count:
    counted = key.metrics[spec.metric].tested
    if spec.limit is not None:
        share = key.limits[spec.limit].share
        if spec.complement:
            return Count(0.0, 1 - share)
        return counted._replace(ratio=0.0, absolute=share, falling=key.limits[spec.limit].falling)
    return counted if spec.pair is None else Count(1.0, 0.0)


def _log_shares(first: list[int], size: list[int], segmented: list[int], total: int) -> Floats:
    shares = np.full(total, -np.inf)
    for start, used in zip(first, size, strict=True):
        shares[start : start + used] = -np.log(max(used, 1))
    for start in segmented:
        shares[start] = np.log(WHOLE)
        shares[start + 1 : start + 1 + PLACES] = np.log(1 - WHOLE) + LOG_SHARES
    return shares
