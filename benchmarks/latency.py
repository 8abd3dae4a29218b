"""Whole runs on latency alone in the buckets that services have, seeded: false aborts, what is found, what is promoted.

    python -m benchmarks.latency [--quick] [--runs N] [--seed N]

Margin 1.2. Edges are fixed by stable's day, as where a history is, or by one snapshot. Prints tables as it goes and
closes with one line of JSON: {"benchmark": "latency", "figures": {...}, "missed": [...]}.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import erfc, exp, inf, log, sqrt
from typing import Literal

import numpy as np
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.sequential.bucket_reach import bucket_reach
from serinus_judging.sequential.latency import Pair, chosen
from serinus_judging.sequential.layout import key_of, layout, slots_used

from benchmarks._figures import Figures, close
from benchmarks._plans import latency, plan
from benchmarks._serinus import Batch, Noises
from benchmarks._worlds import Floats

Survival = Callable[[float], float]
"""The share of requests slower than so many seconds."""

RATIO = 1.2
PER_EVALUATION, EVALUATIONS = 15_000, 160
WITHIN, BEYOND = (1.0, 1.1, 1.2), (1.4, 2.0)
"""Slowdowns that must not be aborted, and that must be found (four times in five from 1.4 on)."""
GRIDS: dict[str, tuple[float, ...]] = {
    "client libraries": (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    "OpenTelemetry": (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
    "demo": tuple(float(f"{0.005 * 1.1994**i:.4g}") for i in range(39)),
    "1.1 apart": tuple(0.001 * 1.1**i for i in range(97)),
    "native": tuple(2.0 ** (i / 4) for i in range(-40, 14)),
}


def lognormal(median: float, sigma: float) -> Survival:
    """With a median in seconds."""
    return lambda seconds: erfc(log(seconds / median) / sigma / sqrt(2)) / 2


def mixed(*parts: tuple[float, Survival]) -> Survival:
    """Shares of several, which add up to 1."""
    return lambda seconds: sum(share * slower(seconds) for share, slower in parts)


SHAPES: dict[str, Survival] = {
    "log-normal 60 ms, sd 0.6": lognormal(0.06, 0.6),
    "log-normal 150 ms, sd 0.25": lognormal(0.15, 0.25),
    "log-normal 2 ms, sd 0.5": lognormal(0.002, 0.5),
    "log-normal 300 ms, sd 1": lognormal(0.3, 1.0),
    "2 ms 80 %, 180 ms 20 %": mixed((0.8, lognormal(0.002, 0.3)), (0.2, lognormal(0.18, 0.3))),
    "exponential, mean 80 ms": lambda seconds: exp(-seconds / 0.08),
    "Weibull 3, 120 ms": lambda seconds: exp(-((seconds / 0.12) ** 3)),
    "half a second at most": lambda seconds: max(1 - seconds / 0.5, 0.0) ** 2,
}


@dataclass(frozen=True)
class Way:
    """How much is known before the run, and the canary's share of the traffic."""

    name: str
    noise: Literal["known", "assumed"]
    weight: float
    day: bool


