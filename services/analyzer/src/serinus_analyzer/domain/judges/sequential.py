"""The default judge: e-processes on counts, right at every look (docs/judging.md).

Evidence that a margin is exceeded is collected over the run, evidence that it is kept over the stage; both hold
their error probabilities however often one looks.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from serinus_contracts.events import MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan

from serinus_analyzer.domain import counting, findings, folding, history, latency, ledger, reporting, sentence, traffic
from serinus_analyzer.domain.assessment import Assessment
from serinus_analyzer.domain.evidence import Evidence, UnreadableEvidence
from serinus_analyzer.domain.folding import Look, State
from serinus_analyzer.domain.layout import Layout, coarse_of, key_of, layout
from serinus_analyzer.domain.tempering import Noise

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
        traffic=traffic.Share(),
        settled=noise is not None,
    )


def uniform_noise(plan: AnalysisPlan, phi: float = 1.0, kappa: float = 0.0) -> Noise:
    """The same phi and kappa for every stage and channel of a plan, as if measured."""
    return Noise.uniform(phi, kappa, len(plan.stages), key_of(plan).shape[0])


def look(plan: AnalysisPlan, evidence: Evidence, snapshot: MetricsCollected) -> tuple[Evidence, Assessment]:
    """The evidence after the look, and the judgement.

    Raises UnreadableEvidence if the evidence belongs to a plan with other metrics, limits or number of stages. After
    an abort the evidence stays as it was when it decided, so that the verdict and its numbers stay too.
    """
    key = key_of(plan)
    if evidence.shape != (len(plan.metrics), *key.shape, len(plan.stages)):
        raise UnreadableEvidence(f"evidence of shape {evidence.shape} does not fit the plan of {plan.policy}")
    evidence = _prepared(plan, evidence, snapshot)
    scheme = layout(key, tuple(coarse_of(pairs) for pairs in evidence.pairs))
    counted = counting.count(plan, evidence.pairs, snapshot)
    started = _new_baselines(plan, scheme, evidence, counted)
    evidence = _folded(plan, scheme, evidence, snapshot, counted)
    found = findings.weigh(scheme, evidence.state, plan.budget)
    evidence = replace(evidence, log_abort=found.combined)
    decision = _decide(plan, evidence, snapshot, counted, found, started)
    metrics = reporting.metrics(plan, scheme, evidence, counted, found)
    context = sentence.Context(plan, snapshot, evidence, counted, found, metrics, started)
    measured = [m.measured for m in counted.readings if m.measured is not None]
    return evidence, Assessment(
        verdict=decision.verdict,
        reason=decision.reason,
        sentence=sentence.say(decision.verdict, decision.reason, context),
        metrics=metrics,
        blame=tuple(metrics[i].name for i in found.blame),
        log_abort=found.combined,
        missing=tuple(
            m.name for m, r in zip(plan.metrics, counted.readings, strict=True) if r.status != "ok"
        ),
        resets=sum(m.resets for m in measured),
        newest=max((m.newest for m in measured if m.newest is not None), default=None),
        exposed=evidence.exposed,
        calibrated=all(metric.calibrated for metric in metrics if not metric.limit),
        traffic=reporting.traffic(snapshot, evidence),
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
            if pairs[i] is None and measured is not None and measured.kind == "distribution" and measured.status == "ok":
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


def _new_baselines(
    plan: AnalysisPlan, scheme: Layout, evidence: Evidence, counted: counting.Counted
) -> tuple[int, ...]:
    """Metrics for which this look only sets the baseline."""
    trials = evidence.state.past[1]
    if trials.all():
        return ()
    first = scheme.first.tolist()
    return tuple(i for i, r in enumerate(counted.readings) if r.status == "ok" and trials[first[i]] == 0)


def _folded(
    plan: AnalysisPlan, scheme: Layout, evidence: Evidence, snapshot: MetricsCollected, counted: counting.Counted
) -> Evidence:
    if not 0 <= snapshot.stage < len(plan.stages):
        return replace(evidence, looks=evidence.looks + 1)
    fresh = (snapshot.stage, snapshot.stage_started) != (evidence.stage, evidence.stage_started)
    state, share = evidence.state, evidence.traffic
    if evidence.log_abort < ledger.bar(plan.budget.false_abort):
        rate = scheme.channels.rate
        look = Look.of(counted.counts, rate, counted.seconds, np.array(snapshot.stage), np.array(fresh))
        state = folding.fold(scheme.channels, evidence.noise, state, look)
    if fresh:
        share = traffic.Share(pace=share.pace)
    requests = counted.readings[_requests(plan)]
    exposed = 0
    if requests.status == "ok" or requests.without_requests:
        _, n, _, m = (int(v) for v in requests.counts)
        share, exposed = traffic.after(share, n, m, snapshot.weight, requests.seconds), n
    missing = any(
        counted.readings[i].status == "no_data" and not counted.readings[i].without_requests for i in _gating(plan)
    )
    return replace(
        evidence,
        state=state,
        traffic=share,
        looks=evidence.looks + 1,
        stage=snapshot.stage,
        stage_started=snapshot.stage_started,
        exposed=evidence.exposed + exposed,
        missing=evidence.missing + 1 if missing else 0,
        seen=tuple(map(_seen, evidence.seen, counted.readings, [snapshot.end] * len(evidence.seen))),
    )


def _seen(old: tuple[int, int], reading: counting.Reading, end: int) -> tuple[int, int]:
    if reading.status != "ok" or reading.measured is None:
        return old
    window = reading.measured.window
    return (window.end if window else end), reading.measured.series or old[1]


def _requests(plan: AnalysisPlan) -> int:
    """Index of the metric whose trials are requests: a share without lag, else a distribution, else the first."""
    metrics = plan.metrics
    order = [i for i, m in enumerate(metrics) if m.source.kind == "proportion" and m.count == "share" and not m.lag]
    order = [i for i in order if metrics[i].better == "lower"] or order
    order += [i for i, m in enumerate(metrics) if m.source.kind == "distribution"]
    return order[0] if order else 0


def _gating(plan: AnalysisPlan) -> list[int]:
    """Metrics that must be shown at a proof gate: the critical ones, or all where none is."""
    every = range(len(plan.metrics))
    return [i for i in every if plan.metrics[i].critical] or list(every)


def _decide(
    plan: AnalysisPlan,
    evidence: Evidence,
    snapshot: MetricsCollected,
    counted: counting.Counted,
    found: findings.Findings,
    started: tuple[int, ...],
) -> Decision:
    """The first rule that applies (docs/judging.md, "Order of the verdict")."""
    if found.aborts:
        return Decision("abort", "limit" if found.blame[0] >= len(plan.metrics) else "evidence")
    if not 0 <= snapshot.stage < len(plan.stages):
        return Decision("hold", "settling")
    stage = plan.stages[snapshot.stage]
    elapsed = (snapshot.end - snapshot.stage_started) / 1000
    if plan.on_no_data == "abort" and evidence.missing >= PATIENCE and elapsed >= stage.minimum:
        return Decision("abort", "no_data")
    fault = _fault(plan, evidence, counted, started)
    if fault is not None:
        return Decision("hold", fault)
    if elapsed < stage.minimum:
        return Decision("hold", "before_minimum")
    if not found.leans:
        if all(found.shown[i] for i in _gating(plan)):
            return Decision("proceed", "shown")
        if stage.gate == "quiet":
            return Decision("proceed", "quiet")
    if elapsed >= stage.maximum:
        if plan.on_time_spent == "abort" or (plan.on_time_spent == "proceed" and not found.leans):
            return Decision(plan.on_time_spent, "time_spent")
        return Decision("hold", "time_spent")
    return Decision("hold", "insufficient_evidence")


def _fault(
    plan: AnalysisPlan, evidence: Evidence, counted: counting.Counted, started: tuple[int, ...]
) -> Reason | None:
    """What is wrong with the data of this look, the worst first."""
    statuses = {reading.status for reading in counted.readings}
    if "error" in statuses:
        return "provider_error"
    if statuses & {"no_data", "partial"}:
        return "no_data"
    if evidence.traffic.log_mismatch >= ledger.bar(plan.budget.false_abort):
        return "traffic_mismatch"
    if "settling" in statuses:
        return "settling"
    return "awaiting_baseline" if started else None


class _Sequential:
    """The functions of this module as a `Judge`."""

    open = staticmethod(open)
    look = staticmethod(look)
    unpack = staticmethod(Evidence.unpack)


JUDGE = _Sequential()
