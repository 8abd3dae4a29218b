"""The story of a run, in chapters that are written while it goes on, and the report that is made of them.

A report is made whenever it is asked for, while the run lives and after it; what is told late, such as that an abort
has been confirmed, is in the next one.
"""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter

from serinus_contracts.base import Contract, Millis
from serinus_contracts.events import DecisionTaken, Outcome, Reason, Run, Verdict, VerdictReached
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.weight import Percent


class Planned(Contract):
    """The run begins, or goes on under another plan since its steps were edited."""

    kind: Literal["planned"] = "planned"
    at: Millis
    run: Run
    plan: AnalysisPlan


class Staged(Contract):
    """The weight of a stage is in force."""

    kind: Literal["staged"] = "staged"
    at: Millis
    stage: int
    weight: Percent


class Judged(Contract):
    """One evaluation. Of a long run not every one is kept; `sentence` is there where verdict or reason changed."""

    kind: Literal["judged"] = "judged"
    at: Millis
    evaluation: int
    stage: int
    weight: Percent
    verdict: Verdict
    reason: Reason
    log_eprocess: float = Field(description="combined, natural logarithm; abort from ln(1 / false_abort_rate) on")
    evaluated_requests: int = Field(description="requests of the canary that were evaluated")
    sentence: str = ""

    @classmethod
    def by(cls, verdict: VerdictReached, *, changed: bool) -> Self:
        """The chapter of a verdict; `changed`: it or its reason is another than before, so its sentence is kept."""
        return cls(
            at=verdict.end,
            evaluation=verdict.evaluation,
            stage=verdict.stage,
            weight=verdict.weight,
            verdict=verdict.verdict,
            reason=verdict.reason,
            log_eprocess=round(verdict.log_eprocess, 4),
            evaluated_requests=verdict.evaluated_requests,
            sentence=verdict.sentence if changed else "",
        )


class Decided(Contract):
    """A decision, whole."""

    kind: Literal["decided"] = "decided"
    decision: DecisionTaken


class Concluded(Contract):
    """The last verdict, whole: with the counts per metric."""

    kind: Literal["concluded"] = "concluded"
    verdict: VerdictReached


class Ended(Contract):
    """The run is over."""

    kind: Literal["ended"] = "ended"
    at: Millis
    outcome: Outcome
    trouble: str = Field("", description="what Argo said was wrong then, in its words")


Chapter = Annotated[Planned | Staged | Judged | Decided | Concluded | Ended, Field(discriminator="kind")]
_CHAPTER: TypeAdapter[Chapter] = TypeAdapter(Chapter)


def read_chapter(document: str | bytes) -> Chapter:
    """Raises ValueError for what is no chapter."""
    return _CHAPTER.validate_json(document)


class Report(Contract):
    """What became of a run, why, and all that led to it. Without `outcome` it is still going on."""

    TYPE: ClassVar[str] = "dev.serinus.report.v1"
    run: Run
    policy: str
    outcome: Outcome | None = None
    concluded: Verdict | None = Field(
        None,
        description="last verdict of `serinus judge`, which compares and releases nothing: it has no outcome",
        exclude_if=lambda value: value is None,
    )
    why: str
    began: Millis
    ended: Millis | None = None
    evaluations: int = Field(0, description="how often it was judged")
    evaluated_requests: int = Field(0, description="requests of the canary that were evaluated")
    stages: tuple[Staged, ...] = ()
    changes: tuple[Judged, ...] = Field((), description="evaluations at which the verdict or its reason changed")
    evidence: tuple[Judged, ...] = Field((), description="for a curve: all of a short run, fewer of a long one")
    verdict: VerdictReached | None = Field(None, description="the last one, with counts per metric")
    decisions: tuple[DecisionTaken, ...] = ()
    people: tuple[DecisionTaken, ...] = Field((), description="the decisions that a person caused")
    plan: AnalysisPlan
