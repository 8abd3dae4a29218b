"""What folding needs from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from serinus_contracts import AnalysisPlan, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.events import Reason, Verdict


@dataclass(frozen=True)
class Standing:
    """What is kept of a run between looks: its chain, its last verdict, and the judge's packed evidence,
    and what runs beside every judge.

    `through` is the end of the last folded look: version, order and dedupe in one. `since`: end of the look that
    first gave the verdict for its reason. `gaps`: looks that could never be read.
    """

    through: Millis = 0
    looks: int = 0
    gaps: int = 0
    verdict: Verdict | None = None
    reason: Reason | None = None
    since: Millis = 0
    plan: str = ""
    evidence: bytes = b""
    beside: bytes = b""
    served: bytes = b""


@dataclass(frozen=True)
class Fold:
    """A commit: the run's standing goes from `before` to `after`, which says `verdicts`, and settles `entries`.

    `traces`: the traceparent of each verdict, where any has one.
    """

    run: str
    before: Standing
    after: Standing
    verdicts: Sequence[VerdictReached]
    entries: Sequence[bytes]
    traces: Sequence[str | None] = ()


class Evidence(Protocol):
    """Where standings are kept and verdicts published."""

    async def load(self, runs: Sequence[str]) -> Mapping[str, Standing]:
        """The standing of each run, an empty one for a run not seen before."""
        ...

    async def plan(self, digest: str) -> AnalysisPlan | None:
        """The plan, None if it is not known. Raises ValueError if what is kept is no plan."""
        ...

    async def commit(self, folds: Sequence[Fold]) -> Sequence[bool]:
        """For each: True if done, False if another analyzer was faster and nothing was changed."""
        ...
