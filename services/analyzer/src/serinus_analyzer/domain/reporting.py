"""The numbers of a verdict: what is published of each metric, limit and channel.

They are collected as plain dictionaries and made into models by one call, which costs a third of making each model.
"""

from typing import Any

from pydantic import TypeAdapter

from serinus_analyzer.domain import power
from serinus_analyzer.domain.counting import Counted, Reading
from serinus_analyzer.domain.evidence import Evidence
from serinus_analyzer.domain.findings import Findings
from serinus_analyzer.domain.latency import COARSE_ABSOLUTE, COARSE_RATIO, Pair
from serinus_analyzer.domain.layout import Layout
from serinus_contracts.events import Label, MetricsCollected, MetricStatus, MetricVerdict, Traffic
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.policy import Margin

Fields = dict[str, Any]

_SAME = Margin()
_COARSE = Margin(ratio=COARSE_RATIO, absolute=COARSE_ABSOLUTE)
COARSE_DETAIL = "buckets too coarse for the ratio: tested as a share above one edge"
_MODELS = TypeAdapter(tuple[MetricVerdict, ...])
_LABELS: dict[MetricStatus, Label] = {
    "error": "error",
    "no_data": "no_data",
    "partial": "no_data",
    "settling": "settling",
}


def metrics(
    plan: AnalysisPlan, layout: Layout, evidence: Evidence, counted: Counted, found: Findings
) -> tuple[MetricVerdict, ...]:
    """One entry per metric, then one per limit, in the plan's order."""
    numbers = _Numbers(plan, layout, evidence, found)
    pairs = iter(evidence.pairs)
    entries = []
    for i, (metric, reading) in enumerate(zip(plan.metrics, counted.readings, strict=True)):
        first, proceed = numbers.first[i], layout.proceed_first[i]
        if metric.source.kind == "proportion":
            channels = [numbers.channel(first, metric.margin, metric.better == "higher", first, proceed)]
        else:
            channels = numbers.latency(next(pairs) or (), first, proceed)
        entry = numbers.entry(i, channels, reading, found.shown[i])
        entry |= {"name": metric.name, "better": metric.better, "critical": metric.critical, "detail": reading.detail}
        entry["log_proceed"] = numbers.least(proceed, layout.size[i])
        entries.append(entry)
    by_name = {metric.name: i for i, metric in enumerate(plan.metrics)}
    for i, limit in enumerate(plan.limits, start=len(plan.metrics)):
        reading, first = counted.readings[by_name[limit.metric]], numbers.first[i]
        rate = plan.metrics[by_name[limit.metric]].count == "rate"
        complement = limit.better == "higher" and not rate
        margin, edges = Margin(ratio=0, absolute=limit.share), (limit.edge, limit.edge, None)
        channel = numbers.channel(first, margin, limit.better == "higher", first, None, edges, complement=complement)
        entry = numbers.entry(i, [channel], reading, found.groups[i] < found.enough / 2)
        entry |= {"name": limit.name, "better": limit.better, "limit": True}
        entry["detail"] = counted.details.get(limit.name, "")
        entries.append(entry)
    return _MODELS.validate_python(entries)


