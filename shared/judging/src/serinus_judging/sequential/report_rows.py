"""What is known of one channel, for sentences and for what is published."""

from typing import Any, NamedTuple

from serinus_contracts.metric import Margin

Fields = dict[str, Any]
Edges = tuple[float | None, float | None, float | None]


class Counts(NamedTuple):
    """Events of trials."""

    events: int
    trials: int


class Row(NamedTuple):
    """What is known of one channel: counts of canary and stable over the run and in this stage, evidence, interval.

    edges: the canary's, stable's and the quantile, for latency.
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


def fields(row: Row) -> Fields:
    """As `Channel` is validated from."""
    (x, n), (y, m), (canary_edge, stable_edge, quantile) = row.canary, row.stable, row.edges
    fields: Fields = {
        "canary": {"events": x, "trials": n},
        "stable": {"events": y, "trials": m},
        "margin": row.margin,
        "log_eprocess": row.log_eprocess or 0.0,
        "log_eprocess_non_inferior": row.log_eprocess_non_inferior,
        "low": row.low,
        "high": row.high,
    }
    if stable_edge is not None:
        fields |= {"canary_edge": canary_edge, "stable_edge": stable_edge, "quantile": quantile, "detail": row.detail}
    return fields
