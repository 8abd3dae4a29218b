"""Finding the run that a person means, and all that was told of it."""

from collections.abc import Callable
from typing import Any, TypeVar

from serinus_contracts import Event, UnreadableEntryError, from_entry

from serinus.board import Board
from serinus.options import fail

PAGE = 500
E = TypeVar("E", bound=Event)


async def find_run(board: Board, text: str) -> str:
    """The id of a run, from the id itself, or from namespace/name or the name alone: then its latest attempt."""
    await board.load()
    if text in board.cards or text.count("/") == 3:
        return text
    namespace, _, name = text.rpartition("/")
    matching = [
        card.observed
        for card in board.cards.values()
        if card.observed.run.name == name and namespace in ("", card.observed.run.namespace)
    ]
    places = sorted({f"{one.run.cluster}: {one.run.rollout}" for one in matching})
    if len(places) > 1:
        fail(f"{text} is not the only one ({', '.join(places)}): give namespace/name, or the id of the run")
    if not matching:
        known = ", ".join(sorted({card.observed.run.rollout for card in board.cards.values()})) or "none"
        fail(f"no run of {text} is known; known: {known}")
    return max(matching, key=lambda one: (one.outcome is None, one.stage_started, one.run.attempt)).run.id


async def events_of(board: Board, kind: type[E], run: str, is_first: Callable[[E], bool]) -> list[E]:
    """What was told of a run, oldest first: the stream is read from its end back to the run's first event."""
    found: list[E] = []
    top = "+"
    while True:
        entries: Any = await board.client.xrevrange(board.keys.stream(kind.STREAM), max=top, count=PAGE)
        for position, fields in entries:
            top = f"({position.decode()}"
            if fields.get(b"run") != run.encode():
                continue
            try:
                event = from_entry(kind, fields).data
            except UnreadableEntryError:
                continue  # reported by the services, as dead letters
            found.append(event)
            if is_first(event):
                return found[::-1]
        if not entries:
            return found[::-1]
