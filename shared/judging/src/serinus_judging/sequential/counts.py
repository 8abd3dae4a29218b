"""From a snapshot to the counts of each channel."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanLimit

from serinus_judging.arrays import Floats
from serinus_judging.histogram import edge_at_least
from serinus_judging.sequential.latency import Pair, Pairs
from serinus_judging.sequential.layout import ChannelSpec
from serinus_judging.snapshot import NOTHING, Quad, Reading, Tails, read, window_seconds


class Counted(NamedTuple):
    """A snapshot in numbers: readings in the plan's order, counts (4, C), window lengths (C,), details of limits."""

    readings: tuple[Reading, ...]
    counts: Floats
    seconds: Floats
    details: Mapping[str, str]


def count(
    plan: AnalysisPlan,
    specs: Sequence[ChannelSpec],
    pairs: Sequence[Pairs],
    snapshot: MetricsCollected,
) -> Counted:
    """All channels' counts; pairs: per latency metric, None while its edges are not yet fixed."""
    readings = _readings(plan, pairs, snapshot)
    quads: list[tuple[float, float, float, float]] = []
    details: dict[str, str] = {}
    for spec in specs:
        reading = readings[spec.metric]
        quad: tuple[float, float, float, float]
        if spec.limit is not None:
            limit = plan.limits[spec.limit]
            quad, detail = _limit(limit, spec.complement, reading)
            if detail:
                details[limit.name] = detail
        elif spec.pair is not None:
            quad = _slower(reading.tails, pair_of(spec, pairs), spec.proceeds)
        else:
            quad = reading.quad if reading.status == "ok" else NOTHING
        quads.append(quad)
    seconds = np.array([readings[spec.metric].seconds for spec in specs], dtype=np.float64)
    return Counted(readings, np.array(quads, dtype=np.float64).T, seconds, details)


def _readings(plan: AnalysisPlan, pairs: Sequence[Pairs], snapshot: MetricsCollected) -> tuple[Reading, ...]:
    length = window_seconds(plan, snapshot)
    readings, slots = [], iter(pairs)
    for metric in plan.metrics:
        reading = read(metric, snapshot.metrics.get(metric.name), length)
        if metric.source.kind == "distribution":
            known, tails = next(slots) or (), reading.tails
            if tails is not None and not all(_has(tails, pair) for pair in known):
                reading = Reading("error", "bucket edges changed during the run", measured=reading.measured)
        readings.append(reading)
    return tuple(readings)


def _has(tails: Tails, pair: Pair) -> bool:
    place = tails.place
    return pair.edge in place and pair.above in place and (not pair.below or pair.below in place)


def pair_of(spec: ChannelSpec, pairs: Sequence[Pairs]) -> Pair | None:
    """The edges of a latency channel, None for an unused slot."""
    assert spec.pair is not None
    latency, slot = spec.pair
    known = pairs[latency] or ()
    return known[slot] if slot < len(known) else None


def _slower(tails: Tails | None, pair: Pair | None, proceeds: bool) -> tuple[float, float, float, float]:
    if tails is None or pair is None:
        return NOTHING
    part = pair.proceed if proceeds else pair.abort
    return NOTHING if part is None else tails.interpolated(pair.edge, pair.below, pair.above, part)


def _limit(limit: PlanLimit, complement: bool, reading: Reading) -> tuple[Quad, str]:
    if reading.status != "ok":
        return NOTHING, reading.detail
    x, n, y, m = reading.quad
    if reading.tails is not None:
        edge = edge_at_least(reading.tails.edges, limit.edge or 0.0)
        if edge is None:
            return NOTHING, f"the histogram has no edge at or beyond {limit.edge or 0:g} s"
        x, n, y, m = reading.tails.quad(edge, edge)
    if complement:
        return (n - x, n, m - y, m), ""
    return (x, n, y, m), ""
