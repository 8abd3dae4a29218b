"""The report as Markdown, for a comment on a pull request."""

from collections.abc import Iterable, Sequence

from serinus_contracts.base import Millis
from serinus_contracts.report import Report

from serinus.report import words

_MARKUP = {ord(char): f"&#{ord(char)};" for char in "\\`*_[]<>|#@&"}


def markdown(report: Report, now: Millis) -> str:
    """The report as Markdown, in which nothing from outside is markup. `now` in ms."""
    lines = [f"### {_plain(words.title(report))}", ""]
    lines += [f"**{name}:** {_plain(value)}  " for name, value in words.facts(report, now)]
    if report.verdict:
        lines += _table(("metric", "canary", "stable", "state"), words.metrics(report.verdict.metrics))
    lines += _table(("", "other checks"), words.findings(report))
    lines += _table(("stage began", "weight", "lasted"), words.stages(report))
    lines += _table(("time", "by hand", "who", "why"), map(words.decision, report.people))
    overrides = (row for one in report.people for row in words.changed(one))
    lines += _table(("overridden", "before", "after"), overrides)
    changes = _table(("time", "verdict"), words.verdicts(report))
    if changes:
        lines += ["", "<details><summary>Verdicts</summary>", *changes, "", "</details>"]
    return "\n".join(lines) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    return ["", f"| {' | '.join(header)} |", "|" + " --- |" * len(header), *found] if found else []


def _plain(text: str) -> str:
    """Text in which nothing is markup: what people write as a reason must not change the comment."""
    return " ".join(text.translate(_MARKUP).split())
