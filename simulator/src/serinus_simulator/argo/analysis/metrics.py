"""One metric of an analysis as it is written: its limits with Argo's defaults, and what makes it invalid."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from serinus_simulator.argo.analysis.arguments import AnalysisError
from serinus_simulator.kubernetes.kinds import Object

ERROR_LIMIT = 4
"""Errors in a row that are tolerated unless a metric says otherwise."""
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_MARK = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Metric:
    """A metric whose arguments are put in. Durations are in seconds; a `count` of None is endless."""

    name: str
    provider: Object
    success: str
    failure: str
    interval: float | None
    initial_delay: float
    count: int | None
    failure_limit: int
    inconclusive_limit: int
    error_limit: int
    success_limit: int
    """Successes in a row after which it is over; 0 where that does not count."""

    @property
    def provider_name(self) -> str:
        """Empty where no provider is named."""
        return next(iter(self.provider), "")


def read_metrics(metrics: Iterable[Object]) -> list[Metric]:
    """Raises AnalysisError for what Argo refuses."""
    made = [_read(metric) for metric in metrics]
    if not made:
        raise AnalysisError("no metrics specified")
    names = [metric.name for metric in made]
    for metric in made:
        if names.count(metric.name) > 1:
            raise AnalysisError(f"two metrics have the same name '{metric.name}'")
    return made


def seconds(duration: Any) -> float:
    """A duration as Go reads it, `1m30s` or `500ms`. Raises AnalysisError."""
    parts = _DURATION.findall(duration) if isinstance(duration, str) else []
    if duration == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise AnalysisError(f'time: invalid duration "{duration}"')
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _read(metric: Object) -> Metric:
    name = str(metric.get("name", ""))
    interval = seconds(metric["interval"]) if metric.get("interval") else None
    count = _whole(metric, "count", 0)
    read = Metric(
        name,
        metric.get("provider") or {},
        str(metric.get("successCondition", "")),
        str(metric.get("failureCondition", "")),
        interval,
        seconds(metric["initialDelay"]) if metric.get("initialDelay") else 0.0,
        count or (1 if interval is None else None),
        _whole(metric, "failureLimit", 0),
        _whole(metric, "inconclusiveLimit", 0),
        _whole(metric, "consecutiveErrorLimit", ERROR_LIMIT),
        _whole(metric, "consecutiveSuccessLimit", 0),
    )
    if complaint := _complaint(read, count):
        raise AnalysisError(f"metric '{name}': {complaint}")
    return read


def _complaint(metric: Metric, count: int) -> str:
    if metric.success_limit < 0 or metric.inconclusive_limit < 0 or metric.error_limit < 0:
        return "limits must not be negative"
    if metric.failure_limit < -1:
        return "failureLimit must be at least 0, or -1 to switch it off"
    if metric.failure_limit == -1 and metric.success_limit == 0:
        return "failureLimit and consecutiveSuccessLimit cannot both be off"
    if count > 0 and count < max(metric.failure_limit, 0) + metric.success_limit:
        return f"count ({count}) is below failureLimit and consecutiveSuccessLimit together"
    if 0 < count < metric.inconclusive_limit:
        return f"count ({count}) is below inconclusiveLimit"
    if count > 1 and metric.interval is None:
        return "a count above 1 needs an interval"
    if len(metric.provider) != 1:
        return "no provider specified" if not metric.provider else "multiple providers specified"
    return ""


def _whole(metric: Object, key: str, default: int) -> int:
    """A whole number, which templates may also write as a text so that an argument can stand there."""
    value = metric.get(key)
    if value is None:
        return default
    if isinstance(value, str) and _MARK.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise AnalysisError(f"metric '{metric.get('name', '')}': {key} is no whole number")
    return value
