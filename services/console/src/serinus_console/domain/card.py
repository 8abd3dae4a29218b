"""One run: what was told last of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from serinus_contracts import AnalysisPlan, DecisionTaken, Event, Finding, PlanStage, RolloutObserved, VerdictReached

# Kinds of findings that decide nothing and are told only now and then (ADR 46); all others stand in every verdict.
DESCRIPTIONS = ("statistics", "comparison", "trend", "business", "outlier")

ENDINGS = ("promote", "abort")


@dataclass(frozen=True)
class Asked:
    """What people asked for and the controller keeps: who holds the run and why, and who approved which step."""

    held: str = ""
    approvals: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def read(cls, document: str | bytes | None) -> "Asked":
        """From the controller's memory of the run, as its journal writes it."""
        memory = json.loads(document) if document else {}
        approvals = {int(step): str(one.get("actor", "")) for step, one in memory.get("approvals", {}).items()}
        return cls(str(memory.get("held", "")), approvals)


@dataclass(frozen=True)
class Card:
    observed: RolloutObserved
    plan: AnalysisPlan | None = None
    verdict: VerdictReached | None = None
    decision: DecisionTaken | None = None
    asked: Asked = Asked()
    described: VerdictReached | None = None
    """The newest verdict with descriptions among its findings."""
    ending: DecisionTaken | None = None
    """The act that ended it, as far as Serinus did it."""

    @property
    def id(self) -> str:
        return self.observed.run.id

    @property
    def stage(self) -> PlanStage | None:
        """The stage it is in; None before the first change of weight."""
        if self.plan is None or not 0 <= self.observed.stage < len(self.plan.stages):
            return None
        return self.plan.stages[self.observed.stage]

    @property
    def current(self) -> VerdictReached | None:
        """The verdict, if it is about the step and stage in which the run is now."""
        said, seen = self.verdict, self.observed
        if said is None or (said.stage, said.step) != (seen.stage, seen.step):
            return None
        return said

    @property
    def findings(self) -> tuple[Finding, ...]:
        return findings(self.verdict, self.described) if self.verdict else ()

    @property
    def awaits_person(self) -> bool:
        """Whether a verdict to proceed waits for an approval."""
        said = self.decision
        return said is not None and said.action == "await_approval" and said.step == self.observed.step

    @property
    def waits(self) -> str:
        """What keeps an act that is under way, empty if nothing does."""
        said, seen = self.decision, self.observed
        if said is None or said.state != "waiting" or seen.outcome:
            return ""
        # An advance leaves its step; who asked for an abort is told of by its end.
        return said.sentence if said.action == "abort" or said.step == seen.step else ""


def findings(said: VerdictReached, described: VerdictReached | None) -> tuple[Finding, ...]:
    """What a verdict found; where it has no descriptions itself, with the newest ones of its stage."""
    if said.described or described is None or described.stage_started != said.stage_started:
        return said.findings
    known = {(one.kind, one.metric) for one in said.findings}
    return said.findings + tuple(
        one
        for one in described.findings
        if one.kind in DESCRIPTIONS and not one.decides and (one.kind, one.metric) not in known
    )


def told(card: Card | None, event: Event) -> Card | None:
    """The run after an event. What is told of a run before it was observed is dropped; neither a verdict nor a
    decision goes back."""
    if isinstance(event, RolloutObserved):
        return replace(card, observed=event) if card else Card(event)
    if card is None:
        return None
    if isinstance(event, VerdictReached):
        if event.described and (card.described is None or event.end >= card.described.end):
            card = replace(card, described=event)
        return replace(card, verdict=event) if card.verdict is None or event.end >= card.verdict.end else card
    if isinstance(event, DecisionTaken):
        if event.state == "confirmed" and event.action in ENDINGS:
            card = replace(card, ending=event)
        return (
            replace(card, decision=event) if card.decision is None or event.decided >= card.decision.decided else card
        )
    return card
