"""What a judge says after one snapshot: all of a verdict that does not depend on the snapshots before."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from serinus_contracts.events import Reason, Verdict

Fields = dict[str, Any]
"""What a part of the verdict is validated from: fields that have their default may be absent."""


@dataclass(frozen=True)
class Assessment:
    """The judgement of one snapshot; the service adds what it knows of the chain of snapshots and publishes it.

    missing: metrics without usable counts in this snapshot; resets: counter resets in it; newest: time of the newest
    sample (ms); evaluated_requests: of the canary, over the run; report: makes the numbers of all metrics, as
    `MetricVerdict`; brief: likewise what of them is told at every evaluation, which costs less; share: as `Traffic`;
    score: of a judge that gives one; found: makes the findings that may decide, as `Finding`; described: makes those
    that only describe, which cost more. All as plain dictionaries: to make models of them costs as much as the
    judgement itself.
    """

    verdict: Verdict
    reason: Reason
    sentence: str
    regressed: tuple[str, ...]
    log_eprocess: float
    missing: tuple[str, ...]
    resets: int
    newest: int | None
    evaluated_requests: int
    calibrated: bool
    report: Callable[[], tuple[Fields, ...]] = field(compare=False, repr=False)
    brief: Callable[[], tuple[Fields, ...]] = field(compare=False, repr=False)
    share: Callable[[], Fields | None] = field(compare=False, repr=False)
    found: Callable[[], tuple[Fields, ...]] = field(default=tuple, compare=False, repr=False)
    described: Callable[[], tuple[Fields, ...]] = field(default=tuple, compare=False, repr=False)
    score: float | None = None

    @cached_property
    def metrics(self) -> tuple[Fields, ...]:
        """What is known of each metric and limit, made when first asked for."""
        return self.report()

    @cached_property
    def traffic(self) -> Fields | None:
        """How the requests of this stage were split."""
        return self.share()

    @property
    def findings(self) -> tuple[Fields, ...]:
        """All that other checks found."""
        return (*self.found(), *self.described())
