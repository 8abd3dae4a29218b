"""What a measurement says of the series behind it, and measurements without counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from serinus_contracts import Distribution, Gauge, Measurement, PlanMetric, Proportion, Scalar
from serinus_contracts.base import Millis
from serinus_contracts.events import Measured, MetricStatus
from serinus_contracts.plan import query_digest

_KINDS: Mapping[str, type[Measured]] = {
    "proportion": Proportion,
    "distribution": Distribution,
    "gauge": Gauge,
    "scalar": Scalar,
}


@dataclass(frozen=True, slots=True)
class Quality:
    """`series` answered the query, `newest` is their newest sample (ms), `resets` were seen in the window."""

    series: int = 0
    newest: Millis | None = None
    resets: int = 0
    detail: str = ""

    def fields(self) -> dict[str, object]:
        """The fields of a measurement that hold it."""
        return asdict(self)


def blank(metric: PlanMetric, status: MetricStatus, detail: str = "", quality: Quality | None = None) -> Measurement:
    """A measurement without counts, of the metric's kind; `detail` says why, else the quality's own does."""
    known = (quality or Quality()).fields()
    fields = known | {"status": status, "detail": detail or known["detail"]}
    made = _KINDS[metric.source.kind].model_validate(fields | {"query_digest": query_digest(metric.source.query)})
    return cast("Measurement", made)
