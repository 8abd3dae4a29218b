"""The report as one HTML file that needs nothing beside it, no script and no network."""

from collections.abc import Iterable, Sequence
from html import escape

from serinus_contracts.base import Millis
from serinus_contracts.report import Report
from serinus_contracts.wording import moment

from serinus.report import words
from serinus.report.plot import svg

_STYLE = """
:root { color-scheme: light dark; --good: #1a7f37; --bad: #cf222e; --dim: #6e7781; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
.promoted { color: var(--good); } .aborted { color: var(--bad); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
th { color: var(--dim); font-weight: normal; } td:first-child { white-space: nowrap; }
svg { width: 100%; font-size: 11px; fill: currentColor; } polyline { fill: none; stroke: #0969da; stroke-width: 1.5; }
.bar { stroke: var(--bad); stroke-dasharray: 5 3; } .stage { stroke: var(--dim); stroke-opacity: .5; }
footer { color: var(--dim); margin-top: 2rem; font-size: .85rem; }
"""


def page(report: Report, now: Millis) -> str:
    """The report as one HTML document. `now` in ms."""
    overrides = [row for one in report.people for row in words.changed(one)]
    counts = words.metrics(report.verdict.metrics) if report.verdict else ()
    plot = svg(report)
    parts = [
        f'<h1 class="{words.style(report)}">{escape(words.title(report))}</h1>',
        _table((), words.facts(report, now)),
        f"<h2>Evidence of a regression</h2>{plot}" if plot else "",
        _section("Counts of the whole run", ("metric", "canary", "stable", "state"), counts),
        _section("Other checks", (), words.findings(report)),
        _section("Stages", ("began", "weight", "lasted"), words.stages(report)),
        _section("By hand", ("time", "what", "who", "why"), map(words.decision, report.people)),
        _section("Overridden", ("rule", "before", "after"), overrides),
        _section("Verdicts", ("time", "verdict"), words.verdicts(report)),
        _section("Decisions", ("time", "what", "who", "why"), words.decisions(report)),
        _section("Plan", (), words.rules(report)),
        f"<footer>Run {escape(report.run.id)}, times in UTC, written by Serinus at {moment(now)}.</footer>",
    ]
    head = f'<meta charset="utf-8"><title>{escape(words.title(report))}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _section(name: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = _table(header, rows)
    return f"<h2>{name}</h2>{table}" if table else ""


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    if not found:
        return ""
    head = "<tr>" + "".join(f"<th>{cell}</th>" for cell in header) + "</tr>" if header else ""
    return f"<table>{head}{''.join(found)}</table>"
