"""Judges by name. A judge is one file with two pure functions; to add one, write the file and name it here."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.argo_analysis import threshold
from serinus_judging.assessment import Assessment
from serinus_judging.rules import kayenta, recommendation, scorecard
from serinus_judging.sequential import judge


class Evidence(Protocol):
    """What a judge remembers of a run between two looks."""

    def pack(self) -> bytes:
        """As bytes, versioned, for `Judge.unpack` of the same judge."""
        ...


E = TypeVar("E", bound=Evidence)


class Judge(Protocol[E]):
    """A rule that turns looks into assessments. None of its functions does I/O or reads a clock or a random source."""

    def open(self, plan: AnalysisPlan) -> E:
        """What is remembered before the first look."""
        ...

    def look(self, plan: AnalysisPlan, evidence: E, snapshot: MetricsCollected) -> tuple[E, Assessment]:
        """What is remembered after the look, and the judgement. Raises ValueError for evidence of another plan."""
        ...

    def look_all(self, cases: Sequence[tuple[AnalysisPlan, E, MetricsCollected]]) -> list[tuple[E, Assessment]]:
        """A look at each of many different runs, as `look` would judge them one by one."""
        ...

    def unpack(self, packed: bytes) -> E:
        """Evidence from bytes. Raises ValueError if they are not of this judge and version."""
        ...


JUDGES: Mapping[str, Judge[Any]] = {
    "sequential": judge.JUDGE,
    "scorecard": scorecard.JUDGE,
    "recommendation": recommendation.JUDGE,
    "threshold": threshold.JUDGE,
    "kayenta": kayenta.JUDGE,
}
"""By the name that a policy gives under `judge`."""
