"""One run: what was told last of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from serinus_contracts import AnalysisPlan, DecisionTaken, Event, Finding, PlanStage, RolloutObserved, VerdictReached
from serinus_contracts.described import whole
from serinus_contracts.operator_state import OperatorState

ENDINGS = ("promote", "abort")
ACTS = (*ENDINGS, "advance", "retry")


@dataclass(frozen=True)
class RunView:
    """The newest of what was published about a run, with its plan and what people decided."""

    observed: RolloutObserved
    plan: AnalysisPlan | None = None
    verdict: VerdictReached | None = None
    decision: DecisionTaken | None = None
    operator: OperatorState = field(default_factory=OperatorState)
    described: VerdictReached | None = None
    """The newest verdict that leaves nothing out."""
    ending: DecisionTaken | None = None
    """The act that ended it, as far as Serinus did it."""
    acts: Mapping[str, DecisionTaken] = field(default_factory=dict)
    """By action, what was told last of it: a hold or a refusal that is told later changes nothing in an act."""

    @property
    def id(self) -> str:
        """The id of the run."""
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

    @cached_property
    def whole(self) -> VerdictReached | None:
        """The verdict, with what it leaves out as it was told last."""
        return whole(self.verdict, self.described) if self.verdict else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What other checks found, by the newest verdicts; none before the first."""
        return self.whole.findings if self.whole else ()

    @property
    def awaits_person(self) -> bool:
        """Whether a verdict to proceed waits for an approval."""
        said = self.decision
        return said is not None and said.action == "await_approval" and said.step == self.observed.step

    @property
    def waiting(self) -> DecisionTaken | None:
        """The act that is under way and kept by something, until it has ended."""
        if self.observed.outcome:
            return None
        # An advance leaves its step; who asked for an abort is told of by its end.
        under_way = (
            one
            for one in self.acts.values()
            if one.state == "waiting" and (one.action == "abort" or one.step == self.observed.step)
        )
        return max(under_way, key=lambda one: one.decided, default=None)

    @property
    def waits(self) -> str:
        """What keeps an act that is under way, empty if nothing does."""
        return self.waiting.sentence if self.waiting else ""


def _follows(event: DecisionTaken, known: DecisionTaken | None) -> bool:
    """Whether it is news of an act; of what was told in one moment, its end comes last."""
    if known is None:
        return True
    return (event.decided, event.state != "waiting") >= (known.decided, known.state != "waiting")


def apply(view: RunView | None, event: Event) -> RunView | None:
    """The run after an event. What is told of a run before it was observed is dropped; neither a verdict nor a
    decision goes back. A verdict is kept with what it leaves out, as far as that is known."""
    if isinstance(event, RolloutObserved):
        return replace(view, observed=event) if view else RunView(event)
    if view is None:
        return None
    if isinstance(event, VerdictReached):
        if event.described and (view.described is None or event.end >= view.described.end):
            view = replace(view, described=event)
        newer = view.verdict is None or event.end >= view.verdict.end
        return replace(view, verdict=whole(event, view.whole)) if newer else view
    if isinstance(event, DecisionTaken):
        if event.state == "confirmed" and event.action in ENDINGS:
            view = replace(view, ending=event)
        if event.action in ACTS and _follows(event, view.acts.get(event.action)):
            view = replace(view, acts={**view.acts, event.action: event})
        return (
            replace(view, decision=event) if view.decision is None or event.decided >= view.decision.decided else view
        )
    return view
