"""A run under way, as its Rollout was seen and told of last."""

from dataclasses import dataclass
from typing import Self

from serinus_contracts import AnalysisPlan, RolloutObserved, Run
from serinus_rollouts.rollout import RolloutView


@dataclass(frozen=True)
class LiveRun:
    """A run under way. `view` is None until its Rollout has been seen since this controller leads.

    `last_published`: the last event about it. `basis`: the versions of the objects that it rests on, () if they are not
    known.
    """

    run: Run
    plan: AnalysisPlan
    last_published: RolloutObserved
    view: RolloutView | None = None
    basis: tuple[object, ...] = ()

    @classmethod
    def first(cls, run: Run, plan: AnalysisPlan, view: RolloutView | None = None) -> Self:
        """A run of which nothing was told yet."""
        event = RolloutObserved(
            run=run, resource_version="", phase="Progressing", step=0, steps=0, stage=-1, set_weight=0, actual_weight=0,
            steady=False, stage_started=0, plan=plan.digest,
        )  # fmt: skip
        return cls(run, plan, event, view)
