"""The worlds that the judge is tried in, by what is known of their noise, and what is to be reached in each."""

from dataclasses import dataclass, replace

from benchmarks._serinus import Known
from benchmarks._worlds import COLD, Noise, World

GAMMA, SHOCKS = Noise(gamma=0.2), Noise(gamma=0.1, shocks=0.02)
DRIFT, RETRIES = Noise(drift=0.3), Noise(retries=0.5)
ONE = (0.01,)
DURATIONS = World("latency", 0.1, weights=ONE, per_evaluation=15_000, durations=True)


@dataclass(frozen=True)
class Row:
    """A world, what is known of its noise, and the mean evaluations to detection that are to be reached;
    held: false aborts are to be as few as promised."""

    world: World
    known: Known = "known"
    target: float | None = None
    held: bool = True


FIGURES = (
    Row(World("0.01 % x 5 at 1 %", 1e-4, 5, weights=ONE), target=53.7),
    Row(World("0.1 % x 2 at 1 %", 1e-3, 2, weights=ONE), target=52.6),
    Row(World("0.1 % x 2, ramp", 1e-3, 2), target=35.2),
    Row(World("1 % x 1.5, ramp", 1e-2, 1.5), target=20.2),
    Row(World("0.1 % x 2 from 25 %", 1e-3, 2, onset=96), target=4.8),
    Row(World("0.1 % x 2 inside 25 %", 1e-3, 2, onset=112), target=6.0),
    Row(World("1 % x 1.5 inside 10 %", 1e-2, 1.5, onset=80)),
    Row(World("0.1 % x 1.5 inside 5 %", 1e-3, 1.5, onset=40)),
    Row(World("1 % x 1.1, ramp", 1e-2, 1.1), target=91.0),
    Row(World("0.01 %, ramp, healthy", 1e-4)),
    Row(World("10 % x 1.1, ramp", 0.1, 1.1)),
    Row(replace(DURATIONS, name="latency x 1.1", factor=1.1), target=6.3),
    Row(replace(DURATIONS, name="latency x 1.2", factor=1.2), target=2.7),
    Row(replace(DURATIONS, name="latency, 3 % x 4", tail=0.03), target=7.5),
    Row(World("conversion 3 % x 0.85, lag", 0.03, 0.85, higher=True, lag=6)),
    Row(World("conversion 90 % x 0.97, lag", 0.9, 0.97, higher=True, lag=6)),
    Row(World("resets, 0.1 % x 2", 1e-3, 2, resets=0.1)),
    Row(World("30 % of snapshots lost, x 2", 1e-3, 2, lost=0.3)),
)
NOISY = tuple(
    Row(World(f"{name}, {base:.3g}, x 2", base, 2, noise=noise), "history")
    for name, noise in (("gamma", GAMMA), ("shocks", SHOCKS), ("drift", DRIFT), ("retries", RETRIES))
    for base in (1e-3, 1e-2)
)
ASSUMED = tuple(Row(replace(row.world, ratio=1.25, absolute=2e-4), "assumed") for row in NOISY)
CLUSTERS, FOR_GOOD = Noise(retries=4), Noise(drift=0.3, memory=1)
IN_RUN = (
    Row(World("quiet, 0.001, x 2", 1e-3, 2), "in run", 42),
    Row(World("quiet, 0.01, x 2", 1e-2, 2), "in run", 10),
    Row(World("clusters of 5, 0.001, x 2", 1e-3, 2, noise=CLUSTERS), "in run"),
    Row(World("clusters of 5, no pods", 1e-3, 2, noise=CLUSTERS), "assumed"),
    Row(World("a bad half hour, x 2", 1e-3, 2, bad_blocks=6), "history", 42),
    Row(World("a job of an hour, x 2", 1e-3, 2, bad_blocks=12), "history", 42),
)
PODS: tuple[tuple[World, Known], ...] = (
    (World("clusters of 5, 1 %", 1e-2, noise=CLUSTERS), "in run"),
    (World("clusters of 5, no pods, 1 %", 1e-2, noise=CLUSTERS), "assumed"),
    (World("pods differ for good, 1 %", 1e-2, noise=FOR_GOOD), "history"),
    (World("pods wander slowly, 1 %", 1e-2, noise=Noise(drift=0.2, memory=0.99)), "in run"),
    (World("two pods that wander, 1 %", 1e-2, pods=2, noise=DRIFT), "in run"),
    (World("cold pods, 0.1 % x 10", 1e-3, cold=10, warmup=COLD), "history"),
)
DEFAULT = (
    *(Row(replace(world, ratio=1.25, absolute=1e-3), known) for world, known in PODS),
    # the canary's pods do have more errors: the verdict says what load they carry
    Row(World("errors as load squared", 1e-3, load=2, ratio=1.25, absolute=1e-3), "history", held=False),
)
MARGINS = (
    Row(World("0.2 % x 1.25", 2e-3, 1.25, ratio=1.25)),
    Row(World("30 % x 0.95", 0.3, 0.95, ratio=0.95, higher=True)),
)
LONG = Row(World("0.1 %, 1,600 evaluations", 1e-3, evaluations=1600))
