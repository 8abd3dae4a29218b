"""A pod's metrics page: the series of an application, their values, and the text of version 0.0.4."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from serinus_simulator.application import Application, PodState
from serinus_simulator.counters import Tally
from serinus_simulator.scenario import Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
ABSENT = math.nan
"""Counters are never NaN, so it can stand for a series that is not there."""


@dataclass(frozen=True)
class Series:
    """One series as a page shows it, without the labels that its target adds."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        if not self.labels:
            return self.name
        return f"{self.name}{{{','.join(f'{key}={quote(value)}' for key, value in self.labels)}}}"


def quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def number(value: float) -> str:
    """A value as Prometheus writes it: whole numbers without a fraction, no exponent."""
    if value == int(value):
        return str(int(value))
    return np.format_float_positional(value, trim="-")


def edge(value: float) -> str:
    """An upper bound as Prometheus 3 writes it: always with a fraction."""
    return str(float(value))


@lru_cache(maxsize=4096)
def _series(
    requests: str, label: str, codes: tuple[str, ...], latency: str | None, edges: tuple[float, ...]
) -> tuple[Series, ...]:
    made = [Series(requests, ((label, code),)) for code in codes]
    if latency is not None:
        made += [Series(f"{latency}_bucket", (("le", edge(upper)),)) for upper in edges]
        made += [
            Series(f"{latency}_bucket", (("le", "+Inf"),)),
            Series(f"{latency}_sum", ()),
            Series(f"{latency}_count", ()),
        ]
    return tuple(made)


def series(metrics: Metrics) -> tuple[Series, ...]:
    """Every series that a pod can show, always in this order."""
    codes = (metrics.ok_code, *metrics.error_codes)
    return _series(metrics.requests, metrics.code_label, codes, metrics.latency, metrics.edges)


def values(metrics: Metrics, tally: Tally) -> array[float]:
    """The value of each series, ABSENT for an error series that is not yet born."""
    born = metrics.error_series == "always"
    row = array("d", (float(tally.ok),))
    row.extend(float(count) if count or born else ABSENT for count in tally.errors)
    if metrics.latency is not None:
        cumulative = np.cumsum(tally.buckets)
        row.extend(cumulative.astype(float))
        row.extend((tally.seconds, float(cumulative[-1])))
    return row


def exposed(app: Application, state: PodState) -> array[float]:
    """What the page of a pod shows now, counted up to now."""
    app.count(state)
    row = values(app.spec.metrics, state.counters.exposed)
    hidden = [gone.metrics for gone in app.spec.vanish if gone.arm in ("both", app.arm(state)) and app.holds(gone.when)]
    for pattern in hidden:
        for position, one in enumerate(series(app.spec.metrics)):
            if re.fullmatch(pattern, one.name):
                row[position] = ABSENT
    return row


def page(metrics: Metrics, row: array[float]) -> str:
    """The text of a page."""
    lines: list[str] = []
    family = ""
    for one, value in zip(series(metrics), row, strict=True):
        if math.isnan(value):
            continue
        belongs_to = _family(metrics, one.name)
        if belongs_to != family:
            family = belongs_to
            kind, meaning = ("counter", "Requests") if family == metrics.requests else ("histogram", "Seconds")
            lines += [f"# HELP {family} {meaning} served.", f"# TYPE {family} {kind}"]
        lines.append(f"{one} {number(value)}")
    return "".join(f"{line}\n" for line in lines)


def _family(metrics: Metrics, name: str) -> str:
    return metrics.requests if name == metrics.requests else str(metrics.latency)
