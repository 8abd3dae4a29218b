"""The default judge: e-processes on counts, right at every look (docs/judging.md).

Evidence that a margin is exceeded is collected over the run, evidence that it is kept over the stage; both hold
their error probabilities however often one looks.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import sample_ratio
from serinus_judging.packing import EvidenceError
from serinus_judging.plan_metrics import gating_metrics, requests_metric, without_gauges
from serinus_judging.sequential import combination, history, inference, latency, sentence
from serinus_judging.sequential.counts import Counted, count
from serinus_judging.sequential.evidence import Evidence
from serinus_judging.sequential.layout import Layout, coarse_of, key_of, layout
from serinus_judging.sequential.overdispersion import Noise
from serinus_judging.sequential.report import Report
from serinus_judging.sequential.state import Look, State, fold
from serinus_judging.snapshot import Reading, stage_seconds

PATIENCE = 3
"""Looks in a row without data before `on_no_data: abort` aborts. One look without data is an ordinary scrape gap or
a late series, whose counts the next window brings; three in a row after the minimum time are an outage of the
canary's metrics, and still short enough to spare its users."""


class Decision(NamedTuple):
    verdict: Verdict
    reason: Reason


def open(plan: AnalysisPlan, noise: Noise | None = None) -> Evidence:  # noqa: A001 - the judge's interface
    """Evidence before the first look.

    noise: values for phi and kappa per stage and channel, instead of what the first look's history tells (or, without
    history, of what is assumed); see `uniform_noise`.
    """
    plan = without_gauges(plan)
    key = key_of(plan)
    channels, abort, proceed = key.shape
    stages = len(plan.stages)
    latencies = sum(metric.source.kind == "distribution" for metric in plan.metrics)
    empty = layout(key, (None,) * latencies)
    return Evidence(
        shape=(len(plan.metrics), channels, abort, proceed, stages),
        state=State.empty(empty.channels),
        noise=noise or Noise.assumed(stages, channels),
        pairs=(None,) * latencies,
        seen=((0, 0),) * len(plan.metrics),
        traffic=sample_ratio.Share(),
        settled=noise is not None,
    )


def uniform_noise(plan: AnalysisPlan, phi: float = 1.0, kappa: float = 0.0) -> Noise:
    """The same phi and kappa for every stage and channel of a plan, as if measured."""
    return Noise.uniform(phi, kappa, len(plan.stages), key_of(without_gauges(plan)).shape[0])


