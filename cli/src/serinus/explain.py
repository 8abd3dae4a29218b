"""`serinus explain`: what a run's verdicts rest on, look by look."""

from math import log
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from serinus_contracts import AnalysisPlan, VerdictReached

from serinus import timeline
from serinus.board import Board
from serinus.options import LOCAL, Output, OutputOption, RedisTag, RedisUrl, fail, print_json, with_board
from serinus.runs import events_of, find_run

RunName = Annotated[str, typer.Argument(help="namespace/name, the name alone, or the id of a run.")]
AllLooks = Annotated[bool, typer.Option("--all", help="Show every look, not only what changed.")]


def explain(
    run: RunName,
    all_looks: AllLooks = False,
    redis_url: RedisUrl = LOCAL,
    redis_tag: RedisTag = "serinus",
    output: OutputOption = Output.text,
) -> None:
    """Show the evidence of a run over time: counts, e-values and intervals behind every verdict."""

    async def show(board: Board) -> None:
        found = await find_run(board, run)
        verdicts = await events_of(board, VerdictReached, found, lambda one: one.look == 1)
        if not verdicts:
            fail(f"no verdict of run {found} is left in Redis")
        plan = await board.plan(verdicts[-1].plan)
        if output is Output.json:
            print_json(document(verdicts, plan))
            return
        console = Console(highlight=False)
        card = board.cards.get(found)
        outcome = card.observed.outcome if card else None
        console.print(_title(verdicts, plan, outcome), soft_wrap=True)
        console.print(timeline.evidence(verdicts, bar_of(plan), None if all_looks else timeline.MOST_ROWS))

    with_board(redis_url, redis_tag, show)


def bar_of(plan: AnalysisPlan | None) -> float | None:
    """From where on the evidence aborts; only e-values have such a bar."""
    return -log(plan.budget.false_abort) if plan and plan.judge.name == "sequential" else None


def document(verdicts: list[VerdictReached], plan: AnalysisPlan | None) -> dict[str, Any]:
    """For -o json."""
    last = verdicts[-1]
    return {
        "run": last.run.id,
        "rollout": last.run.rollout,
        "plan": last.plan,
        "judge": last.judge,
        "bar": bar_of(plan),
        "looks": [timeline.document(one) for one in verdicts],
    }


def _title(verdicts: list[VerdictReached], plan: AnalysisPlan | None, outcome: str | None) -> Text:
    first, last = verdicts[0], verdicts[-1]
    run = last.run
    lines = [f"{run.canary_hash} against {run.stable_hash}, attempt {run.attempt}: {outcome or 'under way'}"]
    about = f"policy {plan.policy} ({plan.mode}), " if plan else ""
    lines.append(f"{about}judge {last.judge}, looks {first.look} to {last.look}")
    if first.look > 1:
        lines.append(f"the verdicts before look {first.look} are no longer in Redis")
    lines.append(last.sentence)
    return Text.assemble((run.rollout, "bold"), " ", "\n".join(lines), "\n")
