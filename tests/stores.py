"""A store's points that arrive some time after they were counted, and metrics that are counted by period."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from serinus_contracts import AnalysisPlan
from serinus_rollouts.policy_documents import load_text
from serinus_rollouts.resolve import resolve
from serinus_rollouts.stages import Stage
from serinus_simulator.stores.points import Point

from tests.support import RUN

SOURCES = {
    "datadog": "{provider: main, preset: datadog}",
    "cloudwatch": "{provider: main, preset: cloudwatch, namespaceLabel: namespace}",
}
COUNTERS = {"datadog": ("shop.errors", "shop.requests"), "cloudwatch": ("Shop/errors", "Shop/requests")}


def stored_plan(api: str, metrics: str = "") -> AnalysisPlan:
    """The plan of a policy that counts by a store of sums."""
    events, trials = COUNTERS[api]
    text = f"""
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {{name: shop}}
spec:
  match: {{namespace: shop}}
  settle: 30s
  source: {SOURCES[api]}
  metrics:
  - {{name: errors, events: '{{"{events}"}}', trials: '{{"{trials}"}}'}}
{metrics}"""
    (policy,) = load_text(text, "policy.yaml")
    return resolve(policy, RUN, (Stage(5, 0, (1,), False),))


@dataclass
class Arriving:
    """Points by when they arrive, at a moment `now` (ms), under the names that an agent sends."""

    now: int = 0
    points: list[tuple[int, str, Point]] = field(default_factory=list)

    def add(self, name: str, arm: str, at: int, count: float, late_ms: int = 0, **tags: Any) -> None:
        of = {"namespace": "shop", "rollouts_pod_template_hash": "new" if arm == "canary" else "old"}
        self.points.append((at + late_ms, name, Point(of | tags, at, count)))

    def __call__(self, name: str, begin: int, end: int) -> Iterator[Point]:
        for arrives, of, point in self.points:
            if of == name and arrives <= self.now and begin <= point.at < end:
                yield point

    def counted(self, name: str, arm: str, begin: int, end: int) -> int:
        """All that was ever counted in this time."""
        hashed = "new" if arm == "canary" else "old"
        return round(
            sum(
                point.count
                for _, of, point in self.points
                if of == name and begin <= point.at < end and point.tags["rollouts_pod_template_hash"] == hashed
            )
        )
