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
    """What is known of one channel: counts of canary and stable over the run and in this stage, evidence, interval.

    log_share: ln of its part of the metric's evidence, where channels differ in that; segment: in words.
    """

    canary: Counts
    stable: Counts
    canary_now: Counts
    stable_now: Counts
    margin: Margin
    edges: Edges
    log_eprocess: float | None
    log_eprocess_non_inferior: float | None
    low: float | None
    high: float | None
    detail: str
    log_share: float = 0.0
    segment: str | None = None


DIGITS = 4
"""Of evidence behind the point, and of a ratio in all, between two described verdicts: more nobody is shown."""


def rounded(row: Row) -> Fields:
    """As `fields`, with no more digits than are shown."""
    found = fields(row)
    for name in ("log_eprocess", "log_eprocess_non_inferior"):
        if found[name] is not None:
            found[name] = round(found[name], DIGITS)
    for name in ("low", "high"):
        if found[name] is not None:
            found[name] = float(f"{found[name]:.{DIGITS}g}")
    return found


def fields(row: Row) -> Fields:
    """As `Channel`."""
    (x, n), (y, m), edges = row.canary, row.stable, row.edges
    fields: Fields = {
        "canary": {"events": x, "trials": n},
        "stable": {"events": y, "trials": m},
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
