"""The command `serinus conformance`."""

import asyncio
import json
from typing import Annotated, Any

import typer
from redis.exceptions import NoPermissionError, RedisError
from rich.text import Text
from serinus_contracts import AnalysisPlan, Keys
from serinus_contracts.base import parse_duration
from serinus_runtime.redis import Client, connected

from serinus.conformance.rules import RULES, Examiner, Registered, by_rule
from serinus.options import ABORTED, INCONCLUSIVE, USAGE, Output, fail, without_password

PAGE = 200
SHOWN = 5
POLL_SECONDS = 0.5
CLOSING_TRIES = 5


def conformance(
    output: Output,
    redis_url: Annotated[str, typer.Argument(help="Redis of the collector.", envvar="SERINUS_REDIS_URL")],
    tag: Annotated[str, typer.Option("--tag", envvar="SERINUS_REDIS_TAG", help="Hash tag of all keys.")] = "serinus",
    watch: Annotated[str, typer.Option("--for", help="Go on reading for so long, such as 5m.")] = "0s",
) -> None:
    """Hold what a collector writes against the contract of snapshots.

    Reads every snapshot in the stream, and changes nothing. Exit code 3 if a rule is broken, 4 if there is nothing to
    hold against them.
    """
    try:
        seconds = float(str(parse_duration(watch)))
    except ValueError as error:
        fail(f"--for: {error}", USAGE)
    try:
        examiner, notes = asyncio.run(_examined(redis_url, Keys(tag), seconds))
    except (RedisError, OSError, ValueError) as error:
        fail(f"{without_password(redis_url)}: {error}")
    broken = by_rule(examiner.violations)
    if output.data:
        output.document(
            {
                "rules": [
                    {
                        "rule": rule,
                        "holds": meaning,
                        "checked": examiner.checks[rule],
                        "violations": [
                            {"entry": one.entry, "run": one.run, "said": one.said} for one in broken.get(rule, [])
                        ],
                    }
                    for rule, meaning in RULES.items()
                ],
                "runs": len(examiner.runs),
                "notes": notes,
            }
        )
    else:
        _print(output, examiner, notes)
    if broken:
        raise typer.Exit(ABORTED)
    if not examiner.checks["entry"]:
        raise typer.Exit(INCONCLUSIVE)


def _print(output: Output, examiner: Examiner, notes: list[str]) -> None:
    broken = by_rule(examiner.violations)
    for rule, meaning in RULES.items():
        count, wrong = examiner.checks[rule], broken.get(rule, [])
        mark, style = ("✖", "red") if wrong else ("✔", "green") if count else ("-", "dim")
        checked = f"{count:,} checked" + (f", {len(wrong):,} broken" if wrong else "")
        output.terminal.print(Text.assemble((mark, style), f" {rule}: {meaning} ({checked})"), soft_wrap=True)
        for one in wrong[:SHOWN]:
            output.terminal.print(Text(f"    {one.entry} of {one.run}: {one.said}"), soft_wrap=True)
        if len(wrong) > SHOWN:
            output.terminal.print(Text(f"    and {len(wrong) - SHOWN:,} more: -o json has all"))
    for note in notes:
        output.terminal.print(Text.assemble(("note:", "yellow"), f" {note}"), soft_wrap=True)
    if not examiner.checks["entry"]:
        output.terminal.print(Text("There is no snapshot in the stream: let a release run, or wait with --for 5m."))


async def _examined(url: str, keys: Keys, seconds: float) -> tuple[Examiner, list[str]]:
    async with connected(url) as client:
        whole = await _is_whole(client, keys)
        examiner, plans = Examiner(whole=whole), dict[str, AnalysisPlan | None]()
        notes = [] if whole else ["the stream was trimmed: how its oldest runs began is not seen"]
        last, ends = "-", asyncio.get_running_loop().time() + seconds
        while True:
            last = await _take_all(client, keys, examiner, plans, last)
            if asyncio.get_running_loop().time() >= ends:
                break
            await asyncio.sleep(POLL_SECONDS)
        notes += await _close(client, keys, examiner, plans, last)
        return examiner, notes


async def _is_whole(client: Client, keys: Keys) -> bool:
    if not await client.xlen(keys.stream("snapshots")):
        return True
    about: Any = await client.xinfo_stream(keys.stream("snapshots"))
    return bool(about.get("entries-added", -1) == about["length"])


async def _take_all(
    client: Client, keys: Keys, examiner: Examiner, plans: dict[str, AnalysisPlan | None], last: str
) -> str:
    """Take what came after the entry `last`; gives the id of the newest."""
    while True:
        begin = last if last == "-" else f"({last}"
        page: Any = await client.xrange(keys.stream("snapshots"), min=begin, max="+", count=PAGE)
        for raw, fields in page:
            last = raw.decode()
            decoded = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in fields.items()}
            snapshot = examiner.read(last, decoded)
            if snapshot is None:
                continue
            if plans.get(snapshot.plan) is None:
                plans[snapshot.plan] = await _plan(client, keys, snapshot.plan)
            examiner.take(last, snapshot, plans[snapshot.plan])
        if len(page) < PAGE:
            return last


async def _plan(client: Client, keys: Keys, digest: str) -> AnalysisPlan | None:
    document = await client.get(keys.plan(digest))
    try:
        return AnalysisPlan.stored(document) if isinstance(document, bytes) else None
    except ValueError:
        return None


async def _close(
    client: Client, keys: Keys, examiner: Examiner, plans: dict[str, AnalysisPlan | None], last: str
) -> list[str]:
    """Hold the registry against the last snapshots; gives what could not be held."""
    try:
        for run in examiner.runs:
            for _ in range(CLOSING_TRIES):
                live, kept = await _kept(client, keys, run)
                # What was written since, and by now may have moved on again.
                last = await _take_all(client, keys, examiner, plans, last)
                if not live or kept is None or kept.follows >= examiner.end(run):
                    break
            if live:
                examiner.close(run, kept)
    except NoPermissionError:
        return ["this user may not read the registry, so it is not held against the stream"]
    return []


async def _kept(client: Client, keys: Keys, run: str) -> tuple[bool, Registered | None]:
    """Whether a run is live, and what is kept of its windows, None where that cannot be read."""
    # By HGET, which the users who only read may.
    observed, outcome = [await client.hget(keys.run(run), name) for name in ("observed", "outcome")]
    follows, windows = await client.hmget(keys.window(run), ["follows", "windows"])
    live = observed is not None and outcome is None
    if follows is None:
        return live, None
    try:
        ends = json.loads(windows or b"{}").get("ends", {})
        return live, Registered(int(follows), {str(name): int(end) for name, end in ends.items()})
    except (ValueError, AttributeError, TypeError):
        return live, None
