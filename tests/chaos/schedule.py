"""What goes wrong and when, drawn from a seed: the same seed draws the same schedule."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SERVICES = ("collector", "analyzer", "controller")
EACH = tuple(f"{name}-{number}" for name in SERVICES for number in (1, 2))
STREAMS = ("rollouts", "snapshots", "verdicts", "decisions", "commands")
PROMETHEUS = (
    {"effect": "status", "code": 503}, {"effect": "status", "code": 429}, {"effect": "html"}, {"effect": "partial"},
    {"effect": "slow", "seconds": 3.0}, {"effect": "drop", "metric": "http_requests_total"}, {"effect": "empty"},
)  # fmt: skip
KUBERNETES = (
    {"effect": "status", "code": 500}, {"effect": "status", "code": 429}, {"effect": "slow", "seconds": 2.0},
    {"effect": "drop", "when": "after"}, {"effect": "drop"}, {"effect": "close_watches"}, {"effect": "expire_watches"},
)  # fmt: skip
ARGO = ("lose_promotes", "lose_aborts", "repause")

# How often each is drawn, against the others.
WEIGHTS = {
    "kill": 6, "stop": 4, "redis-killed": 2, "redis-full": 2, "cut": 5, "prometheus": 5, "kubernetes": 4, "argo": 1,
    "scrapes": 3, "pod-restarts": 4, "pod-deleted": 3, "duplicate": 6, "garble": 4, "hold": 2,
    "clock": 3, "redis-clock": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """At `at` seconds, for `lasts` seconds. `draw` seeds what is drawn of the state at that time."""

    at: float
    kind: str
    lasts: float
    draw: int
    target: str = ""
    fault: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        what = " ".join([self.target, *(f"{name}={value}" for name, value in self.fault)]).strip()
        return f"{self.at:6.1f} s  {self.kind} {what} for {self.lasts:.1f} s"


@dataclass(frozen=True)
class Schedule:
    """`releases`: when each run begins. Each kind of trouble comes at least once; the backlog once, at the end."""

    seed: int
    releases: Sequence[float]
    bad: frozenset[int]
    troubles: Sequence[Trouble]


def draw(seed: int, runs: int, seconds: float) -> Schedule:
    rng = random.Random(seed)
    releases = sorted(rng.uniform(0, seconds * 0.6) for _ in range(runs))
    bad = frozenset(rng.sample(range(runs), max(1, runs // 4)))
    more = max(0, round(seconds / 2.5) - len(WEIGHTS))
    kinds = [*WEIGHTS, *rng.choices(list(WEIGHTS), weights=list(WEIGHTS.values()), k=more)]
    rng.shuffle(kinds)
    troubles = [_trouble(rng, kind, rng.uniform(2, seconds * 0.85)) for kind in kinds]
    troubles.append(Trouble(seconds * 0.5, "backlog", seconds * 0.3, rng.randrange(2**32)))
    return Schedule(seed, releases, bad, sorted(troubles, key=lambda trouble: trouble.at))


def _trouble(rng: random.Random, kind: str, at: float) -> Trouble:
    target, fault = "", dict[str, object]()
    lasts = rng.uniform(1, 5)
    if kind in ("kill", "stop"):
        target = rng.choice(EACH)
        lasts = rng.choice((0.0, rng.uniform(0.5, 8))) if kind == "kill" else rng.uniform(0.5, 18)
    elif kind in ("duplicate", "garble"):
        target, lasts = rng.choice(STREAMS), rng.choice((0.0, rng.uniform(1, 20)))
    elif kind == "prometheus":
        fault = dict(rng.choice(PROMETHEUS)) | {"probability": rng.choice((0.3, 1.0))}
    elif kind == "kubernetes":
        fault = dict(rng.choice(KUBERNETES))
        if not str(fault["effect"]).endswith("watches"):
            fault["probability"] = rng.choice((0.3, 1.0))
    elif kind == "argo":
        fault = {"effect": rng.choice(ARGO), "probability": 0.5}
    elif kind == "clock":
        # A host whose time was wrong, or is corrected; it stays so.
        target, fault = rng.choice(EACH), {"seconds": rng.choice((-1, 1)) * round(rng.uniform(5, 1800), 1)}
    elif kind == "redis-clock":
        # Where it is ahead, or goes back, everybody waits for so long.
        fault = {"seconds": rng.choice((-1, 1)) * round(rng.uniform(2, 20), 1)}
    elif kind == "scrapes":
        fault = {"probability": rng.choice((0.2, 1.0))}
    return Trouble(at, kind, lasts, rng.randrange(2**32), target, tuple(fault.items()))
