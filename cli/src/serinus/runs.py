"""Finding the run that a person means."""

from serinus.board import Board
from serinus.options import fail


async def find_run(board: Board, text: str) -> str:
    """The id of a run, from the id itself, or from namespace/name or the name alone: then its latest attempt."""
    await board.load()
    if text in board.views or text.count("/") == 3:
        return text
    namespace, _, name = text.rpartition("/")
    matching = [
        view.observed
        for view in board.views.values()
        if view.observed.run.name == name and namespace in ("", view.observed.run.namespace)
    ]
    places = sorted({f"{one.run.cluster}: {one.run.rollout}" for one in matching})
    if len(places) > 1:
        fail(f"{text} is not the only one ({', '.join(places)}): give namespace/name, or the id of the run")
    if not matching:
        known = ", ".join(sorted({view.observed.run.rollout for view in board.views.values()})) or "none"
        fail(f"no run of {text} is known; known: {known}")
    return max(matching, key=lambda one: (one.outcome is None, one.stage_started, one.run.attempt)).run.id
