"""Metrics pages of pods: the series of an application and of its container, their values, and their text (0.0.4)."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from serinus_simulator.prometheus.series import ABSENT, Series, edge, named, number
from serinus_simulator.world import containers
from serinus_simulator.world.application import Application
from serinus_simulator.world.counters import Tally
from serinus_simulator.world.scenario import Rollout
from serinus_simulator.world.states import PodState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@lru_cache(maxsize=4096)
def _series(
    requests: str,
    label: str,
    codes: tuple[str, ...],
    latency: str | None,
    edges: tuple[float, ...],
    business: tuple[str, ...],
    route_label: str,
    routes: tuple[str, ...],
) -> tuple[Series, ...]:
    by_route: list[tuple[tuple[str, str], ...]] = [((route_label, route),) for route in routes] or [()]
    made = [Series(requests, ((label, code), *route), requests) for route in by_route for code in codes]
    if latency is not None:
        bounds = [*map(edge, edges), "+Inf"]
        made += [Series(f"{latency}_bucket", (("le", upper),), latency, "histogram") for upper in bounds]
        made += [Series(f"{latency}_{part}", (), latency, "histogram") for part in ("sum", "count")]
    return (*made, *(Series(name, (), name) for name in business))


def series(spec: Rollout) -> tuple[Series, ...]:
    """Every series that the application's page of a pod can show, always in this order."""
    metrics, sessions = spec.metrics, spec.sessions
    codes = (metrics.ok_code, *metrics.error_codes)
    business = () if sessions is None else (sessions.sessions_metric, sessions.conversions_metric)
    routes = metrics.route_label, tuple(spec.traffic.routes)
    return _series(metrics.requests, metrics.code_label, codes, metrics.latency, metrics.edges, business, *routes)


def values(spec: Rollout, tally: Tally) -> array[float]:
    """The value of each series, ABSENT for an error series that is not yet born."""
    metrics = spec.metrics
    born = metrics.error_series == "always"
    if spec.traffic.routes:
        row = array("d", [float(count) if count or born else ABSENT for count in tally.by_route.ravel()])
    else:
        row = array("d", (float(tally.ok),))
        row.extend(float(count) if count or born else ABSENT for count in tally.errors)
    if metrics.latency is not None:
        cumulative = np.cumsum(tally.buckets)
        row.extend(cumulative.astype(float))
        row.extend((tally.seconds, float(cumulative[-1])))
    if spec.sessions is not None:
        row.extend((float(tally.sessions), float(tally.conversions)))
    return row


@lru_cache(maxsize=256)
def _container_series(container: str) -> tuple[Series, ...]:
    labels = (("container", container),)
    return tuple(
        Series(name, labels, name, "counter" if name.endswith("_total") else "gauge") for name in containers.NAMES
    )


@dataclass(frozen=True)
class Page:
    """A page of a pod: the end of its path, its series, and its values now and since the pod's birth."""

    path: str
    series: Callable[[Rollout], tuple[Series, ...]]
    exposed: Callable[[Application, PodState], array[float]]
    total: Callable[[Application, PodState], array[float]]
    answers: Callable[[PodState], bool]

    def read(self, app: Application, state: PodState) -> array[float]:
        """What the page shows now, counted up to now and without what has vanished."""
        app.count(state)
        row = self.exposed(app, state)
        for gone in app.spec.vanish:
            if gone.arm in ("both", app.arm(state)) and app.holds(gone.when):
                for position, one in enumerate(self.series(app.spec)):
                    if re.fullmatch(gone.metrics, one.name):
                        row[position] = ABSENT
        return row


def _container_values(app: Application, state: PodState) -> array[float]:
    names, container = containers.NAMES, state.container
    if container is None or container.started is None:
        return array("d", [ABSENT] * len(names))
    gauges = container.gauges(state.counted_to)
    return array("d", [gauges[name] for name in names])


APPLICATION = Page(
    "metrics",
    series,
    lambda app, state: values(app.spec, state.counters.exposed),
    lambda app, state: values(app.spec, state.counters.total),
    lambda state: state.answers,
)
CADVISOR = Page(
    "cadvisor",
    lambda spec: () if spec.container is None else _container_series(spec.container.name),
    _container_values,
    _container_values,
    lambda state: state.container is not None and not state.gone,
)
PAGES = {page.path: page for page in (APPLICATION, CADVISOR)}


def text(shown: Sequence[Series], row: array[float]) -> str:
    """The text of a page."""
    lines: list[str] = []
    family = ""
    for one, value in zip(shown, row, strict=True):
        if math.isnan(value):
            continue
        if one.family != family:
            family = one.family
            lines.append(f"# TYPE {named(family)} {one.kind}")
        lines.append(f"{one} {number(value)}")
    return "".join(f"{line}\n" for line in lines)
