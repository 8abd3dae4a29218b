"""What is known of one channel, for sentences and for what is published."""

from typing import NamedTuple

from serinus_contracts.metric import Margin

from serinus_judging.assessment import Fields


class Edges(NamedTuple):
    """Of a latency or a limit on one, in seconds: the canary's, stable's, the quantile; stable's bucket and the part
    of it that counts as slower, where its edge lies inside one."""

    canary: float | None = None
    stable: float | None = None
    quantile: float | None = None
    bucket: tuple[float, float] | None = None
    part: float | None = None


class Counts(NamedTuple):
    """Events of trials."""

    events: int
    trials: int


class Row(NamedTuple):
    """What is known of one channel: counts (x, n, y, m) over the run and in this stage, evidence, interval.

    log_share: ln of its part of the metric's evidence, where channels differ in that; segment: in words.
    """

    run: list[int]
    stage: list[int]
    margin: Margin
    edges: Edges
    log_eprocess: float | None
    log_eprocess_non_inferior: float | None
    low: float | None
    high: float | None
    detail: str
    log_share: float = 0.0
    segment: str | None = None

    @property
    def canary(self) -> Counts:
        """Over the run."""
        return Counts(*self.run[:2])

    @property
    def stable(self) -> Counts:
        """Over the run."""
        return Counts(*self.run[2:])

    @property
    def canary_now(self) -> Counts:
        """In this stage."""
        return Counts(*self.stage[:2])

    @property
    def stable_now(self) -> Counts:
        """In this stage."""
        return Counts(*self.stage[2:])


def counts_of(x: int, n: int, y: int, m: int) -> tuple[Fields, Fields]:
    """x of n of the canary and y of m of stable, each as `serinus_contracts.events.Counts`."""
    return {"events": x, "trials": n}, {"events": y, "trials": m}


def fields(row: Row) -> Fields:
    """As `Channel`."""
    (canary, stable), edges = counts_of(*row.run), row.edges
    fields: Fields = {
        "canary": canary,
        "stable": stable,
        "margin": {"ratio": row.margin.ratio, "absolute": row.margin.absolute},
        "log_eprocess": row.log_eprocess or 0.0,
        "log_eprocess_non_inferior": row.log_eprocess_non_inferior,
        "low": row.low,
        "high": row.high,
    }
    if edges.stable is not None:
        fields |= {"canary_edge": edges.canary, "stable_edge": edges.stable, "quantile": edges.quantile}
        fields |= {"stable_bucket": edges.bucket, "stable_part": edges.part, "detail": row.detail}
    return fields
