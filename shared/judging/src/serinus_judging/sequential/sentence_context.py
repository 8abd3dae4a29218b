"""What a sentence may speak of: the run as it stands, and which of its metrics decides or looks worst."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import percent, plain

from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.report import Report
from serinus_judging.sequential.report_rows import Row
from serinus_judging.snapshot import stage_seconds

Phrase = Callable[[float, float | None], str]


@dataclass(frozen=True)
class Context:
    """All that a sentence may speak of; `started` are the metrics for which this snapshot only set the baseline."""

    report: Report
    snapshot: MetricsCollected
    started: tuple[int, ...]
    gating: tuple[int, ...]

    @property
    def plan(self) -> AnalysisPlan:
        """Without its gauges."""
        return self.report.plan

    @property
    def metrics(self) -> Sequence[PlanMetric]:
        """Of the plan."""
        return self.report.plan.metrics

    @property
    def evidence(self) -> Evidence:
        """After the snapshot."""
        return self.report.evidence

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return stage_seconds(self.snapshot)

    @property
    def weight(self) -> str:
        """Of the canary, such as 5 %."""
        return weight_text(self.snapshot.weight)

    def phrase(self, i: int) -> Phrase:
        """How the rate of a metric is written: a share in percent, a rate as a number."""
        return plain if self.metrics[i].count == "rate" else percent

    def falling(self, i: int) -> bool:
        """Whether higher is better."""
        return self.metrics[i].better == "higher"

    def strongest(self, i: int) -> Row | None:
        """The channel with the most evidence of harm; None before latency's edges are known."""
        rows = self.report.rows(i)
        return max(
            rows, key=lambda row: -inf if row.log_eprocess is None else row.log_eprocess + row.log_share, default=None
        )

    def weakest(self, i: int) -> Row | None:
        """The channel that is least shown to be within its margin; None before latency's edges are known."""
        rows = self.report.rows(i)
        return min(
            rows,
            key=lambda row: inf if row.log_eprocess_non_inferior is None else row.log_eprocess_non_inferior,
            default=None,
        )

    def worst(self, among: Sequence[int]) -> int:
        """The metric that looks worst: by the evidence that it is worse than allowed less that it is not."""
        report = self.report
        return max(among, key=lambda i: report.found.groups[i] - report.log_eprocess_non_inferior(i))

    def harmful(self) -> int:
        """The metric or limit with the most evidence of harm: of those that are worse by themselves, if any is."""
        found = self.report.found
        return max(found.worse or range(len(found.groups)), key=lambda i: found.groups[i])
