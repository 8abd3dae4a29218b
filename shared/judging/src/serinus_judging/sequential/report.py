"""The numbers of a verdict: what is known of each metric, limit and channel.

All of them cost about as much as the judgement itself, so they are left until they are asked for; the sentence needs
those of one or two metrics only.
"""

from collections.abc import Mapping
from functools import cached_property
from math import exp

from serinus_contracts.channels import most_telling
from serinus_contracts.events import Label
from serinus_contracts.metric import Margin
from serinus_contracts.plan import AnalysisPlan, PlanMetric
from serinus_contracts.wording import percent, plain

from serinus_judging.assessment import Fields
from serinus_judging.plan_metrics import is_rate
from serinus_judging.sequential import power
from serinus_judging.sequential.bucket_reach import EXACT
from serinus_judging.sequential.counts import Counted
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.inference import Inference
from serinus_judging.sequential.latency import BLIND, Pair, Pairs
from serinus_judging.sequential.layout import Layout
from serinus_judging.sequential.numbers import Numbers
from serinus_judging.sequential.report_rows import Edges, Row, counts_of, fields
from serinus_judging.sequential.segments import LOG_SHARES, OTHERS, TOLD, Segments, mixed, named
from serinus_judging.snapshot import Reading
from serinus_judging.verdict_order import LABELS

_SAME = Margin()
_NO_EDGES = Edges()


def _edges(pair: Pair, ratio: float, part: float) -> Edges:
    if pair.below == pair.above:
        return Edges(pair.edge, pair.above, pair.quantile)
    return Edges(pair.edge, pair.edge / ratio, pair.quantile, (pair.below, pair.above), part)


def _reach(pair: Pair, ratio: float) -> str:
    """What these buckets show at one edge, where that is not the margin itself."""
    parts = [f"seen from {pair.seen:.3g}× on"] if pair.seen > ratio * EXACT else []
    if pair.proceed is None:
        parts.append("cannot be shown to be allowed")
    elif pair.shown < ratio / EXACT:
        parts.append(f"shown up to {pair.shown:.3g}×")
    return f"with these buckets a slowdown is {' and '.join(parts)}" if parts else ""


