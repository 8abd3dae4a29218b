"""`serinus explain`: what a run's verdicts rest on, evaluation by evaluation."""

from collections.abc import Sequence
from math import log
from typing import Annotated, Any

import typer
from rich.text import Text
from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.standstill import standstill

from serinus import timeline
from serinus.board import Board
from serinus.connect import with_board
from serinus.options import Source, WideOutput, fail
from serinus.runs import find_run

RunName = Annotated[str, typer.Argument(help="namespace/name, the name alone, or the id of a run.")]
Every = Annotated[bool, typer.Option("--all", help="Show every evaluation, not only what changed.")]


def explain(
    run: RunName,
    source: Source,
    output: WideOutput,
    every: Every = False,
) -> None:
    """Show the evidence behind a run's verdicts over time.

    Counts, e-values and intervals of every metric; with -o wide every channel of a latency.
    """

    async def show(board: Board) -> None:
        found = await find_run(board, run)
        verdicts = await board.verdicts(found)
        if not verdicts:
            fail(await _silence(board, found))
        plan = await board.plan(verdicts[-1])
        if output.data:
            output.document(document(verdicts, plan))
            return
        console = output.terminal
        view = board.views.get(found)
        outcome = view.observed.outcome if view else None
        console.print(_title(verdicts, plan, outcome), soft_wrap=True)
        console.print(timeline.evidence(verdicts, bar_of(plan), None if every else timeline.MAX_ROWS, output.wide))

    with_board(source, show)


async def _silence(board: Board, run: str) -> str:
    """Why there is no verdict to explain."""
    report = await board.report(run)
    if report and report.evaluations:
        return f"no verdict of run {run} is kept any longer; serinus report shows what is"
    view = board.views.get(run)
    known = standstill(view.observed) if view and not view.observed.outcome else None
    why = known.text if known else report.why if report else "nothing is kept of it"
    return f"run {run} has no verdict: {why}"


def bar_of(plan: AnalysisPlan | None) -> float | None:
    """From where on the evidence aborts; only e-values have such a bar."""
    return -log(plan.false_abort_rate) if plan and plan.judge.name == "sequential" else None


def document(verdicts: Sequence[VerdictReached], plan: AnalysisPlan | None) -> dict[str, Any]:
    """For -o json."""
    last = verdicts[-1]
    return {
        "run": last.run.id,
        "rollout": last.run.rollout,
        "plan": last.plan,
        "judge": last.judge,
        "bar": bar_of(plan),
        "evaluations": timeline.documents(verdicts),
    }


def _title(verdicts: Sequence[VerdictReached], plan: AnalysisPlan | None, outcome: str | None) -> Text:
    first, last = verdicts[0], verdicts[-1]
    run = last.run
    lines = [f"{run.canary_hash} against {run.stable_hash}, attempt {run.attempt}: {outcome or 'in progress'}"]
    about = f"policy {plan.policy} ({plan.mode}), " if plan else ""
    lines.append(f"{about}judge {last.judge}, evaluations {first.evaluation} to {last.evaluation}")
    if first.evaluation > 1:
        lines.append(f"the verdicts before evaluation {first.evaluation} are no longer kept")
    lines.append(last.sentence)
    return Text.assemble((run.rollout, "bold"), " ", "\n".join(lines), "\n")
