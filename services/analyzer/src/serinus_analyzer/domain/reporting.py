"""The numbers of a verdict: what is known of each metric, limit and channel.

Building the published models costs about as much as the judgement itself, so it is left until they are asked for;
the sentence needs the numbers of one or two metrics only.
"""

from math import isnan
from typing import Any, NamedTuple

from pydantic import TypeAdapter
from serinus_contracts.events import Label, MetricsCollected, MetricStatus, MetricVerdict, Traffic
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.policy import Margin

from serinus_analyzer.domain import power
from serinus_analyzer.domain.counting import Counted, Reading
from serinus_analyzer.domain.evidence import Evidence
from serinus_analyzer.domain.latency import COARSE_ABSOLUTE, COARSE_RATIO, Pair
from serinus_analyzer.domain.layout import Layout, is_rate
from serinus_analyzer.domain.traffic import Share
from serinus_analyzer.domain.weighing import Weighed

Fields = dict[str, Any]
Edges = tuple[float | None, float | None, float | None]

COARSE_DETAIL = "buckets too coarse for the ratio: tested as a share above one edge"
_SAME = Margin()
_COARSE = Margin(ratio=COARSE_RATIO, absolute=COARSE_ABSOLUTE)
_NO_EDGES: Edges = (None, None, None)
_MODELS = TypeAdapter(tuple[MetricVerdict, ...])
LABELS: dict[MetricStatus, Label] = {
    "error": "error",
    "no_data": "no_data",
    "partial": "no_data",
    "settling": "settling",
}
"""Of a metric that cannot be judged in this look."""


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
    log_abort: float | None
    log_proceed: float | None
    low: float | None
    high: float | None
    detail: str


class _Lists(NamedTuple):
    run: list[list[float]]
    stage: list[list[float]]
    total: list[float]
    bound: list[float | None]


