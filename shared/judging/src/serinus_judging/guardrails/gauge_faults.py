"""What is wrong with the data of gauges: never zero, never a pass."""

from serinus_contracts.events import Gauge, MetricsCollected, Reason
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import duration

from serinus_judging.guardrails.watched import Watched

_WORST_FIRST = ("provider_error", "no_data", "settling")


def faults(
    plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected, young: frozenset[str]
) -> tuple[tuple[Reason, str] | None, tuple[str, ...]]:
    """The worst fault in this snapshot, with its words, and the names of the gauges without values."""
    found: list[tuple[Reason, str]] = []
    missing = []
    for i in watched.gauges:
        name = plan.metrics[i].name
        measured = snapshot.metrics.get(name)
        if measured is not None and measured.status in ("waiting", "settling"):
            continue
        if measured is not None and measured.status == "ok" and isinstance(measured, Gauge):
            if measured.canary.keys() - young:
                continue
            if measured.canary:
                found.append(("settling", f"{name}: the canary's pods are younger than {duration(plan.warmup)}"))
                continue
        missing.append(name)
        detail = (measured.detail if measured else "not measured") or "no canary pod has a value"
        if measured is not None and measured.status in ("ok", "error") and not isinstance(measured, Gauge):
            found.append(("provider_error", f"{name} cannot be judged: measured as {measured.kind}, planned as gauge"))
        elif measured is not None and measured.status == "error":
            found.append(("provider_error", f"{name} cannot be judged: {detail}"))
        else:
            found.append(("no_data", f"{name}: {detail}"))
    return min(found, key=lambda fault: _WORST_FIRST.index(fault[0]), default=None), tuple(missing)
