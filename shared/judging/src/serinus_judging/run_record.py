"""What is kept of a run between evaluations: opened before a snapshot is judged, closed with its verdict."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from serinus_contracts import AnalysisPlan, MetricsCollected
from serinus_contracts.base import Millis
from serinus_contracts.events import Reason, Verdict

from serinus_judging.assessment import Assessment
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.judges import JUDGES, Evidence
from serinus_judging.served import Served


class RunMemory(NamedTuple):
    """What the judge and the guardrails remember of a run, and what its canary has served."""

    evidence: Evidence
    guardrails: GuardrailMemory
    served: Served


@dataclass(frozen=True)
class RunRecord:
    """The chain of a run, its last verdict, and the packed memory of the judge, of the guardrails and of what the
    canary served.

    `through` is the end of the last evaluated snapshot: version, order and dedupe in one. `since`: end of the snapshot
    that first gave the verdict for its reason. `gaps`: snapshots that could never be read. `plan`: digest of the plan
    that evidence and guardrails belong to.
    """

    through: Millis = 0
    evaluations: int = 0
    gaps: int = 0
    verdict: Verdict | None = None
    reason: Reason | None = None
    since: Millis = 0
    plan: str = ""
    evidence: bytes = b""
    guardrails: bytes = b""
    served: bytes = b""

    def bridged(self, snapshot: MetricsCollected) -> Self:
        """Before a snapshot behind a gap: what is missing is counted, not forgotten."""
        return replace(self, through=snapshot.follows, gaps=self.gaps + 1)

    def opened(self, plan: AnalysisPlan, snapshot: MetricsCollected) -> RunMemory:
        """What is remembered before a snapshot. Evidence belongs to the plan it was collected under; under a plan that
        changed in mid-run it starts again.

        Raises ValueError if it cannot be read by the plan's judge.
        """
        judge, same = JUDGES[plan.judge.name], self.plan == snapshot.plan
        return RunMemory(
            judge.load(self.evidence) if same and self.evidence else judge.start(plan),
            (GuardrailMemory.unpack(self.guardrails) if same else None) or GuardrailMemory.start(plan),
            Served.unpack(self.served),
        )

    def changed_by(self, assessment: Assessment) -> bool:
        """Whether the verdict or its reason is another one than before."""
        return (assessment.verdict, assessment.reason) != (self.verdict, self.reason)

    def closed(self, snapshot: MetricsCollected, assessment: Assessment, memory: RunMemory) -> Self:
        """After a snapshot, with what is remembered from then on."""
        return replace(
            self,
            through=snapshot.end,
            evaluations=self.evaluations + 1,
            verdict=assessment.verdict,
            reason=assessment.reason,
            since=snapshot.end if self.changed_by(assessment) else self.since,
            plan=snapshot.plan,
            evidence=memory.evidence.pack(),
            guardrails=memory.guardrails.pack(),
            served=memory.served.pack(),
        )
