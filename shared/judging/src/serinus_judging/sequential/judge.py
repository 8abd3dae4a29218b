"""The default judge: e-processes on counts, right at every evaluation (docs/explanation/judging.md).

Evidence that a margin is exceeded is collected over the run, evidence that it is kept over the stage; both hold
their error probabilities however often one looks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from serinus_contracts.events import Distribution, MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan

from serinus_judging import run_progress
from serinus_judging.assessment import Assessment
from serinus_judging.packing import EvidenceError
from serinus_judging.plan_metrics import gating_metrics, without_gauges
from serinus_judging.sequential import combination, history, inference, latency, sentence
from serinus_judging.sequential.counts import Counted, count, fold
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.latency import Pairs
from serinus_judging.sequential.layout import Layout, key_of, layout, slots_used
from serinus_judging.sequential.numbers import Numbers, numbers_of
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.report import Report
from serinus_judging.sequential.segments import Segments
from serinus_judging.sequential.sentence_context import Context
from serinus_judging.sequential.state import SnapshotCounts, State, updated
from serinus_judging.snapshot import stage_seconds
from serinus_judging.verdict_order import Facts, Opinion, assess


class SequentialJudge:
    """As `judges.Judge`."""

    def start(self, plan: AnalysisPlan) -> Evidence:
        """Evidence before the first snapshot."""
        plan = without_gauges(plan)
        key = key_of(plan)
        channels, abort, proceed = key.shape
        stages = len(plan.stages)
        latencies = sum(metric.latency for metric in key.metrics)
        empty = layout(key, (slots_used(None),) * latencies)
        return Evidence(
            shape=(len(plan.metrics), channels, abort, proceed, stages),
            state=State.empty(empty.channels),
            noise=Noise.assumed(stages, channels),
            pairs=(None,) * latencies,
            left_out=("",) * len(plan.metrics),
            followed=(),
            progress=run_progress.start(plan),
            segments=(Segments(),) * sum(metric.segmented for metric in key.metrics),
        )

    def judge(
        self, cases: Sequence[tuple[AnalysisPlan, Evidence, MetricsCollected]]
    ) -> list[tuple[Evidence, Assessment]]:
        """The evidence after a snapshot of each of different runs, and the judgement, in the order given.

        Runs whose plans have the same shape share the calls that update their states: a third of the time of judging
        them one by one. After an abort evidence stays as it was when it decided, so that the verdict and its numbers
        stay too. Raises EvidenceError, for all, if evidence belongs to a plan with other metrics, limits or number of
        stages.
        """
        opened = [_opened(*case) for case in cases]
        groups: dict[tuple[int, bool], list[int]] = {}
        for i, case in enumerate(opened):
            groups.setdefault((id(case.layout), case.counts), []).append(i)
        results: list[tuple[Evidence, Assessment]] = [None] * len(opened)  # type: ignore[list-item]
        for members in groups.values():
            for i, result in zip(members, _judged_together([opened[i] for i in members]), strict=True):
                results[i] = result
        return results

    def load(self, packed: bytes) -> Evidence:
        """Evidence from bytes. Raises EvidenceError if they are not of this judge and version."""
        return Evidence.unpack(packed)


class _Case(NamedTuple):
    """A snapshot that is ready to be judged; counts: whether its counts are evidence."""

    plan: AnalysisPlan
    snapshot: MetricsCollected
    evidence: Evidence
    layout: Layout
    counted: Counted
    arrays: SnapshotCounts
    counts: bool
    started: tuple[int, ...]


def _opened(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> _Case:
    plan = without_gauges(plan)
    key = key_of(plan)
    segmented = sum(metric.segmented for metric in key.metrics)
    if evidence.shape != (len(plan.metrics), *key.shape, len(plan.stages)) or len(evidence.segments) != segmented:
        raise EvidenceError(f"evidence of shape {evidence.shape} does not fit the plan of {plan.policy}")
    evidence = _prepared(plan, evidence, snapshot)
    scheme = layout(key, tuple([slots_used(pairs) for pairs in evidence.pairs]))
    progress = evidence.progress
    fresh = progress.enters(snapshot)
    counted = count(
        plan, scheme.specs, evidence.pairs, snapshot, evidence.followed, progress.good, evidence.segments, fresh
    )
    in_stage = 0 <= snapshot.stage < len(plan.stages)
    counts = in_stage and evidence.log_eprocess < combination.log_threshold(plan.false_abort_rate)
    if counts:
        evidence = replace(evidence, followed=counted.followed, segments=counted.segments)
    stage = min(max(snapshot.stage, 0), len(evidence.noise.kappa) - 1)
    folded = fold(evidence.noise, counted, stage, fresh, scheme.channels.noise_from)
    started = _new_baselines(scheme, evidence, counted)
    return _Case(plan, snapshot, evidence, scheme, counted, folded, counts, started)


def _judged_together(cases: Sequence[_Case]) -> list[tuple[Evidence, Assessment]]:
    """Of runs with one layout, where the counts of all are evidence or those of none."""
    scheme = cases[0].layout
    state = State.stacked([case.evidence.state for case in cases])
    counts = SnapshotCounts.stacked([case.arrays for case in cases])
    if cases[0].counts:
        state = updated(scheme.channels, state, counts)
    found = inference.infer(scheme, state, [case.plan for case in cases])
    numbers = numbers_of(scheme.channels, state, counts, found)
    told = enumerate(zip(cases, found, numbers, strict=True))
    return [_judged(case, state.run_of(i), inferred, own) for i, (case, inferred, own) in told]


def _judged(case: _Case, state: State, found: inference.Inference, numbers: Numbers) -> tuple[Evidence, Assessment]:
    plan, snapshot, old, scheme, counted, _, _, started = case
    progress = run_progress.after(old.progress, plan, snapshot, counted.readings)
    evidence = replace(old, state=state, progress=progress, log_eprocess=found.combined)
    report = Report(plan, scheme, evidence, counted, found, numbers, _snapshots_left(plan, snapshot))
    context = Context(report, snapshot, started, gating_metrics(plan))
    opinion = _opinion(report, context, snapshot)
    facts = Facts(plan, snapshot, progress, counted.readings, lambda i: state.stage[1, scheme.starts[i]] == 0)
    return evidence, assess(facts, opinion)[1]


def _opinion(report: Report, context: Context, snapshot: MetricsCollected) -> Opinion:
    found = report.found
    verdict, reason = _verdict(report, context.gating, snapshot)
    return Opinion(
        verdict,
        reason,
        partial(sentence.say, context),
        report.metrics,
        stands=found.aborts,
        fault=_fault(context),
        may_proceed=found.may_proceed,
        regressed=tuple([report.name(i) for i in found.regressed]),
        log_eprocess=found.combined,
        calibrated=report.calibrated,
        findings=report.findings(),
        brief=report.brief,
    )


def _fault(context: Context) -> Reason | None:
    """Why nothing may be promoted on this snapshot, though its data are good."""
    readings = context.report.counted.readings
    if any(reading.no_gate for reading in readings) and all(reading.status != "error" for reading in readings):
        return "provider_error"
    return "awaiting_baseline" if context.started else None


def _verdict(report: Report, gating: Sequence[int], snapshot: MetricsCollected) -> tuple[Verdict, Reason]:
    """What the evidence says, be the time what it may."""
    found, plan = report.found, report.plan
    if found.aborts:
        return "abort", "limit" if found.regressed[0] >= len(plan.metrics) else "evidence"
    if found.may_proceed:
        if all(found.non_inferior[i] for i in gating):
            return "proceed", "non_inferior"
        if 0 <= snapshot.stage < len(plan.stages) and plan.stages[snapshot.stage].gate == "noRegression":
            return "proceed", "no_regression"
    return "hold", "insufficient_evidence"


def _prepared(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> Evidence:
    """What can be learned before the snapshot is counted: latency edges, and at the first snapshot all that history
    tells."""
    first = evidence.progress.evaluations == 0 and bool(snapshot.history)
    found = history.pasts(plan, snapshot.history) if first else {}
    if None in evidence.pairs:
        evidence = replace(evidence, pairs=_pairs(plan, evidence.pairs, snapshot, found))
    if not found:
        return evidence
    scheme = layout(key_of(plan), tuple(slots_used(pairs) for pairs in evidence.pairs))
    past, noise, left_out = history.learned(plan, scheme, evidence.pairs, found)
    return replace(evidence, state=replace(evidence.state, past=past), noise=noise, left_out=left_out)


def _pairs(
    plan: AnalysisPlan, known: Sequence[Pairs], snapshot: MetricsCollected, pasts: Mapping[str, history.Past]
) -> tuple[Pairs, ...]:
    """The edges to test per latency metric: by its history, else by stable's requests in this snapshot."""
    metrics = [metric for metric in plan.metrics if metric.source.kind == "distribution"]
    pairs = list(known)
    for i, metric in enumerate(metrics):
        past, measured = pasts.get(metric.name), snapshot.metrics.get(metric.name)
        if pairs[i] is None and past is not None:
            pairs[i] = past.pairs(metric.margin.ratio)
        if pairs[i] is None and isinstance(measured, Distribution) and measured.status == "ok":
            pairs[i] = latency.chosen(measured.edges, measured.stable, metric.margin.ratio) or None
    return tuple(pairs)


def _new_baselines(scheme: Layout, evidence: Evidence, counted: Counted) -> tuple[int, ...]:
    """Metrics for which this snapshot only sets the baseline."""
    trials = evidence.state.past[1]
    if trials.all():
        return ()
    first = scheme.starts
    return tuple([i for i, r in enumerate(counted.readings) if r.status == "ok" and trials[first[i]] == 0])


def _snapshots_left(plan: AnalysisPlan, snapshot: MetricsCollected) -> float:
    """How many more snapshots the stage has; none where it has no maximum any more."""
    if not 0 <= snapshot.stage < len(plan.stages):
        return 0.0
    elapsed = stage_seconds(snapshot)
    return (plan.stages[snapshot.stage].maximum - elapsed) / plan.interval
