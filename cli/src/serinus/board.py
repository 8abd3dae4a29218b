"""What a command knows of runs and can ask for, wherever it is read from."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Protocol

from serinus_contracts import AnalysisPlan, ControllerStatus, Event, VerdictReached
from serinus_contracts.described import whole
from serinus_contracts.events import Verb
from serinus_contracts.report import Report
from serinus_readmodel.report import KeptRun
from serinus_readmodel.run_view import RunView


class BoardError(Exception):
    """Runs cannot be read, or what was asked for is refused; the text says what to do."""


class Board(Protocol):
    """All methods raise BoardError."""

    @property
    def views(self) -> Mapping[str, RunView]:
        """Runs by id."""
        ...

    async def load(self) -> None:
        """Fill `views`: live runs, and ended ones of which something is still published."""
        ...

    def changes(self, block_ms: int = 500) -> AsyncGenerator[Sequence[Event], None]:
        """Events after `load`, or from now on without one, in batches that `views` has taken in already; an empty
        batch each time none came for `block_ms`."""
        ...

    async def verdicts(self, run: str) -> Sequence[VerdictReached]:
        """Those of a run that are kept, the oldest first."""
        ...

    async def controllers(self) -> Mapping[str, ControllerStatus]:
        """By cluster, what its controllers say of themselves."""
        ...

    async def plan(self, verdict: VerdictReached) -> AnalysisPlan | None:
        """The plan that a verdict rests on; None where it is no longer kept."""
        ...

    async def kept(self) -> Sequence[KeptRun]:
        """Runs with a report: live ones, then ended ones, the last that ended first."""
        ...

    async def report(self, run: str) -> Report | None:
        """None if nothing is kept of the run; its verdict leaves nothing out."""
        ...

    async def send(
        self, view: RunView, verb: Verb, reason: str, change: Mapping[str, Any], *, force: bool = False
    ) -> str:
        """Ask for something; the decision whose cause is the id that this gives answers it."""
        ...


def with_details(report: Report, described: VerdictReached | None) -> Report:
    """The report with what its verdict leaves out, as it was told last."""
    if report.verdict is None:
        return report
    return report.model_copy(update={"verdict": whole(report.verdict, described)})
