"""Finding the run that a person means."""

from serinus.board import Board
from serinus.options import fail


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
