"""Which runs are shown, and many of them as a table: one line a run, the most urgent first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.cells import cell_len, set_cell_size
from rich.table import Table
from rich.text import Text
from serinus_contracts.base import Millis
from serinus_contracts.weight import weight_text
from serinus_readmodel.outcome import headline
from serinus_readmodel.overview import Line, lines
from serinus_readmodel.run_view import RunView
from serinus_readmodel.state import WORDS
from serinus_readmodel.versions import Version, versions

from serinus.options import USAGE, fail

RECENT_MS = 3_600_000
UNITS = ((86_400, "d"), (3600, "h"), (60, "m"), (0, "s"))
_STYLES = {"good": "green", "warn": "yellow", "bad": "red"}
COLUMNS = ("NAMESPACE", "NAME", "STATE", "WEIGHT", "SINCE", "CANARY")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which runs are wanted; without any of it all that go on or ended within the last hour."""

    of_namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Runs of this namespace; else of all.")
    ] = None
    state: Annotated[
        str, typer.Option("--state", help='Runs in one of these states, as the table names them: "on hold,aborted".')
    ] = ""
    all_runs: Annotated[bool, typer.Option("--all", "-a", help="Runs that ended over an hour ago too.")] = False

    def __post_init__(self) -> None:
        unknown = self._states - {_plain(word) for word in WORDS}
        if unknown:
            fail(f"--state {', '.join(sorted(unknown))}: it is one or more of {', '.join(WORDS)}", USAGE)

    @property
    def _states(self) -> set[str]:
        return {_plain(one) for one in self.state.split(",") if one.strip()}

    def lines(self, views: Iterable[RunView], now: Millis, *, data: bool = False) -> tuple[list[Line], int]:
        """The runs that are wanted, the most urgent first, and how many are left out only since they ended long ago.

        `data`: for a program, which gets those too.
        """
        wanted = [line for line in lines(views, now) if self._wants(line)]
        if self.all_runs or data or self.state:
            return wanted, 0
        shown = [line for line in wanted if line.view.observed.outcome is None or now - _since(line) < RECENT_MS]
        return shown, len(wanted) - len(shown)

    def _wants(self, line: Line) -> bool:
        states, namespace = self._states, line.view.observed.run.namespace
        return self.of_namespace in (None, namespace) and (not states or _plain(line.state.word) in states)

    @property
    def narrowed(self) -> bool:
        """Whether some runs are not wanted."""
        return bool(self.of_namespace or self.state)


def table(shown: Sequence[Line]) -> Table:
    """One line a run for a terminal: what does not fit is cut, of the last column first, since what is cut of a name
    tells nobody which run it is."""
    rows = [_cells(line, people=True, wide=False) for line in shown]
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, *cells in zip((*COLUMNS, "NEXT"), *rows, strict=True):
        needed = None if name == "NEXT" else max(cell_len(one) for one in (name, *cells))
        made.add_column(name, no_wrap=True, overflow="ellipsis", min_width=needed)
    for line, cells in zip(shown, rows, strict=True):
        made.add_row(*map(Text, cells), style=_STYLES.get(line.state.tone, ""))
    return made


def table_lines(shown: Sequence[Line], *, wide: bool = False) -> list[str]:
    """The same for a program, or for whoever wants more columns: nothing is cut, and each column but the last is one
    word."""
    names = (*COLUMNS, *(("STABLE", "POLICY", "RUN", "VERDICT") if wide else ("NEXT",)))
    rows = [names, *(_cells(line, people=False, wide=wide) for line in shown)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(set_cell_size, row[:-1], widths)) + f"  {row[-1]}" for row in rows]


def _cells(line: Line, *, people: bool, wide: bool) -> list[str]:
    view, seen = line.view, line.view.observed
    canary, stable = versions(view)
    cells = [
        seen.run.namespace,
        seen.run.name,
        f"{line.state.mark} {line.state.word}" if people else line.state.word.replace(" ", "-"),
        "-" if seen.outcome else weight_text(seen.set_weight).replace(" ", ""),
        _brief(line.now - _since(line)),
        _version(canary),
    ]
    if wide:
        return [*cells, _version(stable), view.plan.policy if view.plan else "-", view.id, headline(view) or "-"]
    return [*cells, line.next]


def _since(line: Line) -> Millis:
    seen = line.view.observed
    return seen.ended or seen.stage_started


def _brief(ms: int) -> str:
    """A duration by its largest unit, as kubectl has ages: 42s, 3m, 5h, 2d."""
    seconds = max(0, ms // 1000)
    return next(f"{seconds // (size or 1)}{unit}" for size, unit in UNITS if seconds >= size)


def _version(one: Version) -> str:
    return ",".join(name for name, _ in one.images) or one.hash


def _plain(word: str) -> str:
    """So that on-hold is on hold, as a shell has it without quotes."""
    return word.strip().lower().replace("-", " ").replace("_", " ")
