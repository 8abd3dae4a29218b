"""One run collected in this process as a collector does it, without Redis: of the past or as it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from prometheus_client import CollectorRegistry
from serinus_contracts import AnalysisPlan, MetricsCollected, RolloutObserved
from serinus_contracts.base import Millis
from serinus_counting.progress import packed, unpacked
from serinus_counting.windows import RunState
from serinus_runtime.fair_slots import FairSlots

from serinus_collecting.collect_periods import PeriodProvider
from serinus_collecting.collect_snapshot import SnapshotCollector
from serinus_collecting.metric_queries import MetricQueries
from serinus_collecting.ports import Commit, Lease, Provider
from serinus_collecting.prometheus import GRACE_SECONDS
from serinus_collecting.telemetry import Telemetry

QUERIES_AT_ONCE = 8


@dataclass
class _OneRun:
    """A registry of one run, which nobody else collects."""

    state: RunState
    plan: AnalysisPlan
    snapshots: list[MetricsCollected] = field(default_factory=list)

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        return [], 0.0

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan]:
        return self.state, self.plan

    async def commit(
        self, lease: Lease, before: RunState, after: RunState, snapshot: MetricsCollected, due: Millis, cost_ms: float
    ) -> Commit:
        # Kept as Redis would give it back, within its bounds.
        self.state = replace(after, progress={name: unpacked(packed(one)) for name, one in after.progress.items()})
        self.snapshots.append(snapshot)
        return "done"

    async def postpone(self, lease: Lease, due: Millis) -> None:
        return None

    async def give_back(self, leases: Sequence[Lease], due: Millis) -> None:
        return None


class CollectedRun:
    """The snapshots of one run; each goes on where the one before it ended, whatever happens to the queries between.

    `state`: what is known of the run, ordinarily `RunState(observed, weight_constant_until)`. `provider`: the one that
    the plan names. `timeout`: seconds that one query may take.
    """

    def __init__(
        self, plan: AnalysisPlan, state: RunState, provider: Provider | PeriodProvider, timeout: float
    ) -> None:
        self._registry = _OneRun(state, plan)
        queries = MetricQueries(
            {} if isinstance(provider, PeriodProvider) else {plan.provider: provider},
            {plan.provider: FairSlots(QUERIES_AT_ONCE)},
            Telemetry(CollectorRegistry()),
            timeout + GRACE_SECONDS,
            stores={plan.provider: provider} if isinstance(provider, PeriodProvider) else {},
        )
        self._collector = SnapshotCollector(self._registry, queries, allowance_ms=0)

    @property
    def snapshots(self) -> Sequence[MetricsCollected]:
        """All that were taken, in order."""
        return self._registry.snapshots

    def forget(self) -> None:
        """Keep none of those that were taken: a run may go on for days."""
        self._registry.snapshots.clear()

    @property
    def scrape_ms(self) -> int | None:
        """The interval of scrapes, None while no answer has told it."""
        return self._registry.state.scrape_ms

    async def collect(
        self, observed: RolloutObserved, weight_constant_until: Millis, now: Millis
    ) -> MetricsCollected | None:
        """One snapshot, None if there is nothing new to collect: it ends an interval of scrapes before `now`, and not
        after `weight_constant_until`, up to when the Rollout is known to have stayed as `observed`.

        Metrics whose query fails say so in the snapshot; their windows are not moved.
        """
        registry, taken = self._registry, len(self._registry.snapshots)
        registry.state = replace(registry.state, observed=observed, weight_constant_until=weight_constant_until)
        await self._collector.collect(Lease(observed.run.id, now, now))
        return registry.snapshots[-1] if len(registry.snapshots) > taken else None
