"""What is known of a run's metrics beside counts: the values of those that count nothing, and findings."""

from collections.abc import Sequence

from serinus_contracts import Finding, MetricVerdict

MARKS = {"none": "·", "info": "·", "warning": "!", "critical": "✖"}


def found(metrics: Sequence[MetricVerdict], findings: Sequence[Finding]) -> list[str]:
    """A line for each: of a gauge or a rule that it has a value at all, of all else what stands out."""
    uncounted = [metric for metric in metrics if not metric.run]
    lines = [f"{MARKS[_severity(metric)]} {metric.name}: {metric.detail}" for metric in uncounted if metric.detail]
    detailed = {metric.name for metric in uncounted if metric.detail}
    gauges = {metric.name for metric in uncounted} - detailed
    lines += [
        f"{MARKS[one.severity]} {one.text}"
        for one in findings
        if (one.severity != "none" or one.metric in gauges) and one.metric not in detailed
    ]
    return list(dict.fromkeys(lines))


def _severity(metric: MetricVerdict) -> str:
    return {"worse": "critical", "warning": "warning", "error": "warning", "no_data": "warning"}.get(
        metric.label, "none"
    )
