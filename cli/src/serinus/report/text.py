"""The report on a terminal or through a pipe, at any width from 60 columns on."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from serinus_contracts.base import Millis
from serinus_contracts.report import Report

from serinus.report import words

_STYLES = {"promoted": "green", "aborted": "red"}


def text(report: Report, now: Millis, *, wide: bool = False) -> RenderableType:
    """The report as renderables of rich. `now` in ms; `wide`: with the plan."""
    parts: list[RenderableType] = [Text(words.title(report), style=f"bold {_STYLES.get(words.style(report), '')}")]
    parts.append(_table(words.facts(report, now)))
    parts += _section("Stages", words.stages(report))
    if report.verdict:
        parts += _section(
            "Counts of the whole run", words.metrics(report.verdict.metrics), "metric canary stable state"
        )
    parts += _section("Other checks", words.findings(report))
    parts += _section("Verdicts", words.verdicts(report))
    parts += _section("Decisions", words.decisions(report))
    overrides = [row for one in report.people for row in words.changed(one)]
    parts += _section("Overridden", overrides, "rule before after")
    parts += _section("Plan", words.rules(report)) if wide else []
    return Group(*parts)


def _section(name: str, rows: Iterable[Sequence[str]], header: str = "") -> list[RenderableType]:
    found = list(rows)
    return [Text(""), Text(name, style="bold"), _table(found, header)] if found else []


def _table(rows: Iterable[Sequence[str]], header: str = "") -> Table:
    found = list(rows)
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=bool(header), header_style="dim", pad_edge=False)
    for index in range(len(found[0])):
        name = header.split()[index] if header else ""
        last = index == len(found[0]) - 1
        table.add_column(name, overflow="fold", no_wrap=index == 0, ratio=1 if last and not header else None)
    for row in found:
        table.add_row(*map(Text, row))
    return table
