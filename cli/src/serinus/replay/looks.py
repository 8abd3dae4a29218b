"""Recorded looks: from a file of JSON Lines, or from the stream of a live Redis."""

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
    """The looks of one run in order, and the stages it had, where they are known."""

    looks: Sequence[MetricsCollected]
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
            look = _look(line, f"{file}:{number}")
            found.setdefault(look.run.id, []).append(look)
    wanted = {name: looks for name, looks in found.items() if run is None or run in _names(looks[0])}
    if len(wanted) != 1:
        known = ", ".join(f"{name} ({looks[0].run.rollout}, {len(looks)} looks)" for name, looks in found.items())
        fail(f"{file} has looks of {known or 'no run'}: " + ("give the id of one" if wanted else f"none of {run}"))
    (looks,) = wanted.values()
    once = {look.end: look for look in looks}
    return Recorded([once[end] for end in sorted(once)])


def _look(line: str, place: str) -> MetricsCollected:
    try:
        document = json.loads(line)
        if isinstance(document, dict) and "specversion" in document:
            document = document.get("data")
        return MetricsCollected.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        fail(f"{place}: no look (an event {MetricsCollected.TYPE}): {where}: {first['msg']}")
    except ValueError as error:
        fail(f"{place}: no JSON: {error}")


def _names(look: MetricsCollected) -> tuple[str, ...]:
    return (look.run.id, look.run.rollout, look.run.name)


def from_redis(run: str, source: Streams) -> Recorded:
    """The looks of a run that the stream still has."""
    found: list[Recorded] = []

    async def read() -> None:
        async with streams(source) as board:
            name = await find_run(board, run)
            looks = await board.events(MetricsCollected, name, lambda look: look.follows == 0)
            if not looks:
                fail(f"no look of run {name} is left in Redis")
            plan = await board.plan(looks[-1])
            found.append(Recorded(looks, plans.of_plan(plan.stages) if plan else ()))

    finish(read())
    return found[0]


def save(looks: Sequence[MetricsCollected], file: Path) -> None:
    """As JSON Lines, which `--looks` reads."""
    try:
        with file.open("w", encoding="utf-8") as lines:
            for look in looks:
                lines.write(look.model_dump_json(exclude_none=True) + "\n")
    except OSError as error:
        fail(f"{file}: {error}")
