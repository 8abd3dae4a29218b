"""About how many requests the canary has served: the rate of the windows that were counted, over all the time at each
weight, so that what was never counted is in it too."""

from typing import NamedTuple, Self

from serinus_contracts.base import Millis
from serinus_contracts.events import Distribution, Measurement, MetricsCollected, Proportion
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.plan_metrics import requests_metric


class Served(NamedTuple):
    """Requests of the canary that were counted; percent x ms of the windows in which they were, and of all the time up
    to `end`, from when on `weight` percent counts."""

    requests: int = 0
    counted: float = 0.0
    passed: float = 0.0
    end: Millis = 0
    weight: float = 0.0

    def pack(self) -> bytes:
        """As bytes, which `unpack` turns into an equal value."""
        return " ".join(map(repr, self)).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The value that was packed; nothing served yet from no bytes."""
        if not packed:
            return cls()
        requests, counted, passed, end, weight = packed.decode().split()
        return cls(int(requests), float(counted), float(passed), int(end), float(weight))

    @property
    def per_second(self) -> float | None:
        """Requests a second of both arms together; None while nothing was counted."""
        return 100_000 * self.requests / self.counted if self.counted else None

    @property
    def total(self) -> int | None:
        """About how many the canary has served up to `end`."""
        return round(self.requests * self.passed / self.counted) if self.counted else None


def after(served: Served, plan: AnalysisPlan, snapshot: MetricsCollected) -> Served:
    """With a snapshot, and the time since the one before."""
    share = snapshot.weight if snapshot.split is None else snapshot.split
    begin = served.end or snapshot.stage_started
    change = min(max(begin, snapshot.stage_started), snapshot.end)
    passed = served.passed + served.weight * (change - begin) + share * max(0, snapshot.end - change)
    measured = snapshot.metrics.get(plan.metrics[requests_metric(plan)].name)
    requests, counted = served.requests, served.counted
    if measured is not None and measured.status == "ok" and measured.window is not None:
        found = _canary(measured)
        if found is not None:
            requests += found
            counted += share * (measured.window.end - measured.window.begin)
    return Served(requests, counted, passed, snapshot.end, share)


def _canary(measured: Measurement) -> int | None:
    if isinstance(measured, Proportion):
        return sum(trials for _, trials in measured.canary.values())
    return sum(measured.canary) if isinstance(measured, Distribution) else None