class _Numbers:
    """State and findings as plain lists: reading single numbers out of arrays is slow."""

    def __init__(self, plan: AnalysisPlan, layout: Layout, evidence: Evidence, found: Findings) -> None:
        state, noise = evidence.state, evidence.noise
        self.found, self.abort = found, layout.channels.abort
        self.run: list[list[int]] = state.run.T.astype(int).tolist()
        self.stage: list[list[int]] = state.stage.T.astype(int).tolist()
        self.total: list[float] = found.log_total.tolist()
        self.bound: list[float] = found.bound.tolist()
        self.weight: list[float] = layout.weight.tolist()
        self.first: list[int] = layout.first.tolist()
        self.proceed: list[int] = layout.channels.proceed.tolist()
        self.phi: list[float] = noise.phi[min(max(evidence.stage, 0), len(noise.phi) - 1)].tolist()
        self.kappa: list[float] = noise.kappa.tolist()
        self.measured: list[bool] = noise.measured.tolist()
        self.visible: list[float] = power.visible(plan, layout, evidence).tolist()

    def least(self, proceed: int, size: int) -> float:
        """ln N of a metric: the least of its channels'."""
        return min(self.total[self.abort + proceed : self.abort + proceed + size])

    def entry(self, group: int, channels: list[tuple[Fields, list[Fields]]], reading: Reading, fine: bool) -> Fields:
        """What metrics and limits have in common."""
        first, log_m = self.first[group], self.found.groups[group]
        label = _LABELS.get(reading.status)
        if group in self.found.blame:
            label = "worse"
        elif label is None:
            label = "warning" if log_m >= self.found.enough else "ok" if fine else "unclear"
        return {
            "label": label,
            "status": reading.status,
            "share": self.weight[group],
            "log_abort": log_m,
            "run": tuple(channel for channel, _ in channels),
            "stage": tuple(counts for _, stage in channels for counts in stage),
            "calibrated": self.measured[first],
            "phi": self.phi[first],
            "kappa": self.kappa[first],
            "visible": _number(self.visible[first]),
        }

    def channel(
        self,
        index: int,
        margin: Margin,
        falling: bool,
        abort: int | None,
        proceed: int | None,
        edges: tuple[float | None, float | None, float | None] = (None, None, None),
        detail: str = "",
        complement: bool = False,
    ) -> tuple[Fields, list[Fields]]:
        """The channel over the run and its counts in this stage; abort, proceed: its tests, if it has them."""
        worse = None if abort is None else _number(self.bound[abort])
        better = None if proceed is None else _number(self.bound[self.abort + proceed])
        if worse is not None and better is not None and (worse > better) != falling and worse != better:
            better = None  # the run's evidence and the stage's contradict: the canary changed, the worse news is told
        canary, stable = _counts(self.run[index], complement)
        fields = {
            "canary": canary,
            "stable": stable,
            "canary_edge": edges[0],
            "stable_edge": edges[1],
            "quantile": edges[2],
            "margin": margin,
            "log_abort": 0.0 if abort is None else self.total[abort],
            "log_proceed": None if proceed is None else self.total[self.abort + proceed],
            "low": better if falling and not complement else worse,
            "high": worse if falling and not complement else better,
            "detail": detail,
        }
        return fields, _counts(self.stage[index], complement)

    def latency(self, pairs: tuple[Pair, ...], first: int, proceed: int) -> list[tuple[Fields, list[Fields]]]:
        """A channel per pair and side, or one for both sides where they are the same."""
        rows = []
        for slot, pair in enumerate(pairs):
            edges = (pair.abort or pair.stable, pair.stable, pair.quantile)
            later = (pair.proceed or pair.stable, pair.stable, pair.quantile)
            margin = _COARSE if pair.abort is None else _SAME
            detail = COARSE_DETAIL if pair.abort is None else ""
            if pair.abort is None and pair.proceed is None:
                rows.append(self.channel(first + slot, margin, False, first + slot, proceed + slot, edges, detail))
                continue
            rows.append(self.channel(first + slot, margin, False, first + slot, None, edges, detail))
            margin = _COARSE if pair.proceed is None else _SAME
            detail = COARSE_DETAIL if pair.proceed is None else ""
            late = self.proceed[proceed + slot]
            rows.append(self.channel(late, margin, False, None, proceed + slot, later, detail))
        return rows


def _number(value: float) -> float | None:
    return value if value == value else None


def _counts(values: list[int], complement: bool) -> list[Fields]:
    x, n, y, m = values
    if complement:
        x, y = n - x, m - y
    return [{"events": x, "trials": n}, {"events": y, "trials": m}]


def traffic(snapshot: MetricsCollected, evidence: Evidence) -> Traffic | None:
    """How the requests of this stage were split; None where the weight gives one arm nothing."""
    if not 0 < snapshot.weight < 100:
        return None
    share = evidence.traffic
    return Traffic(
        canary=share.canary,
        stable=share.stable,
        expected=snapshot.weight / 100,
        log_mismatch=share.log_mismatch,
    )
