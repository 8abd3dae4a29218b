"""The rules by which measurements make a metric, and metrics a run: pure functions on the status of an AnalysisRun.

They are Argo's: of one metric errors in a row, then inconclusive, then failed ones decide, then successes in a row,
then the count; of a run the worst metric that is no dry run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from serinus_simulator.argo.analysis.arguments import AnalysisError
from serinus_simulator.argo.analysis.metrics import Metric
from serinus_simulator.clock import moment, timestamp
from serinus_simulator.kubernetes.kinds import Object

COMPLETED = ("Successful", "Inconclusive", "Error", "Failed")
"""From the best to the worst."""
ERROR_RETRY = 10.0
"""Seconds from an error to the next try, whatever the interval."""
KEPT = 10
"""Measurements of a metric that are kept."""
Say = Callable[[str, str, str], None]
"""Told of an event: its type, reason and message."""


@dataclass(frozen=True)
class Measured:
    """What a provider measured; times are whole seconds since the epoch as they are written."""

    metric: str
    started: float
    finished: float
    phase: str
    value: str | None = None
    message: str = ""

    def written(self) -> Object:
        """As it stands in an AnalysisRun's status."""
        made: Object = {"finishedAt": timestamp(self.finished), "phase": self.phase}
        made["startedAt"] = timestamp(self.started)
        if self.message:
            made["message"] = self.message
        if self.value is not None:
            made["value"] = self.value
        return made


def measured_phase(success: bool | None, failure: bool | None) -> str:
    """The phase of one measurement by its conditions, None where there is none."""
    if success is None and failure is None:
        return "Successful"
    failed = not success if failure is None else failure
    if failed:
        return "Failed"
    return "Successful" if success or success is None else "Inconclusive"


def matched(rules: Iterable[Object], metrics: Sequence[Metric], what: str) -> dict[str, Object]:
    """The rule whose expression is found in each metric's name, if any. Raises AnalysisError for one without any."""
    found: dict[str, Object] = {}
    for number, rule in enumerate(rules):
        names = [metric.name for metric in metrics if re.search(str(rule.get("metricName", "")), metric.name)]
        if not names:
            raise AnalysisError(f"{what}[{number}]: Rule didn't match any metric name(s)")
        found |= dict.fromkeys(names, rule)
    return found


def due_at(metric: Metric, status: Object) -> float | None:
    """When the next measurement of a metric is due, in seconds since the epoch; None where there is none to come."""
    result = _result(status, metric.name)
    if result.get("phase") in COMPLETED:
        return None
    if not result.get("measurements"):
        if metric.initial_delay == 0:
            return 0.0
        return moment(status["startedAt"]) + metric.initial_delay if "startedAt" in status else None
    if metric.count is not None and result.get("count", 0) >= metric.count:
        return None
    last = result["measurements"][-1]
    interval = ERROR_RETRY if last["phase"] == "Error" or metric.interval is None else metric.interval
    return moment(last["finishedAt"]) + interval


def is_terminating(spec: Object, status: Object) -> bool:
    """Whether nothing more is measured: somebody said so, or one metric has already decided the run."""
    decided = (result for result in status.get("metricResults", []) if not result.get("dryRun"))
    return bool(spec.get("terminate")) or any(result.get("phase") in COMPLETED[1:] for result in decided)


def add(status: Object, taken: Iterable[Measured], dry: Iterable[str], metadata: dict[str, Object]) -> Object:
    """The status with new measurements, their counts, and no more of them than are kept."""
    results = {result["name"]: dict(result) for result in status.get("metricResults", [])}
    for one in taken:
        result = results.setdefault(one.metric, {"name": one.metric, "phase": "Running"})
        if one.metric in dry:
            result["dryRun"] = True
        if metadata.get(one.metric):
            result["metadata"] = metadata[one.metric]
        succeeded, erred = one.phase == "Successful", one.phase == "Error"
        counted = {"Successful": "successful", "Failed": "failed", "Inconclusive": "inconclusive", "Error": "error"}
        result[counted[one.phase]] = result.get(counted[one.phase], 0) + 1
        result["count"] = result.get("count", 0) + (not erred)
        result["consecutiveError"] = result.get("consecutiveError", 0) + 1 if erred else 0
        result["consecutiveSuccess"] = result.get("consecutiveSuccess", 0) + 1 if succeeded else 0
        result["measurements"] = [*result.get("measurements", []), one.written()]
    return status | {"metricResults": [_without_zeros(result) for result in results.values()]}


