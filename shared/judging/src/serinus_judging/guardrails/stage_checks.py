"""The checks of what was gathered of a stage, at its minimum and each time its age has doubled since: whether gauges
grow, whether the canary's pods are unlike stable's. Their answers stand until the next check."""

from dataclasses import replace

from serinus_contracts.events import MetricsCollected, Reason
from serinus_contracts.plan import AnalysisPlan

from serinus_judging.guardrails import gauge_growth, pod_anomaly
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.guardrails.watched import Watched
from serinus_judging.snapshot import stage_seconds

MIN_SNAPSHOTS = 4
"""Snapshots of a stage before its first check."""


def check_stage(
    memory: GuardrailMemory, plan: AnalysisPlan, watched: Watched, snapshot: MetricsCollected
) -> tuple[GuardrailMemory, tuple[Reason, str] | None]:
    """The memory after a check, if one is due at this snapshot of a stage; what the last check found, if anything."""
    if _is_due(plan, memory, snapshot):
        memory = _checked(plan, watched, memory)
    found = gauge_growth.doubt(plan, watched, memory.growth) or pod_anomaly.doubt(plan, watched, memory.anomaly)
    return memory, ("anomaly", found) if found else None


def _is_due(plan: AnalysisPlan, memory: GuardrailMemory, snapshot: MetricsCollected) -> bool:
    if memory.checks < 0 or memory.snapshots < MIN_SNAPSHOTS:
        return False
    first = max(plan.stages[snapshot.stage].minimum, MIN_SNAPSHOTS * plan.interval)
    return stage_seconds(snapshot) >= first * 2.0**memory.checks


def _checked(plan: AnalysisPlan, watched: Watched, memory: GuardrailMemory) -> GuardrailMemory:
    check = memory.checks
    growth = gauge_growth.of_stage(plan, watched, memory.samples, check)
    return replace(
        memory,
        checks=check + 1,
        growth=growth,
        anomaly=pod_anomaly.of_stage(plan, watched, memory.samples, check),
        latched=memory.latched or gauge_growth.abort(plan, watched, growth),
    )