class Report:
    """A snapshot and all that was found; groups are the plan's metrics, then its limits. snapshots: left in this
    stage."""

    def __init__(
        self,
        plan: AnalysisPlan,
        layout: Layout,
        evidence: Evidence,
        counted: Counted,
        found: Inference,
        numbers: Numbers,
        snapshots: float,
    ) -> None:
        self.plan = plan
        self.layout = layout
        self.evidence = evidence
        self.counted = counted
        self.found = found
        self.numbers = numbers
        self.snapshots = snapshots
        self._rows: dict[int, list[Row]] = {}
        self._places: dict[int, dict[int, Row]] = {}

    def label(self, group: int) -> Label:
        """One word for a metric or limit."""
        metrics = len(self.plan.metrics)
        label = LABELS.get(self.reading(group).status)
        if group in self.found.regressed:
            return "worse"
        if label is not None:
            return label
        if group in self.found.worse:
            return "warning"
        quiet = self.found.groups[group] < self.found.threshold / 2
        return "ok" if quiet and (group >= metrics or self.found.non_inferior[group]) else "unclear"

    def reading(self, group: int) -> Reading:
        """How the metric was read, or the metric that a limit is for."""
        if group < len(self.plan.metrics):
            return self.counted.readings[group]
        return self.counted.readings[self.limited(group)]

    def name(self, group: int) -> str:
        """Of a metric or limit."""
        metrics = self.plan.metrics
        return metrics[group].name if group < len(metrics) else self.plan.limits[group - len(metrics)].name

    def limited(self, group: int) -> int:
        """Index of the metric that a limit is for."""
        limit = self.plan.limits[group - len(self.plan.metrics)]
        return next(i for i, metric in enumerate(self.plan.metrics) if metric.name == limit.metric)

    def log_eprocess_non_inferior(self, group: int) -> float:
        """ln N of a metric: the least of its channels'."""
        first = self.layout.channels.abort + self.layout.proceed_first[group]
        return min(self.numbers.total[first : first + self.layout.proceed_size[group]], default=0.0)

    def blind(self, group: int) -> bool:
        """Whether it is a latency that was measured in buckets which can show nothing of it."""
        tails = self.counted.readings[group].tails
        return tails is not None and self._pairs(group) is None

    def _pairs(self, group: int) -> Pairs:
        return self.evidence.pairs[sum(one.source.kind == "distribution" for one in self.plan.metrics[:group])]

    def rows(self, group: int) -> list[Row]:
        """The channels of a metric or limit."""
        if group not in self._rows:
            self._rows[group] = self._channels(group)
        return self._rows[group]

    def _channels(self, group: int) -> list[Row]:
        plan, layout = self.plan, self.layout
        first = layout.starts[group]
        if group >= len(plan.metrics):
            limit, rate = plan.limits[group - len(plan.metrics)], is_rate(plan.metrics[self.limited(group)])
            margin = Margin(ratio=0, absolute=limit.share)
            edges = Edges(limit.edge, limit.edge)
            falling = limit.better == "higher"
            # the interval of a complement is about those that fail: turned over it would be no ratio to the limit
            complement = falling and not rate
            return [self._row(group, first, first, None, margin, edges, falling and rate, complement=complement)]
        metric = plan.metrics[group]
        test = layout.channels.abort + layout.proceed_first[group]
        if metric.source.kind == "proportion":
            whole = self._row(group, first, first, test, metric.margin, _NO_EDGES, metric.better == "higher")
            return [whole, *self.segment_rows(group).values()]
        known = self._pairs(group) or ()
        late = layout.channels.tests.channel[test : test + len(known)].tolist()
        rows = []
        for slot, pair in enumerate(known):
            index, ratio = first + slot, metric.margin.ratio
            detail = _reach(pair, ratio)
            rows.append(self._row(group, index, index, None, _SAME, _edges(pair, ratio, pair.abort), False, detail))
            if pair.proceed is not None:
                edges = _edges(pair, ratio, pair.proceed)
                rows.append(self._row(group, late[slot], None, test + slot, _SAME, edges, False, detail))
        return rows

    def segments(self, group: int) -> Segments | None:
        """Of a metric, None where it has none."""
        metrics = self.plan.metrics
        if group >= len(metrics) or metrics[group].segment is None:
            return None
        return self.evidence.segments[sum(one.segment is not None for one in metrics[:group])]

    def segment_rows(self, group: int) -> dict[int, Row]:
        """The channels of a metric's segments that were counted, by place."""
        known = self.segments(group)
        if known is None:
            return {}
        if group in self._places:
            return self._places[group]
        metric, first, rows = self.plan.metrics[group], self.layout.starts[group] + 1, {}
        for place in (*range(len(known.names)), OTHERS):
            index = first + place
            row = self._row(group, index, index, None, metric.margin, _NO_EDGES, metric.better == "higher")
            if row.run[1] and row.run[3]:
                share = float(LOG_SHARES[place])
                rows[place] = row._replace(log_share=share, segment=named(metric.segment or "", known.names, place))
        self._places[group] = rows
        return rows

    @cached_property
    def mixed(self) -> Mapping[int, Fields]:
        """By metric that the arms get its segments in another mix."""
        found = {}
        for group, metric in enumerate(self.plan.metrics):
            known = self.segments(group)
            if known is None or metric.segment is None:
                continue
            finding = mixed(metric.name, metric.segment, known, self.plan.false_abort_rate)
            if finding is not None:
                found[group] = finding
        return found

    def findings(self) -> tuple[Fields, ...]:
        """What a person should know beside the verdict: another mix, and the rates that are compared there."""
        told = []
        for group, finding in self.mixed.items():
            x, n, _, _ = self.numbers.stage[self.layout.starts[group]]
            stable = self.stable_at_mix(group, in_stage=True)
            if stable is not None:
                phrase = plain if is_rate(self.plan.metrics[group]) else percent
                rates = f"{phrase(x / n, stable)} against {phrase(stable, x / n)} on stable at the canary's mix"
                values = {**finding["values"], "stable_rate_at_canary_mix": stable}
                finding = finding | {"text": f"{finding['text']}: {rates}", "values": values}
            told.append(finding)
        return tuple(told)

    def stable_at_mix(self, group: int, in_stage: bool) -> float | None:
        """Stable's rate if it had the canary's mix of segments, in this stage or the run; None where it has about that.

        What is in no segment that stable has too counts at the rate of all of stable, as it is compared.
        """
        numbers = self.numbers.stage if in_stage else self.numbers.run
        first = self.layout.starts[group]
        _, n, y, m = numbers[first]
        if group not in self.mixed or not n or not m:
            return None
        places = [numbers[first + 1 + place] for place in self.segment_rows(group)]
        both = [(own, events / trials) for _, own, events, trials in places if own and trials]
        return (sum(own * rate for own, rate in both) + (n - sum(own for own, _ in both)) * y / m) / n

    def _row(
        self,
        group: int,
        place: int,
        abort: int | None,
        proceed: int | None,
        margin: Margin,
        edges: Edges,
        falling: bool,
        detail: str = "",
        complement: bool = False,
    ) -> Row:
        """The group's channel at `place`, and its tests, if it has them."""
        numbers = self.numbers
        run, stage = numbers.run[place], numbers.stage[place]
        if complement:
            run, stage = ([n - x, n, m - y, m] for x, n, y, m in (run, stage))
        worse = None if abort is None else numbers.bound[abort]
        better = None if proceed is None else numbers.bound[proceed]
        if worse is not None and better is not None and (worse < better if falling else worse > better):
            # The stage contradicts the run: the canary has changed. What agrees with the label is told.
            worse, better = (None, better) if self.label(group) == "ok" else (worse, None)
        return Row(
            run,
            stage,
            margin,
            edges,
            None if abort is None else numbers.total[abort],
            None if proceed is None else numbers.total[proceed],
            better if falling else worse,
            worse if falling else better,
            detail,
        )

    @cached_property
    def _now(self) -> list[list[float]]:
        """Per channel x, n, y and m of this snapshot."""
        found: list[list[float]] = self.counted.counts.T.tolist()
        return found

    @cached_property
    def _measured(self) -> list[bool]:
        """Per channel whether its noise was measured."""
        found: list[bool] = self.evidence.noise.measured.tolist()
        return found

    def _noise(self, group: int) -> tuple[float, float]:
        """phi and kappa of its first channel, in this stage."""
        phi, kappa = self.numbers.noise()
        first = self.layout.starts[group]
        return phi[first], kappa[first]

    def detectable_rate(self, group: int) -> float | None:
        """From which rate on the first channel of a group would be found worse by the end of the stage."""
        layout, known, first = self.layout, self.numbers, self.layout.starts[group]
        ratio, absolute, falling, rate = layout.channels.constants[first]
        events, trials = known.past[first]
        alpha = self.plan.false_abort_rate * layout.shares[group] * exp(float(layout.log_share[first]))
        _, n, _, m = self._now[first]
        b = (events + 0.5) / (trials + 1)
        phi, kappa = self._noise(group)
        return power.detectable_rate(n, m, b, ratio, absolute, rate, falling, self.snapshots, phi, kappa, alpha)

    def metrics(self) -> tuple[Fields, ...]:
        """What is published of metrics, then limits, as `MetricVerdict`."""
        metrics = [self._metric(group, metric) for group, metric in enumerate(self.plan.metrics)]
        return (*metrics, *(self._named(group, self._group(group)) for group in self._limits))

    def brief(self) -> tuple[Fields, ...]:
        """Of each what is told at every evaluation: the channel that tells most, and nothing that seldom changes."""
        metrics: list[Fields] = [
            self._brief(group)
            | {
                "name": metric.name,
                "better": metric.better,
                "critical": metric.critical,
                "log_eprocess_non_inferior": self.log_eprocess_non_inferior(group),
                "detail": self._detail(group),
            }
            for group, metric in enumerate(self.plan.metrics)
        ]
        return (*metrics, *(self._named(group, self._brief(group)) for group in self._limits))

    @property
    def _limits(self) -> range:
        """The groups of limits."""
        return range(len(self.plan.metrics), len(self.plan.metrics) + len(self.plan.limits))

    def _brief(self, group: int) -> Fields:
        rows = [row for row in self.rows(group) if row.segment is None]
        told = [rows[most_telling([row.log_eprocess or 0.0 for row in rows])]] if rows else []
        return {
            "label": self.label(group),
            "status": self.reading(group).status,
            "share": self.layout.shares[group],
            "log_eprocess": self.found.groups[group],
            "run": [fields(row) for row in told],
            "stage": [arm for row in told for arm in counts_of(*row.stage)],
            "calibrated": self._measured[self.layout.starts[group]],
        }

    def _detail(self, group: int) -> str:
        return self.counted.readings[group].detail or (BLIND if self.blind(group) else "")

    def _metric(self, group: int, metric: PlanMetric) -> Fields:
        return self._group(group) | {
            "name": metric.name,
            "better": metric.better,
            "critical": metric.critical,
            "visible_slowdown": min((pair.seen for pair in self._pairs(group) or ()), default=None)
            if metric.source.kind == "distribution"
            else None,
            "log_eprocess_non_inferior": self.log_eprocess_non_inferior(group),
            "detail": self._detail(group),
            "left_out": self.evidence.left_out[group],
            **self._segments(group),
        }

    def _named(self, group: int, known: Fields) -> Fields:
        """A limit, by what is known of its group."""
        limit = self.plan.limits[group - len(self.plan.metrics)]
        detail = self.counted.details.get(limit.name, "")
        return known | {"name": limit.name, "better": limit.better, "limit": True, "detail": detail}

    def _segments(self, group: int) -> Fields:
        """The worst segments of a metric, none where it has no segment."""
        known = self.segments(group)
        if known is None:
            return {}
        rows = sorted(
            self.segment_rows(group).items(), key=lambda item: -(item[1].log_eprocess or 0) - item[1].log_share
        )
        told = [
            {
                "name": known.names[place] if place < len(known.names) else "",
                "others": place == OTHERS,
                **dict(zip(("canary", "stable"), counts_of(*row.run), strict=True)),
                "stage": counts_of(*row.stage),
                "worse": (row.log_eprocess or 0.0) + row.log_share >= self.found.threshold,
                "log_eprocess": row.log_eprocess or 0.0,
                "low": row.low,
                "high": row.high,
            }
            for place, row in rows[:TOLD]
        ]
        return {"segment": self.plan.metrics[group].segment, "segments": told}

    def _group(self, group: int) -> Fields:
        """What metrics and limits have in common."""
        rows, first, (phi, kappa) = self.rows(group), self.layout.starts[group], self._noise(group)
        rows = [row for row in rows if row.segment is None]
        return {
            "label": self.label(group),
            "status": self.reading(group).status,
            "share": self.layout.shares[group],
            "log_eprocess": self.found.groups[group],
            "run": [fields(row) for row in rows],
            "stage": [arm for row in rows for arm in counts_of(*row.stage)],
            "calibrated": self._measured[first],
            "dispersion": phi,
            "correlation": kappa,
            "detectable_rate": self.detectable_rate(group),
        }

    @property
    def calibrated(self) -> bool:
        """Whether the noise of every metric was measured."""
        return bool(self.evidence.noise.measured[self.layout.first[: len(self.plan.metrics)]].all())