WAYS = (
    Way("noise known, 1 %", "known", 0.01, day=True),
    Way("noise known, 1 %, first snapshot", "known", 0.01, day=False),
    Way("noise assumed, 10 %", "assumed", 0.1, day=True),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs and shapes, under a minute on one core")
    parser.add_argument("--runs", type=int, help="runs a row, by default 300 (50 with --quick)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    runs = options.runs or (50 if options.quick else 300)
    shapes = dict(list(SHAPES.items())[:5]) if options.quick else SHAPES
    grids = {name: GRIDS[name] for name in ("client libraries", "demo", "native")} if options.quick else GRIDS
    figures: Figures = {}
    missed: list[str] = []
    for way in WAYS:
        print(f"\n{way.name}; {runs} runs each: aborted (evaluations), promoted by proof")
        print(f"{'durations':28}{'buckets':18}{'seen from':>10}" + "".join(f"{f'x{f:g}':>16}" for f in WITHIN + BEYOND))
        for shape, slower in shapes.items():
            for grid, edges in grids.items():
                _row(way, shape, slower, grid, edges, runs, options.seed, figures, missed)
    close("latency", figures, missed)
    return 1 if missed else 0


def _row(
    way: Way,
    shape: str,
    slower: Survival,
    grid: str,
    edges: tuple[float, ...],
    runs: int,
    seed: int,
    figures: Figures,
    missed: list[str],
) -> None:
    random = np.random.default_rng([seed, *way.name.encode(), *shape.encode(), *grid.encode()])
    stable = _shares(slower, edges, 1.0)
    m = round(PER_EVALUATION * (1 - way.weight))
    first = np.round(10**7 * stable) if way.day else random.multinomial(m, stable)
    known = [int(v) for v in first]
    pairs = chosen(edges, known, RATIO)
    reach = bucket_reach(edges, known, RATIO)
    cells = []
    for factor in WITHIN + BEYOND:
        if not pairs:
            cells.append("blind")
            continue
        aborted, shown, evaluations = _runs(way, pairs, edges, _shares(slower, edges, factor), stable, runs, random)
        cells.append(f"{100 * aborted:.0f} % ({evaluations:.0f}) {100 * shown:.0f} %")
        name = f"{way.name}: {shape}, {grid}, x{factor:g}"
        figures[f"{name}: aborted"], figures[f"{name}: promoted"] = aborted, shown
        allowed = 0.01 + 2 * sqrt(0.01 * 0.99 / runs)
        if factor in WITHIN and aborted > allowed:
            missed.append(f"{name}: aborted {aborted:.3f}")
        if factor in BEYOND and shown > 0.05 + 2 * sqrt(0.05 * 0.95 / runs):
            missed.append(f"{name}: promoted {shown:.3f}")
        if factor > 1.03 * (reach.seen or inf) and way.noise == "known" and aborted < 0.8:
            missed.append(f"{name}: found {aborted:.2f} though seen from {reach.seen:.2f} on")
    seen = "nothing" if reach.seen is None else f"{reach.seen:.2f}"
    print(f"{shape:28}{grid:18}{seen:>10}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def _shares(slower: Survival, edges: tuple[float, ...], factor: float) -> Floats:
    """Of requests in each bucket, where all take `factor` times as long."""
    above = [1.0, *(slower(edge / factor) for edge in edges), 0.0]
    return np.array([max(before - after, 0.0) for before, after in pairwise(above)])


def _runs(
    way: Way, pairs: tuple[Pair, ...], edges: tuple[float, ...], canary: Floats, stable: Floats, runs: int,
    random: np.random.Generator,
) -> tuple[float, float, float]:  # fmt: skip
    """Shares of the runs aborted, and of those ever shown to be within the margin; evaluations to an abort."""
    rule = plan((latency(ratio=RATIO),), (way.weight,), ("nonInferiority",))
    scheme = layout(key_of(rule), (slots_used(pairs),))
    phi, kappa = (1.0, 0.0) if way.noise == "known" else (ASSUMED_PHI, ASSUMED_KAPPA)
    batch = Batch.of(scheme, Noises.uniform(phi, kappa, runs, 1, measured=way.noise == "known"))
    n, m = round(PER_EVALUATION * way.weight), round(PER_EVALUATION * (1 - way.weight))
    abort, channels = scheme.channels.abort, scheme.channels.count
    batch.state.past[:] = _counts(abort, channels, pairs, edges, stable, stable, n, 20 * m)[2:, None]
    promoted = np.zeros(runs, dtype=bool)
    for evaluation in range(EVALUATIONS):
        own, other = (random.multinomial(many, of, runs).astype(float) for many, of in ((n, canary), (m, stable)))
        counts = _counts(abort, channels, pairs, edges, own, other, 1, 1)
        batch.evaluate(counts, np.zeros(runs, dtype=int), np.full(runs, evaluation == 0))
        promoted |= batch.shown & (batch.aborted == 0)
        if (promoted | (batch.aborted > 0)).all():
            break
    found = batch.aborted[batch.aborted > 0]
    # what is promoted first has ended
    return float((batch.aborted > 0).mean()), float(promoted.mean()), float(found.mean()) if found.size else EVALUATIONS


def _counts(
    abort: int, channels: int, pairs: tuple[Pair, ...], edges: tuple[float, ...], canary: Floats, stable: Floats,
    n: int, m: int,
) -> Floats:  # fmt: skip
    """Counts (4, ..., C) of requests per bucket (..., edges + 1), each of which counts n and m times."""
    own, other = (np.flip(np.cumsum(np.flip(arm, axis=-1), axis=-1), axis=-1) for arm in (canary * n, stable * m))
    counts = np.zeros((4, *own.shape[:-1], channels))
    place = {edge: i + 1 for i, edge in enumerate(edges)} | {0.0: 0}
    for slot, pair in enumerate(pairs):
        for column, part in ((slot, pair.abort), (abort + slot, pair.proceed)):
            if part is not None:
                bottom, top = other[..., place[pair.above]], other[..., place[pair.below]]
                counts[0, ..., column], counts[1, ..., column] = own[..., place[pair.edge]], own[..., 0]
                counts[2, ..., column], counts[3, ..., column] = bottom + part * (top - bottom), other[..., 0]
    return counts


if __name__ == "__main__":
    sys.exit(main())
