"""What is shown, kept and concluded of a session."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.live import Live
from rich.text import Text
from serinus_contracts import VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.report import Report
from serinus_runtime.clock import now_ms

from serinus.judge import forms, show
from serinus.judge.record import Record
from serinus.judge.session import Session
from serinus.kept import append_report
from serinus.options import ABORTED, ERROR, INCONCLUSIVE, Output
from serinus.terminal import Terminal, say

CODES = {"proceed": 0, "abort": ABORTED, "hold": INCONCLUSIVE}
REDRAW_SECONDS = 1.0


@dataclass
class Judgement:
    """What is shown and kept of a session that has begun."""

    output: Output
    record_to: Path | None
    console: Terminal
    screen: show.Screen
    record: Record
    _unwritten: bool = False

    async def follow(self, session: Session, on: bool) -> None:
        """Take in verdicts until one ends it, and show them. `on`: a proceed does not."""
        if not self.console.is_terminal:
            for line in self.screen.head():
                self.console.print(line, soft_wrap=True)
            await self._taken(session, on, show.Lines())
            return
        with Live(console=self.console, auto_refresh=False, transient=True) as screen:
            drawing = asyncio.create_task(self._draw(screen))
            try:
                await self._taken(session, on, None)
            finally:
                drawing.cancel()
                await asyncio.gather(drawing, return_exceptions=True)

    async def _taken(self, session: Session, on: bool, lines: show.Lines | None) -> None:
        async for verdict in session.verdicts(self.record.began):
            self.record.add(verdict)
            for line in lines.of(verdict, now_ms()) if lines else ():
                self.console.print(line, soft_wrap=True)
            if verdict.verdict == "abort" or (verdict.verdict == "proceed" and not on):
                return

    async def _draw(self, screen: Live) -> None:
        while True:
            screen.update(self.screen.live(self.record.last, now_ms()), refresh=True)
            await asyncio.sleep(REDRAW_SECONDS)

    def interrupted(self) -> None:
        """Ctrl-C, or a job that is cancelled."""
        self._end(interrupted=True)

    def conclude(self) -> None:
        """The end, with its exit code."""
        last = self._end(interrupted=False)
        code = CODES[last.verdict] if last else INCONCLUSIVE
        # What was judged is not lost with a file; only who waits for a proceed gets none without what it is to write.
        raise typer.Exit(code or (ERROR if self._unwritten else 0))

    def _end(self, *, interrupted: bool) -> VerdictReached | None:
        """Show and keep what was found."""
        ended: Millis = now_ms()
        last = self.record.last
        took = (ended - self.screen.began) / 1000
        self.console.print(show.summary(self.screen, last, took, interrupted))
        report = self.record.report(ended)
        if report is None:
            return last
        with self._tried():
            if self.output.output == "junit":
                sys.stdout.write(forms.junit(report))
            elif self.output.output == "github":
                say(forms.github_annotation(report))
            elif self.output.data:
                self.output.document(document(report))
        if self.output.output == "github":
            with self._tried():
                forms.github_outputs(report)
            with self._tried():
                forms.github_summary(report, ended)
        if self.record_to is not None:
            with self._tried():
                append_report(report, self.record_to)
        return last

    @contextmanager
    def _tried(self) -> Iterator[None]:
        """What cannot be written is said, and keeps nothing else from being written."""
        try:
            yield
        except OSError as error:
            self._unwritten = True
            text = f" {error.filename or 'standard output'}: {error.strerror or error}"
            Terminal(stderr=True).print(Text.assemble(("error:", "red"), text), soft_wrap=True)


def document(report: Report) -> dict[str, Any]:
    """For -o json and yaml: what a script asks for first, then the whole report."""
    return {
        "verdict": report.concluded,
        "why": report.why,
        "canary": report.run.canary_hash,
        "stable": report.run.stable_hash,
        "evaluations": report.evaluations,
        "evaluated_requests": report.evaluated_requests,
        "report": report.model_dump(mode="json", exclude_none=True),
    }
