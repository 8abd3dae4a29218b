"""Guardrails: growth and anomalies on simulated pods, seeded: how often the healthy are held, the bad are found.

    python -m benchmarks.guardrails [--quick] [--runs N]

One stage of an hour, 120 snapshots of pods whose memory differs by 5 % and walks at random; errors are 1 % everywhere.
A healthy row that is held or aborted more often than its false-abort rate is a missed goal.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from serinus_contracts.events import Gauge, MetricsCollected, Pod, Proportion, Window
from serinus_contracts.metric import Margin
from serinus_contracts.plan import AnalysisPlan, Gauged, PlanMetric
from serinus_contracts.selector import Selector
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import GuardrailMemory

from benchmarks._cost import snapshot
from benchmarks._figures import Figures, close
from benchmarks._plans import plan, proportion

SNAPSHOTS = 120
REQUESTS = 500
"""Of a pod in a snapshot."""
STARTED = 60_000
"""When the stage began, in ms: the pods have been there for long enough to be warm."""


@dataclass(frozen=True)
class World:
    """`walk`: deviation of a step of ln memory a snapshot. `growth` over the hour and `more` are the canary's alone."""

    name: str
    canary: int = 3
    pods: int = 12
    walk: float = 0.01
    growth: float = 0.0
    more: float = 0.0
    may_abort: bool = False

    @property
    def healthy(self) -> bool:
        """Whether the canary is like stable."""
        return not self.growth and not self.more


WORLDS = (
    World("healthy, 3 of 12 pods"),
    World("healthy, 1 of 10 pods", canary=1, pods=10),
    World("healthy, growth may abort", may_abort=True),
    World("50 % more over the hour", growth=0.5),
    World("50 % more over the hour, walk of 0.2 %", growth=0.5, walk=0.002),
    World("20 % more over the hour, walk of 0.2 %", growth=0.2, walk=0.002),
    World("half as much again from the start", more=0.5),
)


def rule(world: World) -> AnalysisPlan:
    """The plan that judges it."""
    query = Gauged(query=Selector.parse("memory"), value=())
    memory = PlanMetric(name="memory", source=query, margin=Margin(), may_abort=world.may_abort)
    return plan((proportion("errors", 1.25), memory), (0.25,), ("noRegression",))


def snapshots(world: World, random: np.random.Generator) -> Iterator[MetricsCollected]:
    """Of one run, the canary's pods first."""
    names = [f"{'new' if i < world.canary else 'old'}-{i}" for i in range(world.pods)]
    canary, stable = names[: world.canary], names[world.canary :]
    arms = [*[(name, "canary") for name in canary], *[(name, "stable") for name in stable]]
    pods = tuple(Pod.model_validate({"name": name, "arm": arm, "started": 0, "ready": True}) for name, arm in arms)
    own = np.arange(world.pods) < world.canary
    logs = random.normal(0, 0.05, world.pods) + own * np.log1p(world.more)
    logs = logs + np.cumsum(random.normal(0, world.walk, (SNAPSHOTS, world.pods)), axis=0)
    logs += np.outer(np.arange(1, SNAPSHOTS + 1) / SNAPSHOTS, own * np.log1p(world.growth))
    errors = random.binomial(REQUESTS, 0.01, (SNAPSHOTS, world.pods))
    for number in range(SNAPSHOTS):
        used = dict(zip(names, (0.4 * np.exp(logs[number])).tolist(), strict=True))
        failed = {name: (count, REQUESTS) for name, count in zip(names, errors[number].tolist(), strict=True)}
        memory = Gauge(
            status="ok", canary={name: used[name] for name in canary}, stable={name: used[name] for name in stable}
        )
        counts = Proportion(
            status="ok",
            window=Window(begin=STARTED + 30_000 * number, end=STARTED + 30_000 * (number + 1)),
            canary={name: failed[name] for name in canary},
            stable={name: failed[name] for name in stable},
        )
        taken = snapshot({"errors": counts, "memory": memory}, STARTED // 30_000 + number + 1, 0, STARTED, 25)
        yield taken.model_copy(update={"pods": pods})


def found(world: World, random: np.random.Generator) -> tuple[bool, bool, bool]:
    """Whether growth and an anomaly stood in the way at any check of a run, and whether growth aborted."""
    known = rule(world)
    memory = GuardrailMemory.start(known)
    grown = unlike = False
    for taken in snapshots(world, random):
        memory, _ = checks.evaluate(known, memory, taken)
        grown |= any(growth.exceeds for growth in memory.growth)
        unlike |= memory.anomaly is not None and memory.anomaly.exceeds
    return grown, unlike, memory.latched is not None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 runs of each world")
    parser.add_argument("--runs", type=int, default=300, help="of each world")
    given = parser.parse_args()
    runs = 40 if given.quick else given.runs
    figures: Figures = {}
    missed = []
    print(f"{runs} runs each\n{'world':<42} {'growth':>8} {'anomaly':>8} {'aborted':>8}")
    for number, world in enumerate(WORLDS):
        random = np.random.default_rng([1, number])
        rates = np.mean([found(world, random) for _ in range(runs)], axis=0)
        print(f"{world.name:<42} " + " ".join(f"{rate:>8.1%}" for rate in rates), flush=True)
        for what, rate in zip(("growth", "anomaly", "aborted"), rates.tolist(), strict=True):
            figures[f"{world.name}: {what}"] = rate
            allowed = rule(world).false_abort_rate
            if world.healthy and rate > allowed + 2 * np.sqrt(allowed * (1 - allowed) / runs):
                missed.append(f"{world.name}: {what} {rate:.3f}, allowed {allowed}")
    close("guardrails", figures, missed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
