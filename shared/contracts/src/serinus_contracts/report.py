"""The story of a run, in chapters that are written while it goes on, and the report that is made of them.

A report is made whenever it is asked for, while the run lives and after it; what is told late, such as that an abort
has been confirmed, is in the next one.
"""

import re
from collections.abc import Iterable, Sequence
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
    """One look. Of a long run not every one is kept; `sentence` is given where the verdict or its reason changed."""

    kind: Literal["judged"] = "judged"
    at: Millis
    look: int
    stage: int
    weight: Percent
    verdict: Verdict
    reason: Reason
    log_abort: float = Field(description="combined ln M; abort from ln(1 / false_abort) on")
    exposed: int = Field(description="requests that the canary has served in judged windows")
    sentence: str = ""

    @classmethod
    def by(cls, verdict: VerdictReached, *, changed: bool) -> Self:
        return cls(
            at=verdict.end,
            look=verdict.look,
            stage=verdict.stage,
            weight=verdict.weight,
            verdict=verdict.verdict,
            reason=verdict.reason,
            log_abort=round(verdict.log_abort, 4),
            exposed=verdict.exposed,
            sentence=verdict.sentence if changed else "",
        )


class Decided(Contract):
    kind: Literal["decided"] = "decided"
    decision: DecisionTaken


class Concluded(Contract):
    """The last verdict, whole: with the counts per metric."""

    kind: Literal["concluded"] = "concluded"
    verdict: VerdictReached


class Ended(Contract):
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
    why: str
    began: Millis
    ended: Millis | None = None
    looks: int = Field(0, description="how often it was judged")
    exposed: int = Field(0, description="requests that the canary has served in judged windows")
    stages: tuple[Staged, ...] = ()
    changes: tuple[Judged, ...] = Field((), description="looks at which the verdict or its reason changed")
    evidence: tuple[Judged, ...] = Field((), description="looks for a curve: all of a short run, fewer of a long one")
    verdict: VerdictReached | None = Field(None, description="the last one, with counts per metric")
    decisions: tuple[DecisionTaken, ...] = ()
    people: tuple[DecisionTaken, ...] = Field((), description="the decisions that a person caused")
    plan: AnalysisPlan


def make_report(chapters: Iterable[Chapter], verdict: VerdictReached | None = None) -> Report:
    """The report of a story; `verdict` is the newest one of a run that goes on.

    Raises ValueError if the story does not say of which run it is.
    """
    told = list(chapters)
    plans = [one for one in told if isinstance(one, Planned)]
    if not plans:
        raise ValueError("a story without its beginning")
    stages = tuple(one for one in told if isinstance(one, Staged))
    looks = [one for one in told if isinstance(one, Judged)]
    decisions = tuple(one.decision for one in told if isinstance(one, Decided))
    last = next((one.verdict for one in told if isinstance(one, Concluded)), verdict)
    end = next((one for one in told if isinstance(one, Ended)), None)
    if last and (not looks or looks[-1].at < last.end):
        looks.append(Judged.by(last, changed=last.changed))
    return Report(
        run=plans[-1].run,
        policy=plans[-1].plan.policy,
        outcome=end.outcome if end else None,
        why=_why(end, decisions, last),
        began=min([plans[0].at, *(one.at for one in stages)]),
        ended=end.at if end else None,
        looks=last.look if last else 0,
        exposed=last.exposed if last else 0,
        stages=stages,
        changes=tuple(one for one in looks if one.sentence),
        evidence=tuple(looks),
        verdict=last,
        decisions=decisions,
        people=tuple(one for one in decisions if one.actor != "serinus"),
        plan=plans[-1].plan,
    )


_ACTS = {"promoted": "promote", "aborted": "abort"}
# Of an abort that somebody else asked for Argo gives no reason.
_BY_ARGO = re.compile(r"RolloutAborted: Rollout aborted update to revision \d+: (?P<why>.+)", re.DOTALL)


def _why(end: Ended | None, decisions: Sequence[DecisionTaken], last: VerdictReached | None) -> str:
    """Why it ended as it did, or where it stands."""
    if end is None:
        newest = {one.action: one for one in decisions}
        waiting = [one for one in newest.values() if one.state == "waiting"]
        if waiting:
            return max(waiting, key=lambda one: one.decided).sentence
        held = [one.detail for one in decisions if one.action == "hold" and one.cause.startswith("no-verdict")]
        return last.sentence if last else f"not judged yet: {held[-1]}" if held else "not judged yet"
    if end.outcome in _ACTS:
        done = [one for one in decisions if one.action == _ACTS[end.outcome] and one.state == "confirmed"]
        by_argo = _BY_ARGO.match(end.trouble) if end.outcome == "aborted" else None
        if by_argo and all(one.actor == "somebody else" for one in done):
            return f"aborted by Argo: {by_argo['why']}"
        return done[-1].sentence if done else f"{end.outcome} by somebody else, not by Serinus"
    if end.outcome == "deleted":
        return "the Rollout was deleted, or is not watched any more"
    return "another revision or attempt took its place"
