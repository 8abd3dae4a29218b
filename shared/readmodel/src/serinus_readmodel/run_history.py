"""A run with its past: the course of its evidence, each change of verdict, what was decided and who asked for it."""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from serinus_contracts import CommandIssued, DecisionTaken, Event, VerdictReached
from serinus_contracts.base import Contract, Millis

from serinus_readmodel.run_view import RunView, apply
from serinus_readmodel.series import Series

MAX_KEPT = 200
T = TypeVar("T")


class Change(Contract):
    """A verdict that differed from the one before."""

    end: Millis
    verdict: str
    reason: str
    sentence: str
    stage: int
    step: int
    weight: float
    evaluation: int


@dataclass
class RunHistory:
    """A run with its past: the course of its evidence, changes of verdict, decisions and commands."""

    view: RunView
    series: Series = field(default_factory=Series)
    changes: list[Change] = field(default_factory=list)
    decisions: list[DecisionTaken] = field(default_factory=list)
    commands: list[CommandIssued] = field(default_factory=list)
    first_evaluation: int | None = None

    def apply(self, event: Event) -> None:
        """What was told, in any order: the past may be read after the present."""
        view = apply(self.view, event)
        assert view is not None
        if isinstance(event, VerdictReached):
            self.view = view
            self.series.add(event)
            self.first_evaluation = min(event.evaluation, self.first_evaluation or event.evaluation)
            if event.changed or event.evaluation == 1:
                _keep(self.changes, _change(event), lambda change: change.end)
        elif isinstance(event, DecisionTaken):
            _keep(self.decisions, event, lambda decision: decision.decided)
            self.view = view
        elif isinstance(event, CommandIssued):
            _keep(self.commands, event, lambda command: command.expires)
        else:
            self.view = view

    @property
    def pending(self) -> list[CommandIssued]:
        """What people asked for and no decision has answered."""
        answered = {decision.cause for decision in self.decisions}
        return [command for command in self.commands if command.id not in answered]


def _keep(kept: list[T], item: T, when: Callable[[T], Millis]) -> None:
    """Insert in order of time, once; the oldest go when there are too many."""
    if item in kept:
        return
    insort(kept, item, key=when)
    del kept[:-MAX_KEPT]


def _change(said: VerdictReached) -> Change:
    return Change(
        end=said.end,
        verdict=said.verdict,
        reason=said.reason,
        sentence=said.sentence,
        stage=said.stage,
        step=said.step,
        weight=said.weight,
        evaluation=said.evaluation,
    )
