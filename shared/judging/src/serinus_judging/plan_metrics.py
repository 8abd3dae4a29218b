"""What judging reads from a plan's metrics: which stand for requests, which open a gate, which are counted."""

from functools import lru_cache

from serinus_contracts.plan import AnalysisPlan, PlanMetric

GAUGE_SHARE = 0.1
"""Part of the false-abort rate that is for gauges where one of them may abort; counts keep the rest."""


def is_rate(metric: PlanMetric) -> bool:
    """Whether a window may hold more events than trials: rates, and events that follow trials of earlier windows."""
    return metric.source.kind == "proportion" and (metric.count == "rate" or metric.lag > 0)


@lru_cache(maxsize=4096)
def requests_metric(plan: AnalysisPlan) -> int:
    """Index of the metric whose trials are requests.

    A share without lag, rather one where lower is better, else a distribution, else the first.
    """
    metrics = plan.metrics
    plain = [i for i, m in enumerate(metrics) if m.source.kind == "proportion" and m.count == "share" and not m.lag]
    order = [i for i in plain if metrics[i].better == "lower"] + plain
    order += [i for i, m in enumerate(metrics) if m.source.kind == "distribution"]
    return (order or [0])[0]


@lru_cache(maxsize=4096)
def gating_metrics(plan: AnalysisPlan) -> tuple[int, ...]:
    """Indexes of the metrics that a gate of non-inferiority waits for: the critical ones, or all where none is."""
    critical = tuple(i for i, metric in enumerate(plan.metrics) if metric.critical)
    return critical or tuple(range(len(plan.metrics)))


@lru_cache(maxsize=4096)
def without_gauges(plan: AnalysisPlan) -> AnalysisPlan:
    """The plan of its counts alone: gauges are guardrails beside every judge.

    Where a gauge may abort, counts have nine tenths of the false-abort rate.
    """
    gauges = {metric.name for metric in plan.metrics if metric.source.kind == "gauge"}
    if not gauges:
        return plan
    rate = plan.false_abort_rate
    if any(metric.may_abort for metric in plan.metrics if metric.name in gauges):
        rate *= 1 - GAUGE_SHARE
    return plan.model_copy(
        update={
            "false_abort_rate": rate,
            "metrics": tuple(metric for metric in plan.metrics if metric.name not in gauges),
            "limits": tuple(limit for limit in plan.limits if limit.metric not in gauges),
        }
    )
