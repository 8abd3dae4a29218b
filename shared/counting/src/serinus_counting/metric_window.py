"""What the counts of one metric in one window depend on beside its series."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from serinus_contracts import AnalysisPlan, PlanMetric
from serinus_contracts.base import Arm, Millis

from serinus_counting.resets import Span
from serinus_counting.stretch import Fetched

# Of both arms and all metrics of a snapshot, by the characters of their pods' names: what more pods count is one sum.
MAX_POD_CHARACTERS = 256 * 1024

ALONE = Fetched()
"""Nothing was counted before, and nothing else is asked for."""


@dataclass(frozen=True)
class MetricWindow:
    """One metric of a plan in one window.

    `pods` are the run's pods by name: arm, and when they started (ms). `scrape_ms`: the interval of scrapes, None where
    it is not known. `restarted`: how often the containers of pods did. `fetched`: what the answer stands on. `labels`
    names the labels of all series in their order, None where nothing does.
    """

    plan: AnalysisPlan
    metric: PlanMetric
    span: Span
    pods: Mapping[str, tuple[Arm, Millis | None]]
    scrape_ms: int | None
    restarted: Mapping[str, int] = field(default_factory=dict)
    fetched: Fetched = ALONE
    labels: Hashable | None = None

    @property
    def started(self) -> dict[str, Millis | None]:
        """When each pod started (ms)."""
        return {name: started for name, (_, started) in self.pods.items()}

    @property
    def max_characters(self) -> int:
        """Of the names of an arm's pods that are counted each by itself."""
        return MAX_POD_CHARACTERS // (2 * len(self.plan.metrics))

    @property
    def by_pod(self) -> bool:
        """Whether pods tell the arms."""
        return any(rule.label == "pod" for rule in self.plan.arms_of(self.metric))
