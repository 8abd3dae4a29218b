"""Which run a person means: the one place that decides it, for every command."""

from collections.abc import Iterable, Mapping
from typing import NoReturn

from serinus_readmodel.run_view import RunView

from serinus.board import Board
from serinus.options import fail

LISTED = 10


def matches(runs: Mapping[str, str], text: str, cluster: str | None = None) -> list[str]:
    """Ids of the runs whose Rollout is `text`: namespace/name, or the name alone. `runs`: namespace/name by id."""
    return [
        run
        for run, rollout in runs.items()
        if text in (rollout, rollout.rpartition("/")[2]) and cluster in (None, _cluster(run))
    ]


def resolve(runs: Mapping[str, str], text: str, cluster: str | None = None) -> list[str]:
    """Ids of the runs of the one Rollout that `text` names, or of the one run whose id it is or begins.

    Ends the command where that is none or several, with what there is.
    """
    if text in runs:
        return [text]
    found = matches(runs, text, cluster)
    places = sorted({f"{_cluster(run)}: {runs[run]}" for run in found})
    if len(places) > 1:
        fail(f'"{text}" is ambiguous ({", ".join(places)}): give namespace/name, the cluster, or the id of the run')
    begun = [run for run in runs if run.startswith(text)]
    if not found and len(begun) > 1:
        fail(f"several runs begin with {text}: {', '.join(begun[:LISTED])}")
    if not found and not begun:
        nothing_found(runs, text)
    return found or begun


def nothing_found(runs: Mapping[str, str], text: str) -> NoReturn:
    """End the command, with what there is."""
    fail(f'no run found for "{text}"; available: {", ".join(sorted(set(runs.values()))[:LISTED]) or "none"}')


def named(views: Iterable[RunView]) -> dict[str, str]:
    """namespace/name by run."""
    return {view.id: view.observed.run.rollout for view in views}


async def find_run(board: Board, text: str) -> str:
    """The id of the run that is meant. Loads the board."""
    await board.load()
    if text.count("/") == 3:
        return text  # perhaps one that ended so long ago that the board has left it out
    return newest(board.views, text)


def newest(views: Mapping[str, RunView], text: str) -> str:
    """The id of the run that is meant among these, by id: of a Rollout the live one, else its latest attempt."""

    def order(run: str) -> tuple[bool, int, int]:
        seen = views[run].observed
        return seen.outcome is None, seen.stage_started, seen.run.attempt

    return max(resolve(named(views.values()), text), key=order)


def _cluster(run: str) -> str:
    return run.partition("/")[0]
