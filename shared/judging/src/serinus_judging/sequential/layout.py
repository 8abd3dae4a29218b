"""From a plan to channels: which counts are tested, in which order, and with what share of the budget."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from serinus_contracts.metric import QUANTILES
from serinus_contracts.plan import AnalysisPlan, PlanMetric

from serinus_judging.arrays import Floats, Index
from serinus_judging.plan_metrics import is_rate
from serinus_judging.sequential.channels import Channels
from serinus_judging.sequential.latency import COARSE_ABSOLUTE, COARSE_RATIO, Pair

SLOTS = len(QUANTILES)
"""Channels kept per latency metric and side, used or not: the shape of evidence follows from the plan alone."""

MetricKey = tuple[str, float, float, bool, bool, bool, bool, float]
LimitKey = tuple[int, float, bool, float]
ChannelKey = tuple[float, float, bool, bool, bool, bool]
Coarse = tuple[tuple[bool, bool], ...] | None


@dataclass(frozen=True)
class PlanKey:
    """What of a plan shapes its channels; equal for all runs of one policy."""

    stages: int
    metrics: tuple[MetricKey, ...]
    limits: tuple[LimitKey, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels in all, those that can abort, those with a part in proceeding."""
        latencies = sum(metric[0] == "distribution" for metric in self.metrics)
        proceed = len(self.metrics) + (SLOTS - 1) * latencies
        abort = proceed + len(self.limits)
        return abort + SLOTS * latencies, abort, proceed


@dataclass(frozen=True, eq=False)
class Layout:
    """Channels in groups: the plan's metrics in order, then its limits.

    first: where each group's abort channels start (also the boundaries for `ledger.group_evidence`); size: how many
    are in use; proceed_first: where each metric's begin in `channels.proceed`; log_share: ln 1/size of its group for
    each abort channel, -inf for an unused slot; weight: shares of the false-abort budget.
    """

    channels: Channels
    first: Index
    size: tuple[int, ...]
    proceed_first: tuple[int, ...]
    log_share: Floats
    weight: Floats
    log_weight: Floats

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """`first` as plain numbers."""
        return tuple(self.first.tolist())

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """`weight` likewise."""
        return tuple(self.weight.tolist())


@lru_cache(maxsize=4096)
def key_of(plan: AnalysisPlan) -> PlanKey:
    """The plan's shape."""
    names = [metric.name for metric in plan.metrics]
    return PlanKey(
        stages=len(plan.stages),
        metrics=tuple(_metric(metric) for metric in plan.metrics),
        limits=tuple(
            (names.index(limit.metric), limit.share, limit.better == "higher", limit.weight) for limit in plan.limits
        ),
    )


def _metric(metric: PlanMetric) -> MetricKey:
    margin, late = metric.margin, metric.lag > 0
    return (
        metric.source.kind,
        margin.ratio,
        margin.absolute,
        metric.better == "higher",
        is_rate(metric),
        late,
        late and metric.count == "share",
        metric.weight,
    )


def coarse_of(pairs: tuple[Pair, ...] | None) -> Coarse:
    """Of the pairs of a latency metric only that which shapes channels: whether each is coarse; None: not yet fixed."""
    if pairs is None:
        return None
    return tuple((pair.abort is None, pair.proceed is None) for pair in pairs)


@lru_cache(maxsize=4096)
def layout(key: PlanKey, coarse: tuple[Coarse, ...]) -> Layout:
    """The layout of a plan; coarse: per latency metric in the plan's order."""
    abort: list[ChannelKey] = []
    late: list[ChannelKey] = []
    proceed: list[int] = []
    first, size, proceed_first, weight = [], [], [], []
    slots = iter(coarse)
    late_start = key.shape[1]
    for kind, ratio, absolute, falling, rate, unpaired, odds, share in key.metrics:
        first.append(len(abort))
        proceed_first.append(len(proceed))
        weight.append(share)
        if kind == "proportion":
            proceed.append(len(abort))
            abort.append((ratio, absolute, falling, rate, unpaired, odds))
            size.append(1)
            continue
        pairs = next(slots)
        size.append(SLOTS if pairs is None else len(pairs))
        for slot in range(SLOTS):
            coarse_abort, coarse_proceed = pairs[slot] if pairs and slot < len(pairs) else (False, False)
            proceed.append(late_start + len(late))
            abort.append(_exceedance(coarse_abort))
            late.append(_exceedance(coarse_proceed))
    for metric, share, falling, limit_weight in key.limits:
        first.append(len(abort))
        weight.append(limit_weight)
        size.append(1)
        rate, unpaired, odds = key.metrics[metric][4:7]
        if falling and not rate:
            # "at least 85 % convert" is "at most 15 % do not": the complement, with the limit as absolute margin
            abort.append((0.0, 1 - share, False, False, False, False))
        else:
            abort.append((0.0, share, falling, rate, unpaired, odds))
    rows = abort + late
    total = float(sum(weight))
    shares = np.array(weight) / total
    return Layout(
        channels=Channels(
            ratio=np.array([row[0] for row in rows]),
            absolute=np.array([row[1] for row in rows]),
            falling=np.array([row[2] for row in rows], dtype=bool),
            rate=np.array([row[3] for row in rows], dtype=bool),
            unpaired=np.array([row[4] for row in rows], dtype=float),
            odds=np.array([row[5] for row in rows], dtype=bool),
            abort=len(abort),
            proceed=np.array(proceed, dtype=np.intp),
            stages=key.stages,
        ),
        first=np.array(first, dtype=np.intp),
        size=tuple(size),
        proceed_first=tuple(proceed_first),
        log_share=_log_shares(first, size, len(abort)),
        weight=shares,
        log_weight=np.log(shares),
    )


def _exceedance(coarse: bool) -> ChannelKey:
    ratio, absolute = (COARSE_RATIO, COARSE_ABSOLUTE) if coarse else (1.0, 0.0)
    return ratio, absolute, False, False, False, False


def _log_shares(first: list[int], size: list[int], total: int) -> Floats:
    shares = np.full(total, -np.inf)
    for start, used in zip(first, size, strict=True):
        shares[start : start + used] = -np.log(max(used, 1))
    return shares
