"""From a snapshot to the counts of each channel."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MetricsCollected, Proportion
from serinus_contracts.plan import AnalysisPlan, PlanLimit, PlanMetric

from serinus_judging import run_progress
from serinus_judging.arrays import Floats, Index
from serinus_judging.histogram import edge_at_least
from serinus_judging.plan_metrics import is_rate
from serinus_judging.run_progress import LastGood
from serinus_judging.sequential import run_noise, segments
from serinus_judging.sequential.latency import Pair, Pairs
from serinus_judging.sequential.layout import ChannelSpec
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.segments import Segments
from serinus_judging.sequential.state import SnapshotCounts
from serinus_judging.snapshot import NOTHING, Quad, Reading, Tails, all_warm, read, warm, window_seconds


class Counted(NamedTuple):
    """A snapshot in numbers: readings in the plan's order, counts (4, C), window lengths (C,), details of limits.

    followed: the pods of stable that are followed with these; pods (2, U, M): events and trials of their units, None
    where there are no two; segments: those of the metrics that have one, with this snapshot.
    """

    readings: tuple[Reading, ...]
    counts: Floats
    seconds: Floats
    details: Mapping[str, str]
    followed: tuple[int, ...] = ()
    pods: Floats | None = None
    segments: tuple[Segments, ...] = ()


def count(
    plan: AnalysisPlan,
    specs: Sequence[ChannelSpec],
    pairs: Sequence[Pairs],
    snapshot: MetricsCollected,
    followed: tuple[int, ...] = (),
    good: Sequence[LastGood] = (),
    before: tuple[Segments, ...] = (),
    fresh: bool = False,
) -> Counted:
    """All channels' counts; pairs: per latency metric, None while its edges are not yet fixed; good: per metric;
    before: its segments; fresh: its stage has just begun."""
    readings = _readings(plan, pairs, snapshot, good or run_progress.start(plan).good)
    after, places = _by_place(plan, readings, before, fresh) if before else (before, {})
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
        elif spec.place is not None:
            quad = places[spec.metric][spec.place]
        elif spec.pair is not None:
            quad = _slower(reading.tails, pair_of(spec, pairs), spec.proceeds)
        else:
            quad = reading.quad if reading.status == "ok" else NOTHING
        quads.append(quad)
    seconds = np.array([readings[spec.metric].seconds for spec in specs], dtype=np.float64)
    pods = _by_pod(plan, readings, followed)
    return Counted(readings, np.array(quads, dtype=np.float64).T, seconds, details, *pods, after)


def fold(noise: Noise, counted: Counted, stage: int, fresh: bool, noise_from: Index | None = None) -> SnapshotCounts:
    """The snapshot as a state takes it: what was not counted holds harmless numbers. noise_from: as of `Channels`."""
    counts = counted.counts
    valid = (counts[1] > 0) & (counts[3] > 0)
    if not valid.all():
        counts = np.where(valid, counts, 1.0)
    phi, kappa, lasting, measured = noise.phi, noise.kappa[stage], noise.lasting[stage], noise.measured
    if noise_from is not None:
        phi, kappa, lasting = phi[noise_from], kappa[noise_from], lasting[noise_from]
        measured = measured[noise_from]
    return SnapshotCounts(
        counts, valid, counted.seconds, np.array(stage), np.array(fresh), phi, kappa, lasting, measured, counted.pods
    )


def _by_pod(
    plan: AnalysisPlan, readings: Sequence[Reading], followed: tuple[int, ...]
) -> tuple[tuple[int, ...], Floats | None]:
    known = [_named(reading) for metric, reading in zip(plan.metrics, readings, strict=True) if _counted(metric)]
    names = dict.fromkeys([name for pods in known for name in pods])
    if len(names) < 2:
        return followed, None
    followed, units = run_noise.dealt(followed, names)
    width = len(known)
    cells = [0.0] * (2 * run_noise.UNITS * width)
    for column, pods in enumerate(known):
        for name, (x, n) in pods.items():
            place = units[name] * width + column
            cells[place] += x
            cells[place + run_noise.UNITS * width] += n
    return followed, np.array(cells).reshape(2, run_noise.UNITS, width)


def _by_place(
    plan: AnalysisPlan, readings: Sequence[Reading], known: Sequence[Segments], fresh: bool
) -> tuple[tuple[Segments, ...], dict[int, list[Quad]]]:
    """The segments after a snapshot, and by metric the counts of their places."""
    after, places = [], {}
    indexes = [i for i, metric in enumerate(plan.metrics) if metric.segment is not None]
    for index, each in zip(indexes, known, strict=True):
        named, others = segments.by_segment(plan.metrics[index].segment or "", readings[index])
        names = segments.placed(each.names, named)
        places[index] = segments.by_place(names, named, others, is_rate(plan.metrics[index]))
        after.append(segments.split(each._replace(names=names), places[index], readings[index].seconds, fresh))
    return tuple(after), places


def _counted(metric: PlanMetric) -> bool:
    return metric.source.kind == "proportion"


def _named(reading: Reading) -> dict[str, tuple[int, int]]:
    """Counts of stable's pods that have a name and are not left out."""
    measured = reading.measured
    if reading.status != "ok" or not isinstance(measured, Proportion):
        return {}
    pods, left_out = measured.stable, reading.left_out
    if not left_out and "" not in pods:
        return pods
    return {name: counts for name, counts in pods.items() if name and name not in left_out}


def _readings(
    plan: AnalysisPlan, pairs: Sequence[Pairs], snapshot: MetricsCollected, good: Sequence[LastGood]
) -> tuple[Reading, ...]:
    length, all_warm_at = window_seconds(plan, snapshot), all_warm(plan, snapshot)
    readings, slots = [], iter(pairs)
    for metric, last in zip(plan.metrics, good, strict=True):
        reading = read(metric, snapshot.metrics.get(metric.name), length)
        reading = warm(plan, snapshot, reading, all_warm_at, last.end)
        if metric.segment is not None:
            reading = segments.checked(metric.segment, is_rate(metric), reading)
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
