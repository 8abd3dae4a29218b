"""Judges by name. A judge is one file with two pure functions; to add one, write the file and name it here."""

from collections.abc import Mapping
from typing import Protocol

from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan

from serinus_analyzer.domain.assessment import Assessment
from serinus_analyzer.domain.judges import sequential


class Evidence(Protocol):
    """What a judge remembers of a run between two looks."""

    def pack(self) -> bytes:
        """As bytes, versioned, for `Judge.unpack` of the same judge."""
        ...


class Judge(Protocol):
    """A rule that turns looks into assessments. Neither function does I/O or reads a clock or a random source."""

    def open(self, plan: AnalysisPlan) -> Evidence:
        """What is remembered before the first look."""
        ...

    def look(
        self, plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected
    ) -> tuple[Evidence, Assessment]:
        """What is remembered after the look, and the judgement."""
        ...

    def unpack(self, packed: bytes) -> Evidence:
        """Evidence from bytes. Raises ValueError if they are not of this judge and version."""
        ...


JUDGES: Mapping[str, Judge] = {"sequential": sequential.JUDGE}
"""By the name that a policy gives under `judge`."""
