"""What a judge says after one snapshot: all of a verdict that does not depend on the snapshots before."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from serinus_contracts.events import Finding, MetricVerdict, Reason, Traffic, Verdict


@dataclass(frozen=True)
class Assessment:
    """The judgement of one snapshot; the service adds what it knows of the chain of snapshots and publishes it.

    missing: metrics without usable counts in this snapshot; resets: counter resets in it; newest: time of the newest
    sample (ms); evaluated_requests: of the canary, over the run; report: makes the numbers of all metrics; score: of a
    judge that gives one; found: makes the findings that may decide; described: makes those that only describe, which
    cost more.
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
    report: Callable[[], tuple[MetricVerdict, ...]] = field(compare=False, repr=False)
    share: Callable[[], Traffic | None] = field(compare=False, repr=False)
    found: Callable[[], tuple[Finding, ...]] = field(default=tuple, compare=False, repr=False)
    described: Callable[[], tuple[Finding, ...]] = field(default=tuple, compare=False, repr=False)
    score: float | None = None

    @cached_property
    def metrics(self) -> tuple[MetricVerdict, ...]:
        """What is known of each metric and limit, made when first asked for."""
        return self.report()

    @cached_property
    def traffic(self) -> Traffic | None:
        """How the requests of this stage were split."""
        return self.share()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that other checks found."""
        return (*self.found(), *self.described())
