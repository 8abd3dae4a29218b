"""Judges by name. A judge is one class; to add one, write it and name it here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.argo_analysis.threshold import ThresholdJudge
from serinus_judging.assessment import Assessment
from serinus_judging.rules import kayenta, recommendation, scorecard
from serinus_judging.sequential.judge import SequentialJudge


class Evidence(Protocol):
    """What a judge remembers of a run between two snapshots."""

    def pack(self) -> bytes:
        """As bytes, versioned, for `Judge.load` of the same judge."""
        ...


E = TypeVar("E", bound=Evidence)


class Judge(Protocol[E]):
    """A rule that turns snapshots into assessments. It does no I/O and reads no clock and no random source."""

    def start(self, plan: AnalysisPlan) -> E:
        """What is remembered before the first snapshot."""
        ...

    def judge(self, cases: Sequence[tuple[AnalysisPlan, E, MetricsCollected]]) -> list[tuple[E, Assessment]]:
        """What is remembered after one snapshot of each of different runs, and the judgement of each.

        Raises ValueError, for all, if evidence is of another plan.
        """
        ...

    def load(self, packed: bytes) -> E:
        """Evidence from bytes. Raises ValueError if they are not of this judge and version."""
        ...


JUDGES: Mapping[str, Judge[Any]] = {
    "sequential": SequentialJudge(),
    "scorecard": scorecard.JUDGE,
    "recommendation": recommendation.JUDGE,
    "threshold": ThresholdJudge(),
    "kayenta": kayenta.JUDGE,
}
"""By the name that a policy gives under `judge`."""