def trim(status: Object, retention: dict[str, Object]) -> Object:
    """The status with only the last measurements of each metric."""
    results = []
    for result in status.get("metricResults", []):
        limit = int(retention.get(result["name"], {}).get("limit") or KEPT)
        results.append(result | {"measurements": result.get("measurements", [])[-limit:]})
    return status | {"metricResults": results}


def metric_phase(metric: Metric, result: Object, *, terminating: bool) -> str:
    """The phase of one metric after its last measurement: what it had, if that was an end."""
    if result.get("phase") in COMPLETED:
        return str(result["phase"])
    phase, _ = exceeded(metric, result)
    if phase:
        return phase
    if 0 < metric.success_limit <= result.get("consecutiveSuccess", 0):
        return "Successful"
    if metric.count is not None and result.get("count", 0) >= metric.count:
        if metric.success_limit > 0:
            return "Inconclusive" if metric.failure_limit >= 0 else "Failed"
        return "Successful"
    return "Successful" if terminating else "Running"


def exceeded(metric: Metric, result: Object) -> tuple[str, str]:
    """The phase that a limit brings, and which one; empty where none is exceeded. The last one that is wins."""
    phase = why = ""
    checks = (
        ("Failed", "failed", result.get("failed", 0), "failureLimit", metric.failure_limit),
        ("Inconclusive", "inconclusive", result.get("inconclusive", 0), "inconclusiveLimit", metric.inconclusive_limit),
        ("Error", "consecutiveErrors", result.get("consecutiveError", 0), "consecutiveErrorLimit", metric.error_limit),
    )
    for name, counted, count, limit_name, limit in checks:
        if limit >= 0 and count > limit:
            phase, why = name, f"{counted} ({count}) > {limit_name} ({limit})"
    return phase, why


def assess(spec: Object, status: Object, metrics: Sequence[Metric], dry: Iterable[str], now: float, say: Say) -> Object:
    """The status with the phases that its measurements bring."""
    terminating = is_terminating(spec, status)
    status = {"startedAt": timestamp(now), **status}
    worst, message = "", "Run Terminated" if spec.get("terminate") else ""
    finished = True
    summaries: dict[bool, dict[str, Any]] = {False: {}, True: {}}
    results: dict[str, Object] = {result["name"]: dict(result) for result in status.get("metricResults", [])}
    for metric in metrics:
        is_dry = metric.name in dry
        summary = summaries[is_dry]
        summary["count"] = summary.get("count", 0) + 1
        result = results.get(metric.name)
        if result is None:
            finished = False
            continue
        phase = metric_phase(metric, result, terminating=terminating)
        if phase != result["phase"]:
            if phase in COMPLETED:
                say(_severity(phase), f"Metric{phase}", f"Metric '{metric.name}' Completed. Result: {phase}")
            if text := result["measurements"][-1].get("message"):
                result["message"] = text
            result["phase"] = phase
        if phase not in COMPLETED:
            finished = False
            continue
        limit_phase, why = exceeded(metric, result)
        counted = (limit_phase or "Successful").lower()
        summary[counted] = summary.get(counted, 0) + 1
        if is_dry:
            worst = worst or "Successful"
            if why:
                result["message"] = f"Metric assessed {phase} due to {why}"
        elif not worst or COMPLETED.index(phase) > COMPLETED.index(worst):
            worst = phase
            if why:
                message = f'Metric "{metric.name}" assessed {phase} due to {why}'
                message += f': "Error Message: {result["message"]}"' if result.get("message") else ""
    status |= {"runSummary": summaries[False], "dryRunSummary": summaries[True]}
    if results:
        status["metricResults"] = list(results.values())
    over = terminating or (finished and bool(worst))
    return _with_phase(status, (worst or "Successful") if over else "Running", message if over else "", now, say)


def _with_phase(status: Object, phase: str, message: str, now: float, say: Say) -> Object:
    if phase == status.get("phase"):
        return status
    made = {key: value for key, value in status.items() if key != "message"} | {"phase": phase}
    if message:
        made["message"] = message
    if phase in COMPLETED:
        made["completedAt"] = timestamp(now)
        say(_severity(phase), f"AnalysisRun{phase}", f"Analysis Completed. Result: {phase}")
    return made


def _severity(phase: str) -> str:
    return "Warning" if phase in ("Error", "Failed") else "Normal"


def _result(status: Object, name: str) -> Object:
    return next((result for result in status.get("metricResults", []) if result["name"] == name), {})


def _without_zeros(result: Object) -> Object:
    return {key: value for key, value in result.items() if value != 0 or isinstance(value, bool)}
