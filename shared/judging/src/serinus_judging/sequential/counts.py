"""From a snapshot to the counts of each channel."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanLimit

from serinus_judging.arrays import Floats
from serinus_judging.histogram import edge_at_least
from serinus_judging.plan_metrics import is_rate
from serinus_judging.sequential.latency import Pair
from serinus_judging.sequential.layout import SLOTS
from serinus_judging.snapshot import NOTHING, Quad, Reading, Tails, read


class Counted(NamedTuple):
    """A snapshot in numbers: readings in the plan's order, counts (4, C), window lengths (C,), details of limits."""

    readings: tuple[Reading, ...]
    counts: Floats
    seconds: Floats
    details: Mapping[str, str]


def count(plan: AnalysisPlan, pairs: Sequence[tuple[Pair, ...] | None], snapshot: MetricsCollected) -> Counted:
    """All channels' counts; pairs: per latency metric, None while its edges are not yet fixed."""
    length = (snapshot.end - snapshot.follows) / 1000 if snapshot.follows else plan.interval
    readings: list[Reading] = []
    abort: list[Quad] = []
    late: list[Quad] = []
    seconds: list[float] = []
    late_seconds: list[float] = []
    slots = iter(pairs)
    for metric in plan.metrics:
        reading = read(metric, snapshot.metrics.get(metric.name), length)
        if metric.source.kind == "proportion":
            abort.append(reading.quad if reading.status == "ok" else NOTHING)
            seconds.append(reading.seconds)
        else:
            known = next(slots) or ()
            if reading.tails is not None and any(pair.stable not in reading.tails.place for pair in known):
                reading = Reading("error", "bucket edges changed during the run", measured=reading.measured)
            for pair in known:
                abort.append(_quad(reading.tails, pair.abort, pair.stable))
                late.append(_quad(reading.tails, pair.proceed, pair.stable))
            unused = [NOTHING] * (SLOTS - len(known))
            abort += unused
            late += unused
            seconds += [reading.seconds] * SLOTS
            late_seconds += [reading.seconds] * SLOTS
        readings.append(reading)
    details: dict[str, str] = {}
    for limit in plan.limits:
        position = next(i for i, metric in enumerate(plan.metrics) if metric.name == limit.metric)
        quad, detail = _limit(limit, is_rate(plan.metrics[position]), readings[position])
        abort.append(quad)
        seconds.append(readings[position].seconds)
        if detail:
            details[limit.name] = detail
    counts = np.array(abort + late, dtype=np.float64).T
    return Counted(tuple(readings), counts, np.array(seconds + late_seconds, dtype=np.float64), details)


def _quad(tails: Tails | None, own: float | None, stable: float) -> Quad:
    return NOTHING if tails is None else tails.quad(stable if own is None else own, stable)


def _limit(limit: PlanLimit, rate: bool, reading: Reading) -> tuple[Quad, str]:
    if reading.status != "ok":
        return NOTHING, reading.detail
    x, n, y, m = reading.quad
    if reading.tails is not None:
        edge = edge_at_least(reading.tails.edges, limit.edge or 0.0)
        if edge is None:
            return NOTHING, f"the histogram has no edge at or beyond {limit.edge or 0:g} s"
        x, n, y, m = reading.tails.quad(edge, edge)
    if limit.better == "higher" and not rate:
        return (n - x, n, m - y, m), ""
    return (x, n, y, m), ""
