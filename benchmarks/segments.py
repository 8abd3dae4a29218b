"""Whole runs with and without `segment`, seeded: a regression in one route, and another mix of clients in the arms.

    python -m benchmarks.segments [--quick] [--runs N] [--seed N]

The same draws are judged by one count and by segments. Prints a table and closes with one line of JSON:
{"benchmark": "segments", "figures": {...}, "missed": [...]}.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from serinus_contracts.policy import Gate
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.sequential import run_noise, segments
from serinus_judging.sequential.layout import key_of, layout
from serinus_judging.sequential.segments import NAMED, PLACES

from benchmarks._drawing import Random
from benchmarks._figures import Figures, close
from benchmarks._plans import plan, proportion
from benchmarks._serinus import ALPHA, Batch, Noises
from benchmarks._worlds import EVALUATIONS, PER_EVALUATION, PODS, RAMP, Floats

ZIPF = tuple(1 / rank for rank in range(1, 21))
"""Twenty routes: the fifth has 5.6 % of the traffic, the tenth 2.8 %, the fifteenth 1.9 %."""
MARGINS = ((1.0, 0.0), (1.25, 0.001))
GATES: tuple[Gate, ...] = tuple("nonInferiority" for _ in RAMP)


@dataclass(frozen=True)
class World:
    """canary, stable: requests of each segment, relative; rates: of stable's errors in each; bad: times as many on the
    canary, by segment; gamma: variance of each pod's rate from one evaluation to the next, in all segments alike; own:
    the same of each segment for itself; clusters: of so many errors each, by segment; burst: a segment that fails on a
    pod for one evaluation, how often, and its rate then; lost: all errors of the canary have lost their label;
    per_evaluation: requests of both arms."""

    name: str
    canary: tuple[float, ...]
    stable: tuple[float, ...]
    rates: tuple[float, ...]
    bad: tuple[tuple[int, float], ...] = ()
    gamma: float = 0.0
    own: float = 0.0
    clusters: tuple[int, ...] = ()
    burst: tuple[int, float, float] | None = None
    lost: bool = False
    per_evaluation: int = PER_EVALUATION

    @property
    def factors(self) -> Floats:
        """Per segment."""
        found = np.ones(len(self.rates))
        for segment, factor in self.bad:
            found[segment] = factor
        return found


def routes(name: str, rate: float = 0.001, **other: object) -> World:
    """Twenty routes that fail alike on stable."""
    return World(name, ZIPF, ZIPF, (rate,) * len(ZIPF), **other)  # type: ignore[arg-type]


def clients(name: str, of_canary: float, **other: object) -> World:
    """Two clients with 1 % and 0.1 % errors; a fifth of stable's requests are of the first."""
    return World(name, (of_canary, 1 - of_canary), (0.2, 0.8), (0.01, 0.001), **other)  # type: ignore[arg-type]


