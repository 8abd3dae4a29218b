"""Whole runs of the judge for tests: snapshots in a row, each evidence packed and unpacked on the way."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from serinus_contracts.events import Measurement, MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanLimit
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.judge import SequentialJudge
from serinus_judging.sequential.overdispersion import Noise

from tests.unit.judging.builders import distribution, proportion, snapshot
from tests.unit.judging.told import Told

EDGES = tuple(round(0.05 * 1.08**i, 5) for i in range(45))


JUDGE = SequentialJudge()


def known_noise(plan: AnalysisPlan, phi: float = 1.0, kappa: float = 0.0) -> Evidence:
    """Evidence before the first snapshot, with the same noise everywhere as if it had been measured."""
    evidence = JUDGE.start(plan)
    return replace(evidence, noise=Noise.uniform(phi, kappa, *evidence.noise.kappa.shape))


def evaluated(plan: AnalysisPlan, evidence: Evidence, look: MetricsCollected) -> tuple[Evidence, Told]:
    """One snapshot of one run."""
    after, assessment = JUDGE.judge([(plan, evidence, look)])[0]
    return after, Told(assessment)


def judged(
    plan: AnalysisPlan, looks: Iterable[MetricsCollected], evidence: Evidence | None = None
) -> tuple[Evidence, Told]:
    """The last evidence and assessment, with phi 1 and kappa 0 unless evidence is given."""
    evidence = evidence or known_noise(plan)
    assessment = None
    for look in looks:
        evidence, assessment = evaluated(plan, evidence, look)
        evidence = Evidence.unpack(evidence.pack())
    assert assessment is not None
    return evidence, assessment


def steady(metrics: Callable[[], dict[str, Measurement]], looks: int, first: int = 1) -> list[MetricsCollected]:
    """So many looks of one stage."""
    return [snapshot(metrics(), number) for number in range(first, first + looks)]


def errors(x: int, n: int, y: int, m: int) -> Callable[[], dict[str, Measurement]]:
    """The same counts at each look."""
    return lambda: {"errors": proportion(x, n, y, m)}


def durations(median: float, count: int, seed: int = 0) -> list[int]:
    """Log-normal durations (sigma 1/2) in the buckets of EDGES."""
    random = np.random.default_rng(seed)
    places = np.searchsorted(EDGES, random.lognormal(np.log(median), 0.5, count))
    return [int(v) for v in np.bincount(places, minlength=len(EDGES) + 1)]


def slow(canary: float, stable: float = 0.2, n: int = 1000, m: int = 1000, seed: int = 0) -> Measurement:
    """Durations of both arms with these medians."""
    return distribution(EDGES, durations(canary, n, seed), durations(stable, m, seed + 1))


GOOD, BAD = errors(2, 1000, 2, 1000), errors(40, 1000, 2, 1000)
LIMIT = PlanLimit(name="errors above 0.1", metric="errors", share=0.1)
