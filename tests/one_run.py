"""A collector's registry of one run, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from serinus_collector.use_cases.ports import Commit, Lease
from serinus_contracts import AnalysisPlan, MetricsCollected
from serinus_counting.progress import packed, unpacked
from serinus_counting.windows import RunState


@dataclass
class OneRun:
    """A registry of one run, whose state goes the way of JSON."""

    state: RunState
    plan: AnalysisPlan
    found: list[MetricsCollected] = field(default_factory=list)

    async def load(self, run: str) -> tuple[RunState, AnalysisPlan]:
        return self.state, self.plan

    async def commit(
        self, lease: Lease, before: RunState, after: RunState, snapshot: MetricsCollected, due: int, cost_ms: float
    ) -> Commit:
        self.state = replace(after, progress={name: unpacked(packed(one)) for name, one in after.progress.items()})
        self.found.append(snapshot)
        return "done"

    async def lease(self, limit: int) -> tuple[Sequence[Lease], float]:
        raise NotImplementedError

    async def postpone(self, lease: Lease, due: int) -> None:
        return None

    async def give_back(self, leases: Sequence[Lease], due: int) -> None:
        raise NotImplementedError
