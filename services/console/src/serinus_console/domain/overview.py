"""All runs in the order in which they want a person."""

from collections.abc import Iterable
from typing import NamedTuple

from serinus_contracts.base import Millis

from serinus_console.domain.card import Card
from serinus_console.domain.next_step import next_step
from serinus_console.domain.state import State, state_of


class Line(NamedTuple):
    card: Card
    state: State
    next: str


def lines(cards: Iterable[Card], now: Millis, wanted: str = "") -> list[Line]:
    """Live runs by urgency, then ended ones by time; `wanted` is part of a namespace, name or hash."""
    wanted = wanted.strip().lower()
    found = [(card, state_of(card, now)) for card in cards if wanted in _text(card)]
    found.sort(key=lambda pair: (pair[1].urgency, -pair[0].observed.stage_started, pair[0].id))
    return [Line(card, state, "") for card, state in found]


def told(line: Line, now: Millis) -> Line:
    """With what happens next: made for the shown ones only."""
    return line._replace(next=next_step(line.card, now))


def _text(card: Card) -> str:
    run = card.observed.run
    return f"{run.rollout} {run.cluster} {run.canary_hash}".lower()
