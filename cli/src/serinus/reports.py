"""`serinus report` and `serinus history`: what became of a run, and which runs there were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from serinus_contracts.events import Outcome
from serinus_contracts.report import Report
from serinus_runtime.clock import now_ms
from serinus_runtime.stories import Stories, Told

from serinus.board import Board
from serinus.options import LOCAL, Output, OutputOption, RedisTag, RedisUrl, fail, print_json, with_board
from serinus.report import words
from serinus.report.markdown import markdown
from serinus.report.page import page
from serinus.report.text import text

RunName = Annotated[str, typer.Argument(help="namespace/name or name of the Rollout (its latest run), or a run's id.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write one self-contained HTML file.")]
Markdown = Annotated[bool, typer.Option("--md", help="Print Markdown, for a comment on a pull request.")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many runs, the newest first.")]
Ended = Annotated[str | None, typer.Option("--outcome", help="Only promoted, aborted, superseded or deleted.")]
Name = Annotated[str | None, typer.Argument(help="Only runs of this Rollout: namespace/name or name.")]


def report(
    run: RunName,
    html: Html = None,
    md: Markdown = False,
    redis_url: RedisUrl = LOCAL,
    redis_tag: RedisTag = "serinus",
    output: OutputOption = Output.text,
) -> None:
    """Tell the whole story of a run: how it ended and why, counts, stages, verdicts, decisions, people.

    At any time, while the run goes on too. Reports are kept for 30 days after the end; see archive.
    """

    async def show(board: Board) -> None:
        stories = Stories(board.client, board.keys)
        found = await _find(stories, run)
        if html:
            try:
                html.write_text(page(found, now_ms()), encoding="utf-8")
            except OSError as error:
                fail(f"--html: {error}")
        if output is Output.json:
            print_json(found.model_dump(mode="json", exclude_none=True))
        elif md:
            typer.echo(markdown(found, now_ms()), nl=False)
        elif html:
            typer.echo(f"wrote {html}")
        else:
            Console(highlight=False).print(text(found, now_ms()))

    with_board(redis_url, redis_tag, show)


def history(
    rollout: Name = None,
    outcome: Ended = None,
    limit: Limit = 20,
    redis_url: RedisUrl = LOCAL,
    redis_tag: RedisTag = "serinus",
    output: OutputOption = Output.text,
) -> None:
    """List the runs that have ended, the newest first."""
    if outcome is not None and outcome not in Outcome.__args__:  # type: ignore[attr-defined] # a Literal's values
        fail(f"--outcome {outcome}: it is promoted, aborted, superseded or deleted", 2)

    async def show(board: Board) -> None:
        stories = Stories(board.client, board.keys)
        found: list[Report] = []
        for told in reversed(await stories.ended()):
            if len(found) == limit:
                break
            one = await stories.report(told.run) if rollout is None or _is(told, rollout) else None
            if one and outcome in (None, one.outcome):
                found.append(one)
        if output is Output.json:
            print_json([summary(one) for one in found])
        elif found:
            Console(highlight=False).print(_table(found))
        else:
            typer.echo("no run has ended yet, or none is kept any more")

    with_board(redis_url, redis_tag, show)


def summary(one: Report) -> dict[str, Any]:
    """A run in a list, for a program."""
    return {
        "run": one.run.id,
        "rollout": one.run.rollout,
        "outcome": one.outcome,
        "why": one.why,
        "began": one.began,
        "ended": one.ended,
        "looks": one.looks,
        "exposed": one.exposed,
        "policy": one.policy,
        "people": sorted({decision.actor for decision in one.people}),
    }


def _table(found: Sequence[Report]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("ended (UTC)", "rollout", "outcome", "took", "why"):
        table.add_column(name, no_wrap=name != "why")
    for one in found:
        cells = [words.day(one.ended or 0)[5:-3], one.run.rollout, f"{words.MARKS[one.outcome]} {one.outcome}"]
        why = Text(one.why, no_wrap=True, overflow="ellipsis")
        table.add_row(*map(Text, cells), words.span((one.ended or 0) - one.began), why)
    return table


async def _find(stories: Stories, wanted: str) -> Report:
    """The report of a run by its Rollout's name (the live run, else the one that ended last) or its id's beginning."""
    newest = [*await stories.live(), *reversed(await stories.ended())]
    found = [told for told in newest if _is(told, wanted)]
    rollouts = {told.rollout for told in found}
    if not found:
        found = [told for told in newest if told.run.startswith(wanted)]
        if len(found) > 1 and wanted not in [told.run for told in found]:
            fail(f"several runs begin with {wanted}: {', '.join(told.run for told in found[:5])}")
    elif len(rollouts) > 1:
        fail(f"{wanted} is not the only one: give {' or '.join(sorted(rollouts))}")
    for told in found:
        try:
            made = await stories.report(told.run)
        except ValueError as error:
            fail(f"the story of {told.run} cannot be read: {error}")
        if made:
            return made
    known = ", ".join(sorted({told.rollout for told in newest})[:10]) or "none"
    return fail(f"no run of {wanted} is kept; known: {known}")


def _is(told: Told, rollout: str) -> bool:
    return rollout in (told.rollout, told.rollout.rpartition("/")[2])
