"""All runs in the order in which they want a person."""

from collections.abc import Iterable
from typing import NamedTuple

from serinus_contracts.base import Millis

from serinus_readmodel.next_step import next_step
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import State, state_of


class Line(NamedTuple):
    """One run in the list, at the moment `now`."""

    view: RunView
    state: State
    now: Millis

    @property
    def next(self) -> str:
        """What happens next, in one sentence."""
        return next_step(self.view, self.now)


def lines(views: Iterable[RunView], now: Millis, wanted: str = "") -> list[Line]:
    """Live runs by urgency, then ended ones by time; `wanted` is part of a namespace, name, cluster, hash or image."""
    wanted = wanted.strip().lower()
    found = [Line(view, state_of(view, now), now) for view in views if not wanted or wanted in _text(view)]
    found.sort(key=lambda line: (line.state.urgency, -line.view.observed.stage_started, line.view.id))
    return found


def _text(view: RunView) -> str:
    run = view.observed.run
    return " ".join((run.rollout, run.cluster, run.canary_hash, *view.observed.images.get("canary", ()))).lower()