ALL = tuple((segment, 2.0) for segment in range(20))
TRIPLE = tuple((segment, 3.0) for segment in range(20))
WORLDS = (
    routes("20 routes, healthy"),
    routes("20 routes, healthy, noisy pods", gamma=0.3),
    routes("20 routes, 1 %, healthy, noisy pods", 0.01, gamma=0.3),
    routes("20 routes, healthy, each noisy for itself", own=0.3),
    routes("20 routes, 1 %, healthy, each noisy for itself", 0.01, own=0.3),
    routes("20 routes, 1 %, healthy, errors in clusters of 5", 0.01, clusters=(5,) * 20),
    routes("20 routes, 1 %, healthy, one in clusters of 20", 0.01, clusters=(*(1,) * 9, 20, *(1,) * 10)),
    routes("5.6 % of the traffic x 5", bad=((4, 5.0),)),
    routes("2.8 % of the traffic x 10", bad=((9, 10.0),)),
    routes("2.8 % of the traffic x 10, noisy pods", bad=((9, 10.0),), gamma=0.3),
    routes("1.9 % of the traffic x 20", bad=((14, 20.0),)),
    routes("1.4 % of the traffic x 20, among the others", bad=((19, 20.0),)),
    routes("all routes x 2", bad=ALL),
    routes("all routes x 3", bad=TRIPLE),
    routes("20 routes, 0.5 %, healthy, 5.6 % of the traffic: one pod in 20 fails at 20 %", 0.005, burst=(4, 0.05, 0.2)),
    routes("20 routes, 0.5 %, healthy, 2.8 % of the traffic: one pod in 50 fails at 50 %", 0.005, burst=(9, 0.02, 0.5)),
    World(
        "2.8 % on a route that only the canary has, all fail", (*ZIPF, 0.1), (*ZIPF, 0.0), (0.001,) * 21, ((20, 1e3),)
    ),
    World(
        "2.8 % on a route that only the canary has, 5 % fail", (*ZIPF, 0.1), (*ZIPF, 0.0), (0.001,) * 21, ((20, 50.0),)
    ),
    routes("20 routes, healthy, the canary's errors without their label", lost=True),
    routes("all routes x 3, the canary's errors without their label", bad=TRIPLE, lost=True),
    clients("clients 20:80, healthy", 0.2),
    clients("clients 30:70 against 20:80, healthy", 0.3),
    clients("clients 50:50 against 20:80, healthy", 0.5),
    clients("clients 50:50 against 20:80, noisy pods, healthy", 0.5, gamma=0.3),
    clients("clients 20:80, x 2", 0.2, bad=((0, 2.0), (1, 2.0))),
    clients("clients 50:50 against 20:80, x 2", 0.5, bad=((0, 2.0), (1, 2.0))),
    clients("clients 10:90 against 20:80, x 2 (hidden by the mix)", 0.1, bad=((0, 2.0), (1, 2.0))),
)


class Ended(NamedTuple):
    """How runs ended: part that was aborted, mean evaluations to the end, part that was promoted by proof."""

    aborted: float
    evaluations: float
    promoted: float


def judged(world: World, margin: tuple[float, float], runs: int, seed: int, noise: Noises) -> tuple[Ended, Ended]:
    """Without and with segments, on the same draws."""
    random = np.random.default_rng([seed, *world.name.encode()])
    metric = proportion("errors", *margin, critical=True)
    batches = []
    for label in (None, "route"):
        own = plan((metric.model_copy(update={"segment": label}),), RAMP, GATES)
        batches.append(Batch.of(layout(key_of(own), ()), noise))
    promoted = np.zeros((2, runs), dtype=bool)
    stages = np.arange(EVALUATIONS) * len(RAMP) // EVALUATIONS
    for t in range(EVALUATIONS):
        counts, pods = _drawn(world, RAMP[stages[t]], runs, random)
        stage, fresh = np.full(runs, stages[t]), np.full(runs, t == 0 or stages[t] != stages[t - 1])
        whole = counts.sum(axis=-1, keepdims=True)
        for i, (batch, given) in enumerate(
            zip(batches, (whole, np.concatenate((whole, _placed(counts, world.lost)), -1)), strict=True)
        ):
            batch.evaluate(given, stage, fresh, pods=pods)
            if stages[t] == len(RAMP) - 1:
                promoted[i] |= batch.shown & (batch.aborted == 0)
    ended = []
    for batch, shown in zip(batches, promoted, strict=True):
        evaluations = np.where(batch.aborted > 0, batch.aborted, EVALUATIONS)
        ended.append(
            Ended(
                float((batch.aborted > 0).mean()),
                float(evaluations.mean()),
                float((shown & (batch.aborted == 0)).mean()),
            )
        )
    return ended[0], ended[1]


