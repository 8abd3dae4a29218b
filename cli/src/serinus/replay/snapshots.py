"""Recorded snapshots: from a file of JSON Lines, or from the stream of a live Redis."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from serinus_contracts import MetricsCollected
from serinus_rollouts.stages import Stage

from serinus import plans
from serinus.adapters.streams import streams
from serinus.connect import finish
from serinus.options import Streams, fail
from serinus.runs import find_run


@dataclass(frozen=True)
class Recorded:
    """The snapshots of one run in order, and the stages it had, where they are known."""

    snapshots: Sequence[MetricsCollected]
    stages: tuple[Stage, ...] = ()


def from_file(file: Path, run: str | None) -> Recorded:
    """One event a line, bare or in its CloudEvent. A file with several runs needs the name of one."""
    found: dict[str, list[MetricsCollected]] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {error}")
    for number, line in enumerate(lines, 1):
        if line.strip():
            snapshot = _snapshot(line, f"{file}:{number}")
            found.setdefault(snapshot.run.id, []).append(snapshot)
    wanted = {name: snapshots for name, snapshots in found.items() if run is None or run in _names(snapshots[0])}
    if len(wanted) != 1:
        known = ", ".join(
            f"{name} ({snapshots[0].run.rollout}, {len(snapshots)} snapshots)" for name, snapshots in found.items()
        )
        fail(f"{file} has snapshots of {known or 'no run'}: " + ("give the id of one" if wanted else f"none of {run}"))
    (snapshots,) = wanted.values()
    once = {snapshot.end: snapshot for snapshot in snapshots}
    return Recorded([once[end] for end in sorted(once)])


def _snapshot(line: str, place: str) -> MetricsCollected:
    try:
        document = json.loads(line)
        if isinstance(document, dict) and "specversion" in document:
            document = document.get("data")
        return MetricsCollected.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        fail(f"{place}: not a snapshot (an event {MetricsCollected.TYPE}): {where}: {first['msg']}")
    except ValueError as error:
        fail(f"{place}: not valid JSON: {error}")


def _names(snapshot: MetricsCollected) -> tuple[str, ...]:
    return (snapshot.run.id, snapshot.run.rollout, snapshot.run.name)


def from_redis(run: str, source: Streams) -> Recorded:
    """The snapshots of a run that the stream still has."""
    found: list[Recorded] = []

    async def read() -> None:
        async with streams(source) as board:
            name = await find_run(board, run)
            snapshots = await board.events(MetricsCollected, name, lambda snapshot: snapshot.follows == 0)
            if not snapshots:
                fail(f"no snapshot of run {name} is left in Redis")
            plan = await board.plan(snapshots[-1])
            found.append(Recorded(snapshots, plans.of_plan(plan.stages) if plan else ()))

    finish(read())
    return found[0]


def save(snapshots: Sequence[MetricsCollected], file: Path) -> None:
    """As JSON Lines, which `--snapshots` reads."""
    try:
        with file.open("w", encoding="utf-8") as lines:
            for snapshot in snapshots:
                lines.write(snapshot.model_dump_json(exclude_none=True) + "\n")
    except OSError as error:
        fail(f"{file}: {error}")
