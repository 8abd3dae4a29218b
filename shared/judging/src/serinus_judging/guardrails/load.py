"""How much a pod of the canary has to serve beside one of stable (docs/explanation/judging.md, "Load per pod").

Argo keeps all of stable's pods unless `dynamicStableScale` is set: at weight w a canary made for its share has
1 / (1 - w) times the load per pod. Errors and durations that follow load are then worse for that reason alone.
"""

from typing import NamedTuple

from serinus_contracts.events import MetricsCollected, Proportion
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import plain

from serinus_judging.plan_metrics import requests_metric

UNEQUAL = 1.25
"""Times as much load that is worth a word."""
ENOUGH = 100
"""Requests of an arm from which on its load is known."""


class Load(NamedTuple):
    """Requests per pod of both arms in a snapshot."""

    canary: float
    stable: float

    @property
    def ratio(self) -> float:
        """How many times as much a pod of the canary serves."""
        return self.canary / self.stable

    @property
    def text(self) -> str:
        """a pod of the canary serves 2 times as much as one of stable (500 and 250 requests in this snapshot)."""
        counts = f"{self.canary:,.0f} and {self.stable:,.0f} requests in this snapshot"
        return (
            f"a pod of the canary serves {plain(float(f'{self.ratio:.2g}'))} times as much as one of stable ({counts})"
        )


def heavier(plan: AnalysisPlan, snapshot: MetricsCollected, young: frozenset[str]) -> Load | None:
    """The load of warm pods, None where the canary's is about as much as stable's or less, or not known by pod.

    A pod that is gone served for a part of the window only.
    """
    measured = snapshot.metrics.get(plan.metrics[requests_metric(plan)].name)
    if measured is None or measured.status != "ok" or not isinstance(measured, Proportion):
        return None
    there = {pod.name for pod in snapshot.pods} - young
    means = []
    for pods in (measured.canary, measured.stable):
        trials = [n for name, (_, n) in pods.items() if n > 0 and name in there]
        if "" in pods or sum(trials) < ENOUGH:
            return None
        means.append(sum(trials) / len(trials))
    load = Load(*means)
    return load if load.ratio >= UNEQUAL else None