def _drawn(world: World, weight: float, runs: int, random: Random) -> tuple[Floats, Floats]:
    """Counts (4, runs, segments) of one evaluation, and events and trials of stable's units (2, runs, U, 1)."""
    arms, levels, bursts = [], [], []
    for mix, pods, share, factors in (
        (world.canary, max(int(np.ceil(PODS * weight)), 1), weight, world.factors),
        (world.stable, PODS, 1 - weight, np.ones(len(world.rates))),
    ):
        level = random.gamma(1 / world.gamma, world.gamma, (runs, pods)) if world.gamma else np.ones((runs, pods))
        trials = random.multinomial(round(world.per_evaluation * share), np.array(mix) / sum(mix), runs)
        mean = level.mean(axis=1)[:, None]
        if world.own:  # the mean over the pods, each of which is a gamma variable
            mean = mean * random.gamma(pods / world.own, world.own / pods, (runs, len(world.rates)))
        rate = np.array(np.broadcast_to(np.minimum(np.array(world.rates) * factors * mean, 1), trials.shape))
        if world.burst:
            segment, often, high = world.burst
            burst = np.where(random.random((runs, pods)) < often, high, rate[:, segment, None])
            rate[:, segment] = burst.mean(axis=1)
            bursts.append(burst)
        of = np.array(world.clusters or (1,))
        whole = np.floor(trials / of + random.random(trials.shape) * (of > 1)).astype(int)
        arms += [np.minimum(random.binomial(whole, rate) * of, trials), trials]
        levels.append(level)
    counts = np.array(arms, dtype=float)
    parts = levels[1] / levels[1].sum(axis=1, keepdims=True)
    each = np.array(world.clusters or (1,) * len(world.rates))
    by_pod = np.zeros((runs, PODS))
    if world.burst:
        at = world.burst[0]
        by_pod += random.multinomial(counts[2][:, at].astype(int), bursts[1] / bursts[1].sum(axis=1, keepdims=True))
        each[at] = 0
    for of in set(each.tolist()) - {0}:
        by_pod += random.multinomial((counts[2][:, each == of].sum(axis=-1) // of).astype(int), parts) * of
    units = np.zeros((2, runs, run_noise.UNITS, 1))
    for pod in range(PODS):
        units[0, :, pod % run_noise.UNITS, 0] += by_pod[:, pod]
        units[1, :, pod % run_noise.UNITS, 0] += counts[3].sum(axis=-1) / PODS
    return counts, units


def _placed(counts: Floats, lost: bool) -> Floats:
    """Counts (4, runs, PLACES): the segments with most requests have places of their own.

    lost: the canary's errors are not in the segments of their requests, and so compared as a whole.
    """
    both = counts[3].any(axis=0)
    order = np.argsort(-counts[[1, 3]].sum(axis=(0, 1)) * both, kind="stable")
    found = np.zeros((*counts.shape[:2], PLACES))
    if lost:
        return _by_place(counts)
    own = order[:NAMED]
    found[..., : len(own)], found[..., -1] = (
        counts[..., own],
        counts[..., order[NAMED:]][..., both[order[NAMED:]]].sum(axis=-1),
    )
    return found


def _by_place(counts: Floats) -> Floats:
    """Of each run as the judge takes them."""
    found = []
    for run in np.swapaxes(counts, 0, 1).astype(int).tolist():
        rows = [tuple(row) for row in zip(*run, strict=True)]
        named = {str(i): (0, n, y, m) for i, (_, n, y, m) in enumerate(rows)}
        named[""] = sum(run[0]), 0, 0, 0
        found.append(segments.by_place(tuple(map(str, range(NAMED))), named, (0, 0, 0, 0), rate=False))
    return np.array(found, dtype=float).transpose(2, 0, 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.segments", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few runs")
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--only", default="", help="worlds whose name has this")
    arguments = parser.parse_args()
    runs = 60 if arguments.quick else arguments.runs
    noise = Noises.uniform(ASSUMED_PHI, ASSUMED_KAPPA, runs, len(RAMP), measured=False)
    figures: Figures = {}
    missed: list[str] = []
    worlds = [world for world in WORLDS if arguments.only in world.name]
    print(f"Ramp 1 to 50 %, {EVALUATIONS} evaluations, noise of the run's own pods; {runs} runs")
    print("aborted (mean evaluations), proved")
    for world in worlds:
        for margin in MARGINS:
            name = f"{world.name}, margin {margin[0]:g} + {margin[1]:g}"
            pooled, segmented = judged(world, margin, runs, arguments.seed, noise)
            cells = [
                f"{100 * one.aborted:.1f} % ({one.evaluations:.1f}), {100 * one.promoted:.0f} %"
                for one in (pooled, segmented)
            ]
            print(f"| {name} | {cells[0]} | {cells[1]} |", flush=True)
            figures |= {f"{name}: {what}": round(value, 4) for what, value in segmented._asdict().items()}
            if not world.bad and segmented.aborted > ALPHA + 2 * np.sqrt(ALPHA / runs):
                missed.append(f"{name}: {100 * segmented.aborted:.1f} % of healthy canaries aborted")
    close("segments", figures, missed)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
