"""approve, hold, resume, advance, abort, retry, override: a command to the controller, and its answer.

The actor is who the operating system says, and marked unverified: whoever can write to the command stream can act, so
that right is given out by Redis' access rules. The console verifies who asks.
"""

import getpass
import json
import socket
import time
from collections.abc import Sequence
from typing import Annotated, Any, get_args

import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from serinus_console.domain.card import Card
from serinus_contracts import CommandIssued, DecisionTaken, seal, to_entry
from serinus_contracts.base import Millis
from serinus_contracts.events import Verb
from ulid import ULID

from serinus.board import Board
from serinus.options import (
    INCONCLUSIVE,
    LOCAL,
    Output,
    OutputOption,
    RedisTag,
    RedisUrl,
    fail,
    print_json,
    with_board,
)

SOURCE = "/serinus/cli"
VALID_MS = 120_000

_HELP: dict[str, str] = {
    "approve": "Approve the step that the run waits at; with a verdict to proceed it advances.",
    "hold": "Hold the run: no verdict advances it until it is resumed. An abort still may.",
    "resume": "Take a hold back.",
    "advance": "Open the gate that the run waits at, without waiting for a verdict.",
    "abort": "Abort the run: all traffic goes back to stable.",
    "retry": "Try an aborted run again, from its first step.",
    "override": "Change the policy for this run; the run begins anew as another attempt.",
}

Rollout = Annotated[str, typer.Argument(help="namespace/name of the Rollout; the name alone where it is the only one.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why: kept in the audit trail.")]
Cluster = Annotated[str | None, typer.Option("--cluster", help="Which cluster, where several share this Redis.")]
Patience = Annotated[float, typer.Option("--timeout", help="Seconds to wait for the controller's answer.")]
Change = Annotated[
    str, typer.Option("--set", help="Change of the policy's spec: YAML or JSON, merged as RFC 7386 says.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for verb in get_args(Verb):
        example = f"Example: serinus {verb} shop/checkout"
        example += (
            " --set '{interval: 10s}' -m \"noisy neighbour\""
            if verb == "override"
            else ' -m "known issue"'
            if verb == "abort"
            else ""
        )
        app.command(verb, help=_HELP[verb], epilog=example)(_override if verb == "override" else _command(verb))


def _command(verb: Verb) -> Any:
    def run(
        rollout: Rollout,
        reason: Reason = "",
        cluster: Cluster = None,
        timeout: Patience = 20.0,
        redis_url: RedisUrl = LOCAL,
        redis_tag: RedisTag = "serinus",
        output: OutputOption = Output.text,
    ) -> None:
        ask(verb, rollout, reason, {}, cluster, timeout, redis_url, redis_tag, output)

    return run


def _override(
    rollout: Rollout,
    change: Change,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why: kept in the audit trail. Required.")],
    cluster: Cluster = None,
    timeout: Patience = 20.0,
    redis_url: RedisUrl = LOCAL,
    redis_tag: RedisTag = "serinus",
    output: OutputOption = Output.text,
) -> None:
    try:
        parsed = yaml.safe_load(change)
    except yaml.YAMLError as error:
        fail(f"--set is no YAML: {error}", 2)
    if not isinstance(parsed, dict):
        fail("--set wants a mapping, such as '{interval: 10s}'", 2)
    ask("override", rollout, reason, parsed, cluster, timeout, redis_url, redis_tag, output)


def ask(
    verb: Verb,
    rollout: str,
    reason: str,
    change: dict[str, Any],
    cluster: str | None,
    timeout: float,
    redis_url: str,
    redis_tag: str,
    output: Output,
) -> None:
    """Send a command and wait for the decision that answers it.

    Exit codes: 0 done, 1 refused or failed, 4 no answer.
    """

    async def send(board: Board) -> None:
        await board.load()
        card = find(board, rollout, cluster, aborted=verb == "retry")
        now = await board.now()
        command = make(verb, card, reason, change, now)
        entry: dict[Any, Any] = dict(to_entry(seal(command, source=SOURCE, now=now)))
        await board.client.xadd(board.keys.stream("commands"), entry, maxlen=10_000, approximate=True)
        answer = await _answer(board, command, timeout)
        if answer is None:
            where = card.observed.run.cluster
            fail(f"no answer within {timeout:g} s: is a controller running for cluster {where}?", INCONCLUSIVE)
        if output is Output.json:
            print_json(answer.model_dump(mode="json", exclude_none=True))
        else:
            Console(highlight=False).print(f"{_word(answer)}: {answer.detail}", soft_wrap=True)
        if answer.action == "refused" or answer.state == "failed":
            raise typer.Exit(1)

    with_board(redis_url, redis_tag, send)


def _word(answer: DecisionTaken) -> str:
    if answer.action == "refused":
        return "refused"
    return "done" if answer.state == "confirmed" else answer.state


def make(verb: Verb, card: Card, reason: str, change: dict[str, Any], now: Millis) -> CommandIssued:
    """The command, drawn once; `now` is by the controller's clock, which is Redis'."""
    try:
        return CommandIssued(
            run=card.observed.run,
            id=str(ULID()),
            verb=verb,
            step=card.observed.step,
            expires=now + VALID_MS,
            actor=f"{getpass.getuser()}@{socket.gethostname()}",
            reason=reason,
            change=json.loads(json.dumps(change)),
        )
    except (ValidationError, TypeError, ValueError) as error:
        fail(str(error), 2)


def find(board: Board, rollout: str, cluster: str | None, *, aborted: bool = False) -> Card:
    """The live run of a Rollout, or its last one if it was aborted."""
    namespace, _, name = rollout.rpartition("/")
    matching = [
        card
        for card in board.cards.values()
        if card.observed.run.name == name
        and (not namespace or card.observed.run.namespace == namespace)
        and (cluster is None or card.observed.run.cluster == cluster)
    ]
    wanted = "aborted" if aborted else None
    found = [card for card in matching if card.observed.outcome == wanted]
    if aborted and found:
        found = [max(found, key=lambda card: card.observed.run.attempt)]
    if len(found) != 1:
        fail(_not_one(board, rollout, matching, found, "aborted" if aborted else "live"))
    return found[0]


def _not_one(board: Board, rollout: str, matching: Sequence[Card], found: Sequence[Card], kind: str) -> str:
    """Why a name did not lead to one run."""
    if found:
        places = ", ".join(f"{card.observed.run.cluster}: {card.observed.run.rollout}" for card in found)
        return f"{rollout} is not the only one ({places}): give namespace/name, or --cluster"
    if matching:
        last = matching[-1].observed
        return f"{last.run.rollout} has no {kind} run: the last one is {last.outcome or 'live'}"
    known = ", ".join(sorted({card.observed.run.rollout for card in board.cards.values()})) or "none"
    return f"no run of {rollout} is known; known: {known}"


async def _answer(board: Board, command: CommandIssued, timeout: float) -> DecisionTaken | None:
    end = time.monotonic() + timeout
    async for events in board.changes(block_ms=200):
        for event in events:
            if isinstance(event, DecisionTaken) and event.cause == command.id:
                return event
        if time.monotonic() > end:
            break
    return None
