"""All runs in the order in which they want a person."""

from collections.abc import Iterable
from typing import NamedTuple

from serinus_contracts.base import Millis

from serinus_readmodel.next_step import next_step
from serinus_readmodel.run_view import Card
from serinus_readmodel.state import State, state_of


class Line(NamedTuple):
    card: Card
    state: State
    now: Millis

    @property
    def next(self) -> str:
        return next_step(self.card, self.now)


def lines(cards: Iterable[Card], now: Millis, wanted: str = "") -> list[Line]:
    """Live runs by urgency, then ended ones by time; `wanted` is part of a namespace, name, cluster, hash or image."""
    wanted = wanted.strip().lower()
    found = [Line(card, state_of(card, now), now) for card in cards if not wanted or wanted in _text(card)]
    found.sort(key=lambda line: (line.state.urgency, -line.card.observed.stage_started, line.card.id))
    return found


def _text(card: Card) -> str:
    run = card.observed.run
    return " ".join((run.rollout, run.cluster, run.canary_hash, *card.observed.images.get("canary", ()))).lower()
