"""How the demo ended, held against what must be and against what the simulator knows to be true."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from serinus_readmodel.run_view import RunView
from serinus_simulator.audit.ledger import Ledger, check

from serinus.adapters.streams import Streams

# "Held" is shown by so many evaluations in a row that held for want of data.
HELD_EVALUATIONS = 15


@dataclass(frozen=True)
class Expectation:
    """How one release must end, and in words why."""

    name: str
    end: Literal["promoted", "aborted", "held"]
    why: str

    def met(self, view: RunView | None) -> bool:
        """Whether it has gone so by now; False of a run that was never seen."""
        if view is None:
            return False
        if self.end != "held":
            return view.observed.outcome == self.end
        verdict = view.verdict
        if view.observed.outcome or verdict is None or verdict.reason != "no_data" or view.plan is None:
            return False
        return verdict.end - verdict.since >= HELD_EVALUATIONS * view.plan.interval * 1000

    def decided(self, view: RunView | None) -> bool:
        """Nothing that comes can change whether it is met."""
        return self.met(view) or bool(view and view.observed.outcome)


@dataclass(frozen=True)
class Ending:
    """One release: what became of it, what was seen and what was true."""

    expectation: Expectation
    view: RunView | None
    served: int
    ledger: Ledger

    @property
    def met(self) -> bool:
        """Whether it ended as expected and its counts agree with what was served."""
        return self.expectation.met(self.view) and self.ledger.holds

    @property
    def end(self) -> str:
        """In one word or two."""
        if self.view is None:
            return "never seen"
        return self.view.observed.outcome or ("held" if self.expectation.met(self.view) else "not ended")


@dataclass(frozen=True)
class Result:
    """How all releases of the demo ended."""

    endings: Sequence[Ending]

    @property
    def passed(self) -> bool:
        """Whether every release ended as expected."""
        return all(ending.met for ending in self.endings)

    def document(self) -> dict[str, Any]:
        """For -o json."""
        return {
            "passed": self.passed,
            "releases": [
                {
                    "name": ending.expectation.name,
                    "expected": ending.expectation.end,
                    "end": ending.end,
                    "sentence": ending.view.verdict.sentence if ending.view and ending.view.verdict else None,
                    "evaluations": ending.view.verdict.evaluation if ending.view and ending.view.verdict else 0,
                    "evaluated_requests": ending.view.verdict.evaluated_requests
                    if ending.view and ending.view.verdict
                    else 0,
                    "served_by_canary": ending.served,
                    "windows_checked": ending.ledger.windows,
                    "ledger_faults": list(ending.ledger.faults),
                }
                for ending in self.endings
            ],
        }


async def judge_demo(expected: Sequence[Expectation], board: Streams, truth: Path, world_url: str) -> Result:
    """The endings, with the requests that each canary really served and the ledger of its counts."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{world_url}/world/rollouts", timeout=10)
    served = {rollout["name"]: rollout["served"] for rollout in answer.json()["rollouts"]}
    endings = []
    for expectation in expected:
        view = next((view for view in board.views.values() if view.observed.run.name == expectation.name), None)
        by_hash = served.get(expectation.name, {})
        requests = by_hash.get(view.observed.run.canary_hash, {}).get("requests", 0) if view else 0
        ledger = await check(board.client, board.keys, view.id, truth) if view else Ledger(0, ("no run",))
        endings.append(Ending(expectation, view, requests, ledger))
    return Result(endings)


def summary(result: Result) -> RenderableType:
    """The result as a table for a terminal."""
    table = Table(title="What was seen, held against what was true", title_justify="left", title_style="bold", box=None)
    for name in ("release", "must be", "is", "evaluations", "judged", "served", "windows that equal the scrapes"):
        table.add_column(name, justify="right" if name in ("evaluations", "judged", "served") else "left")
    for ending in result.endings:
        verdict = ending.view.verdict if ending.view else None
        table.add_row(
            ending.expectation.name,
            ending.expectation.end,
            Text(f"{'✔' if ending.met else '✖'} {ending.end}", style="green" if ending.met else "red"),
            f"{verdict.evaluation if verdict else 0}",
            f"{verdict.evaluated_requests if verdict else 0:,}",
            f"{ending.served:,}",
            f"all {ending.ledger.windows}" if ending.ledger.holds else ending.ledger.faults[0],
        )
    note = Text("judged and served: requests to the canary, in judged windows and in all", style="dim")
    words = "All four ended as they must." if result.passed else "Not all ended as they must; the logs tell more."
    return Group(table, note, Text(words, style="bold green" if result.passed else "bold red"))
