"""Which pods are warm: the latency of one that has just started says nothing about its version."""

from collections.abc import Mapping, Sequence

from serinus_contracts import AnalysisPlan, Bucketed, PlanMetric
from serinus_contracts.base import Arm, Millis

from serinus_counting.resets import Span
from serinus_counting.series import Series
from serinus_counting.tallies import ARMS


def warm_times(
    plan: AnalysisPlan, metric: PlanMetric, pods: Mapping[str, tuple[Arm, Millis | None]]
) -> Mapping[str, float]:
    """When each pod is warm (ms), whose latency is counted from then on."""
    if not isinstance(metric.source, Bucketed) or not plan.warmup:
        return {}
    return {name: started + 1000 * plan.warmup for name, (_, started) in pods.items() if started is not None}


def warm(
    by_arm: Mapping[Arm, Sequence[Series]], warm_at: Mapping[str, float], span: Span
) -> tuple[dict[Arm, Sequence[Series]], int]:
    """The series of pods that were warm when the window began, and how many pods are left out.

    Where an arm has none, those that are warm when it ends: else the window of pods that all began together would
    wait for them for ever.
    """
    kept: dict[Arm, Sequence[Series]] = {}
    for arm in ARMS:
        for edge in (span.begin, span.end):
            found = [one for one in by_arm[arm] if warm_at.get(one.labels.get("pod", ""), 0) <= edge]
            # What is left of a pod that is gone is warm and shows nothing.
            kept[arm] = found if any(one.times[-1] > span.begin for one in found) else []
            if kept[arm]:
                break
    named = {one.labels.get("pod", "") for arm in ARMS for one in by_arm[arm]}
    return kept, len(named - {one.labels.get("pod", "") for arm in ARMS for one in kept[arm]})
