"""What the API answers."""

from typing import Any, Literal

from pydantic import BaseModel, Field, JsonValue
from serinus_contracts import CommandIssued, DecisionTaken, RolloutObserved, Run, VerdictReached
from serinus_contracts.base import Arm, Document, Millis
from serinus_contracts.events import Outcome, Phase, Verb
from serinus_contracts.operator_state import OperatorState
from serinus_contracts.weight import Percent
from serinus_readmodel.next_step import next_step
from serinus_readmodel.outcome import headline
from serinus_readmodel.run_history import Change, RunHistory


class RunSummary(BaseModel):
    """One run in a list."""

    id: str
    run: Run
    state: Literal["live"] | Outcome
    phase: Phase
    stage: int
    set_weight: Percent
    actual_weight: Percent
    verdict: Literal["proceed", "abort", "hold"] | None = None
    reason: str | None = None
    sentence: str | None = None
    headline: str = Field("", description="what to read first: how it ended, by whom and why, else the last verdict")
    images: dict[Arm, tuple[str, ...]] = Field({}, description="what each arm's pods run, by container")
    revision: int | None = Field(None, description="Argo's number of the canary's template")
    since: Millis | None = None
    end: Millis | None = Field(None, description="end of the snapshot that the verdict rests on")
    evaluated_requests: int = 0
    links: dict[str, str]


class RunDocument(RunSummary):
    """One run: what was told last of it."""

    next: str = Field(description="what happens next, in one sentence")
    operator: OperatorState = Field(description="who holds it, and who approved which step")
    observed: RolloutObserved
    last_verdict: VerdictReached | None = None
    last_described: VerdictReached | None = Field(
        None, description="the newest verdict with descriptions among its findings"
    )
    last_decision: DecisionTaken | None = None
    ending: DecisionTaken | None = Field(None, description="the act that ended it, as far as Serinus did it")
    waiting: DecisionTaken | None = Field(None, description="the act under way that something keeps")


class RunPage(BaseModel):
    """Runs in a list, live ones first."""

    items: list[RunSummary]
    next: str | None = Field(None, description="path of the next page; absent on the last")


class EventPage(BaseModel):
    """Events of a run as CloudEvents, the newest first."""

    items: list[dict[str, Any]]
    next: str | None = Field(
        None, description="path of the next page; a page may be short or empty and still have a next one"
    )


class Course(BaseModel):
    """How the run went: at most some hundred snapshots over all of it, and every change of verdict, oldest first."""

    points: list[dict[str, Any]]
    changes: list[Change]
    complete: bool = Field(description="it begins with the run's first snapshot")


class CommandBody(Document):
    """What to ask for."""

    verb: Verb
    step: int | None = Field(None, description="the step it is for, as seen by who asks; else the present one")
    reason: str = Field("", max_length=1000, description="why: kept in the audit trail")
    change: dict[str, JsonValue] = Field({}, description="override: JSON merge patch of the policy's spec")
    force: bool = Field(False, description="advance: also before anything was evaluated at the present weight")


class CommandAnswer(BaseModel):
    """The command as it was sent; a decision whose `cause` is its id answers it."""

    command: CommandIssued
    decisions: str = Field(description="path where the answer will be told")


def path_of(run: Run) -> str:
    """Where the API has the run."""
    return f"/v1/runs/{run.id}"


def summary(history: RunHistory) -> RunSummary:
    """The run in a list."""
    view = history.view
    seen, said = view.observed, view.verdict
    base = path_of(seen.run)
    parts = ("verdicts", "decisions", "report", "course", "plan", "events", "commands")
    return RunSummary(
        id=view.id,
        run=seen.run,
        state=seen.outcome or "live",
        phase=seen.phase,
        stage=seen.stage,
        set_weight=seen.set_weight,
        actual_weight=seen.actual_weight,
        verdict=said.verdict if said else None,
        reason=said.reason if said else None,
        sentence=said.sentence if said else None,
        headline=headline(view),
        images=seen.images,
        revision=seen.revision,
        since=said.since if said else None,
        end=said.end if said else None,
        evaluated_requests=said.evaluated_requests if said else 0,
        links={"self": base, "page": f"/runs/{view.id}"} | {part: f"{base}/{part}" for part in parts},
    )


def document(history: RunHistory, now: Millis) -> RunDocument:
    """The run by itself, at the moment `now`."""
    view = history.view
    return RunDocument(
        **dict(summary(history)),
        next=next_step(view, now),
        operator=view.operator,
        observed=view.observed,
        last_verdict=view.whole,
        last_described=view.described,
        last_decision=view.decision,
        ending=view.ending,
        waiting=view.waiting,
    )


def course_of(history: RunHistory) -> Course:
    """The run as the charts show it."""
    points = [course(point) for point in history.series]
    return Course(points=points, changes=history.changes, complete=history.first_evaluation in (None, 1))


def course(point: Any) -> dict[str, Any]:
    """A point of the course without NaN, which JSON does not have."""
    metrics = {
        name: {part: None if value != value else round(value, 6) for part, value in one._asdict().items()}
        for name, one in point.metrics.items()
    }
    return {**point._asdict(), "metrics": metrics}
