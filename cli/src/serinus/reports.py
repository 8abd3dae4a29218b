"""`serinus report` and `serinus history`: what became of a run, and which runs there were."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from serinus_contracts.events import Outcome
from serinus_contracts.report import Report
from serinus_contracts.wording import duration, moment
from serinus_runtime.clock import now_ms

from serinus.board import Board
from serinus.connect import with_board
from serinus.kept import read_reports
from serinus.options import USAGE, Source, WideOutput, fail
from serinus.report import words
from serinus.report.markdown import markdown
from serinus.report.page import page
from serinus.report.text import text
from serinus.runs import matches, resolve
from serinus.terminal import say

RunName = Annotated[
    str | None, typer.Argument(help="namespace/name or name of the Rollout (its latest run), or a run's id.")
]
From = Annotated[
    Path | None, typer.Option("--from", help="Of this file, as archive and judge --record write it; else the runs'.")
]
Html = Annotated[Path | None, typer.Option("--html", help="Write one self-contained HTML file.")]
Markdown = Annotated[bool, typer.Option("--md", help="Print Markdown, for a comment on a pull request.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many runs, the newest first.")]
Ended = Annotated[str | None, typer.Option("--outcome", help="Only promoted, aborted, superseded or deleted.")]
Name = Annotated[str | None, typer.Argument(help="Only runs of this Rollout: namespace/name or name.")]


def report(
    source: Source,
    output: WideOutput,
    run: RunName = None,
    kept_in: From = None,
    html: Html = None,
    md: Markdown = False,
) -> None:
    """Show the report of a run: how it ended and why.

    Counts, stages, verdicts, decisions and people; with -o wide the plan too. Also while the run is in progress.
    Reports are kept for 30 days after the end; see archive.
    """

    def show(found: Report) -> None:
        if html:
            try:
                html.write_text(page(found, now_ms()), encoding="utf-8")
            except OSError as error:
                fail(f"--html: {error}")
        if output.data:
            output.document(found.model_dump(mode="json", exclude_none=True))
        elif md:
            say(markdown(found, now_ms()), end="")
        elif html:
            say(f"wrote {html}")
        else:
            output.terminal.print(text(found, now_ms(), wide=output.wide))

    if kept_in is not None:
        show(_last(kept_in, run))
    elif run is None:
        fail("which run? Give its Rollout as namespace/name, or a file of reports by --from", USAGE)
    else:
        with_board(source, lambda board: _shown(board, run, show))


async def _shown(board: Board, run: str, show: Callable[[Report], None]) -> None:
    show(await _find(board, run))


def _last(file: Path, run: str | None) -> Report:
    """The last report of a file, of this run where one is named."""
    try:
        found = read_reports(file)
    except (OSError, ValueError) as error:
        fail(f"--from {file}: {getattr(error, 'strerror', None) or error}")
    meant = [one for one in found if run in (None, one.run.id, one.run.rollout, one.run.name)]
    if not meant:
        known = ", ".join(sorted({one.run.name for one in found})) or "none"
        fail(f"--from {file} has no report{f' of {run}' if run else ''}; it has: {known}")
    return meant[-1]


def history(
    source: Source,
    output: WideOutput,
    rollout: Name = None,
    outcome: Ended = None,
    limit: Limit = 20,
) -> None:
    """List the runs that have ended, the newest first."""
    if outcome is not None and outcome not in Outcome.__args__:  # type: ignore[attr-defined] # a Literal's values
        fail(f"--outcome {outcome}: it is promoted, aborted, superseded or deleted", USAGE)

    async def show(board: Board) -> None:
        found: list[Report] = []
        ended = {kept.run: kept.rollout for kept in await board.kept() if kept.ended is not None}
        for run in ended if rollout is None else matches(ended, rollout):
            if len(found) == limit:
                break
            one = await board.report(run)
            if one and outcome in (None, one.outcome):
                found.append(one)
        if output.data:
            output.document([summary(one) for one in found])
        elif found:
            output.terminal.print(_table(found, wide=output.wide))
        else:
            what = "such run" if rollout or outcome else "run"
            say(f"no {what} has ended yet, or none is kept any longer")

    with_board(source, show)


def summary(one: Report) -> dict[str, Any]:
    """A run in a list, for a program."""
    return {
        "run": one.run.id,
        "rollout": one.run.rollout,
        "outcome": one.outcome,
        "why": one.why,
        "began": one.began,
        "ended": one.ended,
        "evaluations": one.evaluations,
        "evaluated_requests": one.evaluated_requests,
        "policy": one.policy,
        "people": sorted({decision.actor for decision in one.people}),
    }


def _table(found: Sequence[Report], *, wide: bool) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    more = ("evaluations", "requests", "policy", "people", "run") if wide else ()
    for name in ("ended (UTC)", "rollout", "outcome", "took", *more, "why"):
        table.add_column(
            name, no_wrap=name != "why", justify="right" if name in ("evaluations", "requests") else "left"
        )
    for one in found:
        cells = [moment(one.ended or 0)[5:16], one.run.rollout, f"{words.MARKS[one.outcome]} {one.outcome}"]
        cells.append(duration(((one.ended or 0) - one.began) / 1000))
        if wide:
            people = ", ".join(sorted({decision.actor for decision in one.people}))
            cells += [str(one.evaluations), f"{one.evaluated_requests:,}", one.policy, people, one.run.id]
        table.add_row(*map(Text, [*cells, one.why]))
    return table


async def _find(board: Board, wanted: str) -> Report:
    """The report of a run by its Rollout's name (the live run, else the one that ended last) or its id's beginning."""
    for run in resolve({kept.run: kept.rollout for kept in await board.kept()}, wanted):
        try:
            made = await board.report(run)
        except ValueError as error:
            fail(f"the report of {run} cannot be read: {error}")
        if made:
            return made
    return fail(f"no report of {wanted} is kept any longer")
