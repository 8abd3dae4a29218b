"""What each judge does in a world: Serinus beside the others, on the same draws."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np

from benchmarks import _serinus
from benchmarks._drawing import chunks
from benchmarks._peers import PEERS, Rule
from benchmarks._rows import Row
from benchmarks._sequential_peers import SEQUENTIAL
from benchmarks._serinus import Outcome
from benchmarks._worlds import Drawn, World

SERINUS = "Serinus"


@dataclass(frozen=True)
class Line:
    """What one judge did in one world: shares of runs, mean evaluations and canary requests to detection, and
    the standard error of the evaluations."""

    false_aborts: float
    found: float
    evaluations: float
    requests: float
    promoted: float
    error: float


def lines_of(row: Row, runs: int, seed: int, peers: bool, started: float) -> dict[str, Line]:
    """What all judges do in one world, Serinus alone without `peers`; `started` is shown as progress."""
    world = row.world
    judge = partial(_serinus.judge, known=row.known, seed=seed)
    judges: dict[str, Rule] = {SERINUS: lambda drawn, _, __: judge(drawn)}
    judges |= {**PEERS, **SEQUENTIAL} if peers else {}
    parts: dict[str, list[Outcome]] = {name: [] for name in judges}
    false: dict[str, list[Outcome]] = {name: [] for name in judges}
    trials = np.zeros(world.evaluations)
    for drawn, null in _pairs(world, runs, seed):
        trials = drawn.n.mean(axis=0)
        rate = 1 / len(null.x)
        for name, rule in judges.items():
            false[name].append(rule(null, null, rate))
            if name == SERINUS:
                rate = max(rate, float((false[name][-1].aborted > 0).mean()))
            if not world.healthy:
                parts[name].append(rule(drawn, null, rate))
        print(f"\r{perf_counter() - started:5.0f} s  {world.name}", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)
    return {name: _line(world, false[name], parts[name], trials) for name in judges}


def _pairs(world: World, runs: int, seed: int) -> Iterator[tuple[Drawn, Drawn]]:
    """Runs of the world, and as many with a healthy canary."""
    yield from zip(chunks(world, runs, seed), chunks(world.null(), runs, seed + 1000), strict=True)


def _line(world: World, false: list[Outcome], parts: list[Outcome], trials: np.ndarray) -> Line:
    false_aborts = float((Outcome.joined(false).aborted > 0).mean())
    if not parts:
        return Line(false_aborts, 0, 0, 0, 0, 0)
    found = Outcome.joined(parts)
    early = (found.aborted > 0) & (found.aborted <= world.onset)  # false aborts, of which the regression knows nothing
    found = Outcome(found.aborted[~early], found.promoted[~early])
    if early.all():
        return Line(false_aborts, 0, np.inf, np.inf, 0, 0)
    end = np.where(found.aborted > 0, found.aborted, world.evaluations)
    evaluations = end - world.onset
    served = np.cumsum(trials)[end - 1] - (np.cumsum(trials)[world.onset - 1] if world.onset else 0)
    return Line(
        false_aborts,
        float((found.aborted > 0).mean()),
        float(evaluations.mean()),
        float(served.mean()),
        float(found.promoted.mean()),
        float(evaluations.std() / np.sqrt(len(evaluations))),
    )