class Report:
    """A look and all that was found; groups are the plan's metrics, then its limits. looks: left in this stage."""

    def __init__(
        self,
        plan: AnalysisPlan,
        layout: Layout,
        evidence: Evidence,
        counted: Counted,
        found: Weighed,
        looks: float,
    ) -> None:
        self.plan = plan
        self.layout = layout
        self.evidence = evidence
        self.counted = counted
        self.found = found
        self.looks = looks
        self._lists: _Lists | None = None

    def label(self, group: int) -> Label:
        """One word for a metric or limit."""
        metrics = len(self.plan.metrics)
        label = LABELS.get(self.reading(group).status)
        if group in self.found.blame:
            return "worse"
        if label is not None:
            return label
        log_m, enough = self.found.groups[group], self.found.enough
        fine = log_m < enough / 2 and (group >= metrics or bool(self.found.shown[group]))
        return "warning" if log_m >= enough else "ok" if fine else "unclear"

    def reading(self, group: int) -> Reading:
        """How the metric was read, or the metric that a limit is for."""
        if group < len(self.plan.metrics):
            return self.counted.readings[group]
        return self.counted.readings[self.limited(group)]

    @property
    def stage(self) -> int:
        """The stage whose noise applies."""
        return min(max(self.evidence.stage, 0), len(self.evidence.noise.phi) - 1)

    def name(self, group: int) -> str:
        """Of a metric or limit."""
        metrics = self.plan.metrics
        return metrics[group].name if group < len(metrics) else self.plan.limits[group - len(metrics)].name

    def limited(self, group: int) -> int:
        """Index of the metric that a limit is for."""
        limit = self.plan.limits[group - len(self.plan.metrics)]
        return next(i for i, metric in enumerate(self.plan.metrics) if metric.name == limit.metric)

    def log_proceed(self, group: int) -> float:
        """ln N of a metric: the least of its channels'."""
        first = self.layout.channels.abort + self.layout.proceed_first[group]
        return float(self.found.log_total[first : first + self.layout.size[group]].min())

    def rows(self, group: int) -> list[Row]:
        """The channels of a metric or limit."""
        plan, layout = self.plan, self.layout
        first = int(layout.first[group])
        if group >= len(plan.metrics):
            limit, rate = plan.limits[group - len(plan.metrics)], is_rate(plan.metrics[self.limited(group)])
            margin = Margin(ratio=0, absolute=limit.share)
            edges: Edges = (limit.edge, limit.edge, None)
            falling = limit.better == "higher"
            # the interval of a complement is about those that fail: turned over it would be no ratio to the limit
            return [self._row(first, first, None, margin, edges, falling and rate, "", complement=falling and not rate)]
        metric, ok = plan.metrics[group], self.label(group) == "ok"
        test = layout.channels.abort + layout.proceed_first[group]
        if metric.source.kind == "proportion":
            return [self._row(first, first, test, metric.margin, _NO_EDGES, metric.better == "higher", "", ok=ok)]
        before = sum(one.source.kind == "distribution" for one in plan.metrics[:group])
        known = self.evidence.pairs[before] or ()
        late = layout.channels.tests.channel[test : test + len(known)].tolist()
        rows = []
        for slot, pair in enumerate(known):
            index, proceed = first + slot, test + slot
            if pair.abort is None and pair.proceed is None:
                edges = (pair.stable, pair.stable, pair.quantile)
                rows.append(self._row(index, index, proceed, _COARSE, edges, False, COARSE_DETAIL, ok=ok))
                continue
            rows.append(self._latency(index, index, None, pair, pair.abort))
            rows.append(self._latency(late[slot], None, proceed, pair, pair.proceed))
        return rows

    def _latency(self, place: int, abort: int | None, proceed: int | None, pair: Pair, own: float | None) -> Row:
        margin, detail = (_COARSE, COARSE_DETAIL) if own is None else (_SAME, "")
        edges = (pair.stable if own is None else own, pair.stable, pair.quantile)
        return self._row(place, abort, proceed, margin, edges, False, detail)

    def _row(
        self,
        place: int,
        abort: int | None,
        proceed: int | None,
        margin: Margin,
        edges: Edges,
        falling: bool,
        detail: str,
        *,
        ok: bool = False,
        complement: bool = False,
    ) -> Row:
        """The channel at `place`, and its tests, if it has them."""
        numbers = self._lists or self._read()
        x, n, y, m = map(int, numbers.run[place])
        u, k, v, j = map(int, numbers.stage[place])
        if complement:
            x, y, u, v = n - x, m - y, k - u, j - v
        worse = None if abort is None else numbers.bound[abort]
        better = None if proceed is None else numbers.bound[proceed]
        if worse is not None and better is not None and (worse < better if falling else worse > better):
            # The stage contradicts the run: the canary has changed. What agrees with the label is told.
            worse, better = (None, better) if ok else (worse, None)
        return Row(
            Counts(x, n),
            Counts(y, m),
            Counts(u, k),
            Counts(v, j),
            margin,
            edges,
            None if abort is None else numbers.total[abort],
            None if proceed is None else numbers.total[proceed],
            better if falling else worse,
            worse if falling else better,
            detail,
        )

    def _read(self) -> "_Lists":
        """State and findings as plain lists: reading single numbers out of arrays is slow."""
        state, found = self.evidence.state, self.found
        bound = [None if isnan(v) else v for v in found.bound.tolist()]
        run, stage = state.run.T.tolist(), state.stage.T.tolist()
        self._lists = _Lists(run, stage, found.log_total.tolist(), bound)
        return self._lists

    def visible(self, group: int) -> float | None:
        """From which rate on the first channel of a group would be found worse by the end of the stage."""
        first, noise = int(self.layout.first[group]), self.evidence.noise
        ratio, absolute, falling, rate = self.layout.channels.constants[first]
        events, trials = self.evidence.state.past[:, first].tolist()
        alpha = self.plan.budget.false_abort * float(self.layout.weight[group]) / self.layout.size[group]
        _, n, _, m = self.counted.counts[:, first].tolist()
        phi, kappa = float(noise.phi[self.stage, first]), float(noise.kappa[first])
        b = (events + 0.5) / (trials + 1)
        return power.visible(n, m, b, ratio, absolute, rate, falling, self.looks, phi, kappa, alpha)

    def models(self) -> tuple[MetricVerdict, ...]:
        """What is published, made by one call from plain dictionaries: a third of the time of making each model."""
        metrics, noise, stage = len(self.plan.metrics), self.evidence.noise, self.stage
        entries: list[Fields] = []
        for group, (first, weight) in enumerate(
            zip(self.layout.first.tolist(), self.layout.weight.tolist(), strict=True)
        ):
            reading, rows = self.reading(group), self.rows(group)
            entry: Fields = {
                "label": self.label(group),
                "status": reading.status,
                "share": weight,
                "log_abort": self.found.groups[group],
                "run": [_fields(row) for row in rows],
                "stage": [_counts(counts) for row in rows for counts in (row.canary_now, row.stable_now)],
                "calibrated": bool(noise.measured[first]),
                "phi": float(noise.phi[stage, first]),
                "kappa": float(noise.kappa[first]),
                "visible": self.visible(group),
            }
            if group < metrics:
                metric = self.plan.metrics[group]
                entry |= {"name": metric.name, "better": metric.better, "critical": metric.critical}
                entry |= {"log_proceed": self.log_proceed(group), "detail": reading.detail}
            else:
                limit = self.plan.limits[group - metrics]
                entry |= {"name": limit.name, "better": limit.better, "limit": True}
                entry["detail"] = self.counted.details.get(limit.name, "")
            entries.append(entry)
        return _MODELS.validate_python(entries)

    @property
    def calibrated(self) -> bool:
        """Whether the noise of every metric was measured."""
        return bool(self.evidence.noise.measured[self.layout.first[: len(self.plan.metrics)]].all())


def _counts(counts: Counts) -> Fields:
    return {"events": counts.events, "trials": counts.trials}


def _fields(row: Row) -> Fields:
    canary_edge, stable_edge, quantile = row.edges
    fields: Fields = {
        "canary": _counts(row.canary),
        "stable": _counts(row.stable),
        "margin": row.margin,
        "log_abort": row.log_abort or 0.0,
        "log_proceed": row.log_proceed,
        "low": row.low,
        "high": row.high,
    }
    if stable_edge is not None:
        fields |= {"canary_edge": canary_edge, "stable_edge": stable_edge, "quantile": quantile, "detail": row.detail}
    return fields


def traffic(snapshot: MetricsCollected, share: Share) -> Traffic | None:
    """How the requests of this stage were split; None where the weight gives one arm nothing."""
    if not 0 < snapshot.weight < 100:
        return None
    return Traffic(
        canary=share.canary,
        stable=share.stable,
        expected=snapshot.weight / 100,
        log_mismatch=share.log_mismatch,
    )
