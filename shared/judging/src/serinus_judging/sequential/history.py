"""What stable's past tells before the first snapshot counts: baseline, latency edges, noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from serinus_contracts.events import History
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import duration

from serinus_judging.arrays import Floats
from serinus_judging.histogram import edge_at_least
from serinus_judging.plan_metrics import is_rate
from serinus_judging.sequential import calibration, latency
from serinus_judging.sequential.counts import pair_of
from serinus_judging.sequential.latency import Pair, Pairs
from serinus_judging.sequential.layout import Layout
from serinus_judging.sequential.overdispersion import Noise, rounded

RECENT = 600_000
"""Milliseconds of history that make the first baseline."""
MAX_NAME = 64
"""Characters of a pod's name that are told."""


@dataclass(frozen=True, eq=False)
class Past:
    """Counts per block and pod, pods in an arbitrary but fixed order: events and trials (T, pods) per channel."""

    recent: Floats
    seconds: float
    counts: Floats
    edges: tuple[float, ...]
    pods: tuple[str, ...]
    rate: bool

    @classmethod
    def of(cls, history: History, rate: bool = False) -> "Past | None":
        """The usable part of a history; None if there is none. What cannot be counts of a pod counts as absent."""
        width = len(history.edges) + 1 if history.edges else 2
        if not history.ends or not history.pods or len(history.ends) != len(history.blocks):
            return None
        pods, nothing = len(history.pods), (0,) * width
        cells = [
            nothing if cell is None or len(cell) != width else cell
            for row in history.blocks
            for cell in (*row[:pods], *(nothing,) * (pods - len(row)))
        ]
        counts = np.array(cells, dtype=np.float64).reshape(len(history.blocks), pods, width)
        counts[(counts < 0).any(axis=-1)] = 0.0
        if width == 2 and not rate:
            counts[counts[..., 0] > counts[..., 1]] = 0.0
        ends = np.array(history.ends)
        order = calibration.order_of(history.pods)
        names = tuple([history.pods[i] for i in order])
        return cls(ends > ends.max() - RECENT, history.seconds, counts[:, order], history.edges, names, rate)

    def channel(self, edge: float | None) -> tuple[Floats, Floats]:
        """Events and trials (T, pods): of a proportion, or with `edge` what is slower than it."""
        if edge is None:
            return self.counts[..., 0], self.counts[..., 1]
        above = [own > edge for own in self.edges] + [True]
        return self.counts[..., above].sum(axis=-1), self.counts.sum(axis=-1)

    def slower(self, pair: Pair, part: float) -> tuple[Floats, Floats]:
        """Requests slower than a pair allows, and all (T, pods), as `Tails.interpolated` counts stable's."""
        events, trials = self.channel(pair.above)
        more = trials if not pair.below else self.channel(pair.below)[0]
        return events + part * (more - events), trials

    def left_out(self, measured: calibration.Measured) -> str:
        """Which outliers the noise was measured without, in words; empty if there are none."""
        if not measured.outlying:
            return ""
        of = duration(measured.outlying * self.seconds)
        pod = self.pods[measured.pod]
        name = pod if len(pod) <= MAX_NAME else f"{pod[: MAX_NAME - 1]}…"
        return f"noise measured without {of} of the day before, in which {name} differed most from stable's other pods"

    def pairs(self, ratio: float) -> Pairs:
        """Edges to test by the whole past's distribution."""
        totals = self.counts.sum(axis=(0, 1))
        return latency.chosen(self.edges, [int(v) for v in totals], ratio) or None


def pasts(plan: AnalysisPlan, history: Mapping[str, History]) -> dict[str, Past]:
    """Usable histories of the plan's metrics, by name."""
    found = {}
    for metric in plan.metrics:
        past = Past.of(history[metric.name], is_rate(metric)) if metric.name in history else None
        if past is not None and bool(past.edges) == (metric.source.kind == "distribution"):
            found[metric.name] = past
    return found


def learned(
    plan: AnalysisPlan, layout: Layout, pairs: Sequence[Pairs], found: Mapping[str, Past]
) -> tuple[Floats, Noise, tuple[str, ...]]:
    """The first baseline (2, C) and the noise of every channel, assumed where the past says too little; per metric
    what was left out of it, in words."""
    total, stages = layout.channels.count, max(layout.channels.stages, 1)
    past, noise = np.zeros((2, total)), Noise.assumed(stages, total)
    shares = [stage.weight / 100 for stage in plan.stages] or [0.5]
    left_out = [""] * len(plan.metrics)
    cache: dict[tuple[object, ...], calibration.Measured | None] = {}
    for index, spec in enumerate(layout.specs):
        name = plan.metrics[spec.metric].name
        known = found.get(name)
        if known is None or spec.place is not None:  # of a segment nothing is known before the run
            continue
        key: tuple[object, ...]
        if spec.pair is not None:
            pair = pair_of(spec, pairs)
            part = None if pair is None else pair.proceed if spec.proceeds else pair.abort
            if pair is None or part is None:
                continue
            events, trials = known.slower(pair, part)
            key = (name, pair.below, pair.above, part)
        else:
            edge = plan.limits[spec.limit].edge if spec.limit is not None else None
            if edge is not None and edge not in known.edges:
                edge = edge_at_least(known.edges, edge)
                if edge is None:
                    continue
            events, trials = known.channel(edge)
            if spec.complement:
                events = trials - events
            key = (name, edge, spec.complement)
        past[:, index] = events[known.recent].sum(), trials[known.recent].sum()
        if key not in cache:
            snapshots = max(known.seconds / plan.interval, 1.0)
            cache[key] = calibration.measured(events, trials, shares, snapshots, known.rate)
        measured = cache[key]
        if measured is not None:
            noise.phi[index] = np.float32(measured.phi)
            noise.kappa[:, index] = rounded(measured.kappa)
            noise.lasting[:, index] = rounded(measured.lasting)
            noise.measured[index] = True
            left_out[spec.metric] = left_out[spec.metric] or known.left_out(measured)
    return past, noise, tuple(left_out)
