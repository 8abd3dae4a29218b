"""approve, hold, resume, advance, abort, retry, override: a command to the controller, and its answer.

By the streams the actor is who the operating system says, and marked unverified: whoever can write to the command
stream can act, so that right is given out by Redis' access rules. A console verifies who asks.
"""

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated, Any

import typer
import yaml
from serinus_contracts import DecisionTaken
from serinus_contracts.events import Verb
from serinus_readmodel.run_view import RunView

from serinus.board import Board
from serinus.connect import with_board
from serinus.options import INCONCLUSIVE, USAGE, Output, Source, fail
from serinus.runs import matches, named, nothing_found, resolve
from serinus.terminal import say

Rollout = Annotated[str, typer.Argument(help="namespace/name of the Rollout; the name alone where it is the only one.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Reason: kept in the audit log.")]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Which cluster, where there are runs of several.")]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for the controller's answer.")]
PolicyChange = Annotated[
    str, typer.Option("--set", help="Change of the policy's spec: YAML or JSON, merged as RFC 7386 says.")
]


def _command(verb: Verb) -> Callable[..., None]:
    def run(
        rollout: Rollout,
        source: Source,
        output: Output,
        reason: Reason = "",
        cluster: Cluster = None,
        timeout: Timeout = 20.0,
    ) -> None:
        with_board(source, lambda board: ask(board, verb, rollout, reason, {}, cluster, timeout, output))

    return run


approve, hold, resume = _command("approve"), _command("hold"), _command("resume")
abort, retry = _command("abort"), _command("retry")


def advance(
    rollout: Rollout,
    source: Source,
    output: Output,
    reason: Reason = "",
    cluster: Cluster = None,
    timeout: Timeout = 20.0,
    force: Annotated[
        bool, typer.Option("--force", help="Advance even before the first evaluation at this weight.")
    ] = False,
) -> None:
    """Open the gate that a run waits at, whatever the verdict."""
    with_board(source, lambda board: ask(board, "advance", rollout, reason, {}, cluster, timeout, output, force=force))


def override(
    rollout: Rollout,
    change: PolicyChange,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Reason: kept in the audit log. Required.")],
    source: Source,
    output: Output,
    cluster: Cluster = None,
    timeout: Timeout = 20.0,
) -> None:
    """Change the policy of one run, which starts over.

    As another attempt, from its first step.
    """
    try:
        parsed = yaml.safe_load(change)
        # A date is YAML and no JSON.
        json.dumps(parsed)
    except (yaml.YAMLError, TypeError) as error:
        fail(f"--set is not valid YAML of plain values: {error}", USAGE)
    if not isinstance(parsed, dict):
        fail("--set wants a mapping, such as '{interval: 10s}'", USAGE)
    with_board(source, lambda board: ask(board, "override", rollout, reason, parsed, cluster, timeout, output))


async def ask(
    board: Board,
    verb: Verb,
    rollout: str,
    reason: str,
    change: dict[str, Any],
    cluster: str | None,
    timeout: float,
    output: Output,
    *,
    force: bool = False,
) -> None:
    """Send a command and wait for the decision that answers it, telling what keeps it meanwhile.

    Exit codes: 0 done, 1 refused or failed, 4 no answer, or not done in time.
    """
    await board.load()
    view = find(board, rollout, cluster, aborted=verb == "retry")
    answer = None
    sent = await board.send(view, verb, reason, change, force=force)
    async with aclosing(_answers(board, view.id, sent, timeout)) as answers:
        async for answer in answers:
            if not output.data:
                say(f"{view.observed.run.rollout}: {_said(answer)}")
    if answer is None:
        where = view.observed.run.cluster
        fail(f"no answer within {timeout:g} s: is a controller running for cluster {where}?", INCONCLUSIVE)
    if output.data:
        output.document(answer.model_dump(mode="json", exclude_none=True))
    if answer.state == "waiting":
        fail(f"still in progress after {timeout:g} s: serinus status {view.observed.run.rollout}", INCONCLUSIVE)
    if answer.action == "refused" or answer.state == "failed":
        raise typer.Exit(1)


def _said(answer: DecisionTaken) -> str:
    """What came of it."""
    if answer.action == "refused":
        return f"{answer.asked or 'command'} refused: {answer.detail}"
    return answer.detail if answer.state == "confirmed" else f"{answer.state}: {answer.detail}"


def find(board: Board, rollout: str, cluster: str | None, *, aborted: bool = False) -> RunView:
    """The live run of a Rollout, or its last one if it was aborted. A run's id is taken whole only: a command is for
    what was named."""
    kind = "aborted" if aborted else None
    views = board.views.values()
    runs, wanted = named(views), named(view for view in views if view.observed.outcome == kind)
    known = [rollout] if rollout in runs else matches(runs, rollout, cluster)
    if not known:
        nothing_found(runs, rollout)
    if not any(run in wanted for run in known):
        last = board.views[known[-1]].observed
        fail(f"{last.run.rollout} has no {kind or 'live'} run: the last one is {last.outcome or 'live'}")
    found = [board.views[run] for run in resolve(wanted, rollout, cluster)]
    if len(found) > 1 and not aborted:
        fail(f'"{rollout}" has several live runs: give the id of one: {", ".join(view.id for view in found)}')
    return max(found, key=lambda view: (view.observed.stage_started, view.observed.run.attempt))


async def _answers(board: Board, run: str, command: str, timeout: float) -> AsyncGenerator[DecisionTaken, None]:
    """What is told of a command within so many seconds: what keeps it, and at last the decision that answers it.

    Where somebody else had asked for the same before, that is the end of theirs.
    """
    end, joined = time.monotonic() + timeout, ""
    async with aclosing(board.changes(block_ms=200)) as changes:
        async for events in changes:
            for event in events:
                if not isinstance(event, DecisionTaken) or event.run.id != run:
                    continue
                if event.cause == command or event.action == joined:
                    yield event
                    if event.state != "waiting":
                        return
                    joined = event.action
            if time.monotonic() > end:
                return
