"""Limits on gauges, values that pods have, such as memory (docs/explanation/judging.md, "Gauges").

A limit on a gauge is a fact about a pod: it aborts where the same pod is beyond it in two snapshots in a row.
"""

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from serinus_contracts.events import Gauge, MetricsCollected
from serinus_contracts.plan import PlanLimit
from serinus_contracts.wording import minute

from serinus_judging.guardrails.memory import LatchedAbort, identity

MAX_OVER_LIMIT = 32
"""Pods beyond a limit that are remembered, the furthest first."""


class OverLimit(NamedTuple):
    """A pod of the canary that is beyond a limit on a gauge."""

    limit: int
    pod: str
    value: float


def pods_over_limit(
    known: frozenset[tuple[int, int]], limits: Sequence[PlanLimit], snapshot: MetricsCollected, young: frozenset[str]
) -> tuple[frozenset[tuple[int, int]], LatchedAbort | None]:
    """Which pods are beyond which limit after a snapshot, and the abort of the first that was so in the one before.

    known: pairs of a limit's index and a pod's identity; they stay for a limit whose gauge was not measured now.
    """
    over = _over(limits, snapshot, young)
    unknown = {i for i, limit in enumerate(limits) if not _measured(snapshot, limit.metric)}
    now = frozenset({(one.limit, identity(one.pod)) for one in over} | {one for one in known if one[0] in unknown})
    twice = next((one for one in over if (one.limit, identity(one.pod)) in known), None)
    return now, _abort(limits[twice.limit], twice, snapshot) if twice else None


def _over(limits: Sequence[PlanLimit], snapshot: MetricsCollected, young: frozenset[str]) -> list[OverLimit]:
    """Canary pods beyond each limit in this snapshot, the furthest first; what is not finite is no value."""
    over_all: list[OverLimit] = []
    for number, limit in enumerate(limits):
        measured = snapshot.metrics.get(limit.metric)
        if not isinstance(measured, Gauge) or measured.status != "ok":
            continue
        sign = -1.0 if limit.better == "higher" else 1.0
        over = [
            OverLimit(number, pod, value)
            for pod, value in measured.canary.items()
            if sign * value > sign * limit.share and abs(value) < inf and pod not in young
        ]
        over_all += sorted(over, key=lambda one: (-sign * one.value, one.pod))[:MAX_OVER_LIMIT]
    return over_all


def _measured(snapshot: MetricsCollected, name: str) -> bool:
    measured = snapshot.metrics.get(name)
    return measured is not None and measured.status == "ok"


def _abort(limit: PlanLimit, over: OverLimit, snapshot: MetricsCollected) -> LatchedAbort:
    side = "under" if limit.better == "higher" else "over"
    text = f"{limit.metric} {over.value:.4g} on {over.pod}, {side} the limit of {limit.share:g}"
    return LatchedAbort("limit", limit.name, f"{text} in two snapshots in a row, the last at {minute(snapshot.end)}")
