"""Reports in a file of JSON Lines, as `archive` and `judge --record` write them."""

from collections.abc import Sequence
from pathlib import Path

from serinus_contracts.report import Report


def append_report(report: Report, file: Path) -> None:
    """As a line behind those that the file has. Raises OSError."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(report.model_dump_json(exclude_none=True) + "\n")


def read_reports(file: Path) -> Sequence[Report]:
    """The reports of an archive or record. Raises OSError, and ValueError naming the line that is no report."""
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                found.append(Report.model_validate_json(line))
            except ValueError:
                raise ValueError(f"line {number} is no report, as archive and judge --record write them") from None
    return found