def look(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> tuple[Evidence, Assessment]:
    """The evidence after the look, and the judgement.

    Raises EvidenceError if the evidence belongs to a plan with other metrics, limits or number of stages. After
    an abort the evidence stays as it was when it decided, so that the verdict and its numbers stay too.
    """
    return _alone(_opened(plan, evidence, snapshot))


def _alone(case: "_Case") -> tuple[Evidence, Assessment]:
    state = case.evidence.state
    if case.look is not None:
        state = fold(case.layout.channels, state, case.look)
    return _judged(case, state, inference.weigh(case.layout, state, case.plan.budget))


def look_all(
    cases: Sequence[tuple[AnalysisPlan, Evidence, MetricsCollected]],
) -> list[tuple[Evidence, Assessment]]:
    """`look` at many runs at once, in the order given, for a third of the time: a look at each of different runs.

    Runs whose plans have the same shape share the calls that fold their looks; what is alone is spared the stacking.
    Raises as `look` does, for all.
    """
    opened = [_opened(*case) for case in cases]
    groups: dict[tuple[int, bool], list[int]] = {}
    for i, case in enumerate(opened):
        groups.setdefault((id(case.layout), case.look is None), []).append(i)
    results: list[tuple[Evidence, Assessment]] = [None] * len(opened)  # type: ignore[list-item]
    for members in groups.values():
        if len(members) == 1:
            results[members[0]] = _alone(opened[members[0]])
            continue
        own = [opened[i] for i in members]
        scheme = own[0].layout
        state = State.stacked([case.evidence.state for case in own])
        looks = [case.look for case in own if case.look is not None]
        if looks:
            state = fold(scheme.channels, state, Look.stacked(looks))
        found = inference.weigh_all(scheme, state, [case.plan.budget for case in own])
        for place, i in enumerate(members):
            results[i] = _judged(opened[i], state.run_of(place), found[place])
    return results


class _Case(NamedTuple):
    """A look that is ready to be folded; `look` is None where there is nothing to fold."""

    plan: AnalysisPlan
    snapshot: MetricsCollected
    evidence: Evidence
    layout: Layout
    counted: Counted
    look: Look | None
    started: tuple[int, ...]


def _opened(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> _Case:
    plan = without_gauges(plan)
    key = key_of(plan)
    if evidence.shape != (len(plan.metrics), *key.shape, len(plan.stages)):
        raise EvidenceError(f"evidence of shape {evidence.shape} does not fit the plan of {plan.policy}")
    evidence = _prepared(plan, evidence, snapshot)
    scheme = layout(key, tuple([coarse_of(pairs) for pairs in evidence.pairs]))
    counted = count(plan, scheme.specs, evidence.pairs, snapshot)
    folded = None
    if 0 <= snapshot.stage < len(plan.stages) and evidence.log_abort < combination.bar(plan.budget.false_abort):
        fresh = (snapshot.stage, snapshot.stage_started) != (evidence.stage, evidence.stage_started)
        counts, noise = counted.counts, evidence.noise
        valid = (counts[1] > 0) & (counts[3] > 0)
        if not valid.all():
            counts = np.where(valid, counts, 1.0)
        stage = np.array(snapshot.stage)
        phi = noise.phi[snapshot.stage]
        folded = Look(counts, valid, counted.seconds, stage, np.array(fresh), phi, noise.kappa)
    return _Case(plan, snapshot, evidence, scheme, counted, folded, _new_baselines(scheme, evidence, counted))


def _judged(case: _Case, state: State, found: inference.Weighed) -> tuple[Evidence, Assessment]:
    plan, snapshot, _, scheme, counted, _, started = case
    evidence = _remembered(case, state, found.combined)
    decision = _decide(case, evidence, found)
    report = Report(plan, scheme, evidence, counted, found, _looks_left(plan, snapshot))
    context = sentence.Context(report, snapshot, started, gating_metrics(plan))
    measured = [reading.measured for reading in counted.readings if reading.measured is not None]
    readings = zip(plan.metrics, counted.readings, strict=True)
    return evidence, Assessment(
        verdict=decision.verdict,
        reason=decision.reason,
        sentence=sentence.say(decision.verdict, decision.reason, context),
        blame=tuple([report.name(i) for i in found.blame]),
        log_abort=found.combined,
        missing=tuple([metric.name for metric, reading in readings if reading.status not in ("ok", "waiting")]),
        resets=sum([m.resets for m in measured]),
        newest=max([m.newest for m in measured if m.newest is not None], default=None),
        exposed=evidence.exposed,
        calibrated=report.calibrated,
        report=report.models,
        share=partial(sample_ratio.published, plan, snapshot, evidence.traffic),
    )


def _prepared(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> Evidence:
    """What can be learned before the look is counted: latency edges, and at the first look all that history tells."""
    first = evidence.looks == 0 and bool(snapshot.history)
    found = history.pasts(plan, snapshot.history) if first else {}
    if None in evidence.pairs:
        pairs = list(evidence.pairs)
        metrics = [metric for metric in plan.metrics if metric.source.kind == "distribution"]
        for i, metric in enumerate(metrics):
            if pairs[i] is None and metric.name in found:
                pairs[i] = found[metric.name].pairs(metric.margin.ratio)
            measured = snapshot.metrics.get(metric.name)
            if (
                pairs[i] is None
                and measured is not None
                and measured.kind == "distribution"
                and measured.status == "ok"
            ):
                pairs[i] = latency.chosen(measured.edges, measured.stable, metric.margin.ratio) or None
        evidence = replace(evidence, pairs=tuple(pairs))
    if not found:
        return evidence
    scheme = layout(key_of(plan), tuple(coarse_of(pairs) for pairs in evidence.pairs))
    past, noise = history.learned(plan, scheme, evidence.pairs, found)
    return replace(
        evidence,
        state=replace(evidence.state, past=past),
        noise=evidence.noise if evidence.settled else noise,
    )


def _new_baselines(scheme: Layout, evidence: Evidence, counted: Counted) -> tuple[int, ...]:
    """Metrics for which this look only sets the baseline."""
    trials = evidence.state.past[1]
    if trials.all():
        return ()
    first = scheme.starts
    return tuple([i for i, r in enumerate(counted.readings) if r.status == "ok" and trials[first[i]] == 0])


def _remembered(case: _Case, state: State, log_abort: float) -> Evidence:
    """The evidence after a look, with all that is not the channels' state."""
    plan, snapshot, old, _, counted, _, _ = case
    share, exposed = old.traffic, 0
    if 0 <= snapshot.stage < len(plan.stages):
        if (snapshot.stage, snapshot.stage_started) != (old.stage, old.stage_started):
            share = sample_ratio.Share(pace=share.pace)
        requests = counted.readings[requests_metric(plan)]
        if requests.status == "ok" or requests.without_requests:
            _, exposed, _, stable = requests.quad
            split = sample_ratio.tested(plan, snapshot)
            if split is not None:
                share = sample_ratio.after(share, exposed, stable, split, requests.seconds)
    gating = [counted.readings[i] for i in gating_metrics(plan)]
    missing = any(reading.status == "no_data" and not reading.without_requests for reading in gating)
    return Evidence(
        shape=old.shape,
        state=state,
        noise=old.noise,
        pairs=old.pairs,
        seen=tuple([_seen(*pair, snapshot.end) for pair in zip(old.seen, counted.readings, strict=True)]),
        traffic=share,
        looks=old.looks + 1,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        exposed=old.exposed + exposed,
        missing=old.missing + 1 if missing else 0,
        log_abort=log_abort,
        settled=old.settled,
    )


def _seen(old: tuple[int, int], reading: Reading, end: int) -> tuple[int, int]:
    if reading.status != "ok" or reading.measured is None:
        return old
    window = reading.measured.window
    return (window.end if window else end), reading.measured.series or old[1]


def _decide(case: _Case, evidence: Evidence, found: inference.Weighed) -> Decision:
    """The first rule that applies (docs/judging.md, "Order of the verdict")."""
    plan, snapshot = case.plan, case.snapshot
    if found.aborts:
        return Decision("abort", "limit" if found.blame[0] >= len(plan.metrics) else "evidence")
    if not 0 <= snapshot.stage < len(plan.stages):
        return Decision("hold", "settling")
    stage = plan.stages[snapshot.stage]
    elapsed = stage_seconds(snapshot)
    if plan.on_no_data == "abort" and evidence.missing >= PATIENCE and elapsed >= stage.minimum:
        return Decision("abort", "no_data")
    fault = _fault(case, evidence)
    if fault is not None:
        return Decision("hold", fault)
    if elapsed < stage.minimum:
        return Decision("hold", "before_minimum")
    if not found.leans:
        if all(found.shown[i] for i in gating_metrics(plan)):
            return Decision("proceed", "shown")
        if stage.gate == "quiet":
            return Decision("proceed", "quiet")
    if elapsed >= stage.maximum:
        if plan.on_time_spent == "abort" or (plan.on_time_spent == "proceed" and not found.leans):
            return Decision(plan.on_time_spent, "time_spent")
        return Decision("hold", "time_spent")
    return Decision("hold", "insufficient_evidence")


def _looks_left(plan: AnalysisPlan, snapshot: MetricsCollected) -> float:
    """How many more looks the stage has; none where it has no maximum any more."""
    if not 0 <= snapshot.stage < len(plan.stages):
        return 0.0
    elapsed = stage_seconds(snapshot)
    return (plan.stages[snapshot.stage].maximum - elapsed) / plan.interval


def _fault(case: _Case, evidence: Evidence) -> Reason | None:
    """What is wrong with the data of this look, the worst first."""
    statuses = [reading.status for reading in case.counted.readings]
    if "error" in statuses:
        return "provider_error"
    if "no_data" in statuses or "partial" in statuses:
        return "no_data"
    if evidence.traffic.log_mismatch >= combination.bar(case.plan.budget.false_abort):
        return "traffic_mismatch"
    if "settling" in statuses:
        return "settling"
    if "waiting" in statuses:  # between two scrapes: no fault, unless nothing was counted in this stage yet
        first = case.layout.starts
        if any(evidence.state.stage[1, first[i]] == 0 for i, status in enumerate(statuses) if status == "waiting"):
            return "settling"
    return "awaiting_baseline" if case.started else None


class _Sequential:
    """The functions of this module as a `Judge`."""

    open = staticmethod(open)
    look = staticmethod(look)
    look_all = staticmethod(look_all)
    unpack = staticmethod(Evidence.unpack)


JUDGE = _Sequential()
