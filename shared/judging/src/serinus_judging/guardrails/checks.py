"""The guardrails beside every judge: limits on gauges, liveness, growth, anomalies, and descriptions
(docs/explanation/judging.md).

A limit on a gauge aborts before all else, growth where the policy lets it. Pods that crash or do not serve hold, as
do gauges without data; growth and anomalies stand in the way of proceeding only. Descriptions change nothing.
"""

from dataclasses import replace
from functools import partial

from serinus_contracts.events import MetricsCollected, Reason, Verdict
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import requests

from serinus_judging.assessment import Assessment
from serinus_judging.guardrails import gauge_faults, gauge_limits, liveness, load, pod_series, stage_checks
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.guardrails.report import GuardrailResult, all_findings, descriptions, reported
from serinus_judging.guardrails.watched import watched_by
from serinus_judging.snapshot import young_pods

_FAULTS = ("provider_error", "no_data", "sample_ratio_mismatch", "settling", "awaiting_baseline")


def evaluate(
    plan: AnalysisPlan, memory: GuardrailMemory, snapshot: MetricsCollected
) -> tuple[GuardrailMemory, GuardrailResult]:
    """The memory after a snapshot, and what was found. Snapshots must come in their order, each once."""
    watched, young, doubt = watched_by(plan), young_pods(plan, snapshot), None
    memory = memory.entering(watched, snapshot)
    troubles, alive = liveness.pods_in_trouble(memory.troubles, plan, snapshot)
    over_limit, abort = gauge_limits.pods_over_limit(memory.over_limit, watched.limits, snapshot, young)
    memory = replace(memory, troubles=troubles, over_limit=over_limit, latched=memory.latched or abort)
    if 0 <= snapshot.stage < len(plan.stages):
        memory = pod_series.with_snapshot(memory, plan, watched, snapshot, young)
        memory, doubt = stage_checks.check_stage(memory, plan, watched, snapshot)
    hold, missing = gauge_faults.faults(plan, watched, snapshot, young)
    if alive.text:
        hold = "liveness", f"{alive.text}; a canary that does not serve hides its errors"
    return memory, GuardrailResult(plan, watched, snapshot, memory, alive, young, hold, doubt, missing)


def apply_guardrails(assessment: Assessment, result: GuardrailResult) -> Assessment:
    """The judge's assessment with what the guardrails result."""
    verdict, reason, sentence = assessment.verdict, assessment.reason, assessment.sentence
    regressed = assessment.regressed
    harm = f"; {requests(assessment.evaluated_requests)} evaluated"
    latched = result.memory.latched
    if latched is not None and (latched.reason == "limit" or verdict != "abort"):
        verdict, reason, regressed = "abort", latched.reason, (latched.regressed,)
        sentence = f"abort: {latched.text}{harm}"
    elif verdict != "abort":
        why = result.hold if result.hold and _outranks(result.hold[0], verdict, reason) else None
        if why is None and verdict == "proceed":
            why = result.doubt
        if why is not None:
            verdict, reason, sentence = "hold", why[0], f"hold: {why[1]}"
    elif reason == "evidence" and (more := load.heavier(result.plan, result.snapshot, result.young)) is not None:
        sentence += f"; {more.text}: what follows load is worse for that reason alone"
    return replace(
        assessment,
        verdict=verdict,
        reason=reason,
        sentence=sentence,
        regressed=regressed,
        missing=tuple(dict.fromkeys(assessment.missing + result.missing)),
        report=partial(reported, assessment.report, result),
        brief=partial(reported, assessment.brief, result),
        found=partial(all_findings, assessment.found, result),
        described=partial(descriptions, result),
    )


def _outranks(reason: Reason, verdict: Verdict, judged: Reason) -> bool:
    """Whether a reason to hold is said instead of the judge's: the dead come first, data of counts before gauges'."""
    return reason == "liveness" or verdict == "proceed" or judged not in _FAULTS
