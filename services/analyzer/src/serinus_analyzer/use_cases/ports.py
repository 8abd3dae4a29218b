"""What processing snapshots needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serinus_contracts import AnalysisPlan
from serinus_contracts.written_verdict import WrittenVerdict
from serinus_judging.run_record import RunRecord
from serinus_runtime.streams import Entry


@dataclass(frozen=True)
class Commit:
    """The run's state goes from `before` to `after`, which publishes `verdicts` and acknowledges `entries`.

    `traces`: the traceparent of each verdict, where any has one.
    """

    run: str
    before: RunRecord
    after: RunRecord
    verdicts: Sequence[WrittenVerdict]
    entries: Sequence[bytes]
    traces: Sequence[str | None] = ()


class EvidenceStore(Protocol):
    """Where states of runs are kept and verdicts published."""

    async def load(self, runs: Sequence[str]) -> Mapping[str, RunRecord]:
        """The state of each run, an empty one for a run not seen before."""
        ...

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """The plan, None if it is not known. Raises ValueError if what is kept is not that plan."""
        ...

    async def commit(self, commits: Sequence[Commit]) -> Sequence[bool]:
        """For each: True if done, False if another analyzer was faster and nothing was changed."""
        ...


class Stream(Protocol):
    """The group of the snapshots' stream."""

    async def ack(self, *ids: bytes) -> None:
        """Never deliver them again."""
        ...

    async def dead_letter(self, entry: Entry, error: str) -> None:
        """Make a dead letter of it, with what is wrong."""
        ...

    async def oldest_pending(self) -> bytes | None:
        """The oldest entry that no analyzer has finished, None if there is none."""
        ...

    async def lost(self, ids: Sequence[bytes]) -> Sequence[bytes]:
        """Those of the entries that are not in the stream any more."""
        ...
