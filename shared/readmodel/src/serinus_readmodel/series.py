"""The course of a run in few bytes: one point an evaluation, every second one dropped whenever there are too many."""

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from serinus_contracts import MetricVerdict, VerdictReached
from serinus_contracts.base import Millis
from serinus_contracts.channels import telling

MAX_POINTS = 240
NAN = float("nan")
_FIELDS = 4


class MetricPoint(NamedTuple):
    """Rates in the stage so far, and the evidence for an abort; NaN where there is none."""

    canary: float
    stable: float
    log_eprocess: float
    ratio: float


class Point(NamedTuple):
    """One snapshot of the course; weight in percent, evidence as the combined ln M."""

    end: Millis
    weight: float
    verdict: str
    log_eprocess: float
    metrics: dict[str, MetricPoint]


class Series:
    """Points in order of time, 32-bit floats. Names that appear later begin with NaN."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._ends = array("q")
        self._heads: list[tuple[float, str, float]] = []
        self._rows: list[array[float]] = []
        self._stride, self._skipped = 1, 0

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[Point]:
        for end, (weight, verdict, log_eprocess), row in zip(self._ends, self._heads, self._rows, strict=True):
            metrics = {
                name: MetricPoint(*row[_FIELDS * i : _FIELDS * (i + 1)])
                for i, name in enumerate(self.names)
                if _FIELDS * i < len(row)
            }
            yield Point(end, weight, verdict, log_eprocess, metrics)

    @property
    def ends(self) -> Sequence[Millis]:
        """When each point's snapshot ended, oldest first."""
        return self._ends

    @property
    def evidence(self) -> Sequence[float]:
        """The combined ln M of each point."""
        return [log_eprocess for _, _, log_eprocess in self._heads]

    def rates(self, name: str) -> tuple[Sequence[float], Sequence[float]]:
        """A metric's rates at each point, canary's and stable's."""
        at = _FIELDS * self.names.index(name)
        pairs = [(row[at], row[at + 1]) if at < len(row) else (NAN, NAN) for row in self._rows]
        return [canary for canary, _ in pairs], [stable for _, stable in pairs]

    def add(self, said: VerdictReached) -> None:
        """An evaluation; one that is older than the first is put before it, one that is known is ignored."""
        if self._ends and self._ends[0] <= said.end <= self._ends[-1]:
            return
        late = bool(self._ends) and said.end < self._ends[0]
        self._skipped += 1
        if self._skipped < self._stride and not said.changed:
            return
        self._skipped = 0
        at = 0 if late else len(self._ends)
        self._ends.insert(at, said.end)
        self._heads.insert(at, (said.weight, said.verdict, said.log_eprocess))
        self._rows.insert(at, self._row(said.metrics))
        if len(self._ends) > MAX_POINTS:
            self._halve()

    def _row(self, metrics: Sequence[MetricVerdict]) -> "array[float]":
        known = {metric.name: metric for metric in metrics}
        self.names += [name for name in known if name not in self.names]
        row = array("f")
        for name in self.names:
            row.extend(_point(known[name]) if name in known else (NAN,) * _FIELDS)
        return row

    def _halve(self) -> None:
        """Keep every second one, and the first and the last."""
        last = len(self._ends) - 1
        kept = [i for i in range(len(self._ends)) if i % 2 == 0 or i == last]
        self._ends = array("q", [self._ends[i] for i in kept])
        self._heads = [self._heads[i] for i in kept]
        self._rows = [self._rows[i] for i in kept]
        self._stride *= 2


def _point(metric: MetricVerdict) -> tuple[float, ...]:
    shown = telling(metric)
    if shown is None:
        return NAN, NAN, metric.log_eprocess, NAN
    canary, stable = shown.canary.rate, shown.stable.rate
    return (
        NAN if canary is None else canary,
        NAN if stable is None else stable,
        metric.log_eprocess,
        NAN if shown.ratio is None else shown.ratio,
    )
