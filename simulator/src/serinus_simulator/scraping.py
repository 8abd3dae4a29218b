"""The simulator's own Prometheus, as far as it scrapes: targets from what is running, each at its own moments."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from serinus_simulator.application import Application, PodState
from serinus_simulator.clock import Agenda, Entry
from serinus_simulator.exposition import exposed, series, values
from serinus_simulator.faults import Faults
from serinus_simulator.scenario import Prometheus
from serinus_simulator.truth import Scrape, Truth
from serinus_simulator.tsdb import SampleStore, TargetSamples

TargetKey = tuple[str, str, str]
"""Namespace, pod, and the Service by which it was found (empty where pods are found directly)."""


@dataclass
class _Target:
    app: Application
    pod: PodState
    samples: TargetSamples
    due: float
    entry: Entry


def milliseconds(moment: float) -> int:
    return round(moment * 1000)


def target_labels(app: Application, state: PodState) -> dict[TargetKey, dict[str, str]]:
    """The targets that a pod is, with the labels that discovery gives them; none before it first got ready."""
    if state.gone or not state.was_ready:
        return {}
    labels = {"job": "simulator", "namespace": state.namespace, "pod": state.name, "instance": state.address}
    if app.spec.metrics.hash_label is not None:
        labels[app.spec.metrics.hash_label] = state.hash
    if app.spec.metrics.discovery == "pods":
        return {(state.namespace, state.name, ""): labels | {"service": app.spec.name}}
    return {
        (state.namespace, state.name, service): labels | {"service": service}
        for service in dict.fromkeys(app.spec.services)
        if app.selected_hash(service) in ("", state.hash)
    }


class Scraper:
    """Scrapes the pods of every application into a sample store, and tells the truth what it saw."""

    def __init__(
        self,
        apps: Iterable[Application],
        samples: SampleStore,
        truth: Truth,
        agenda: Agenda,
        faults: Faults,
        settings: Prometheus,
        *,
        seed: int,
    ) -> None:
        self._apps = list(apps)
        self._samples = samples
        self._truth = truth
        self._agenda = agenda
        self._faults = faults
        self._settings = settings
        self._random = random.Random(seed)
        self._targets: dict[Application, dict[TargetKey, _Target]] = {app: {} for app in self._apps}
        agenda.after(self._housekeeping_interval, self._forget)

    @property
    def _housekeeping_interval(self) -> float:
        return max(self._settings.retention / 10, self._settings.scrape_interval)

    def discover(self, app: Application) -> None:
        """Bring the targets of an application up to what is running. A target that went leaves stale series."""
        targets = self._targets[app]
        wanted: dict[TargetKey, tuple[PodState, dict[str, str]]] = {}
        for state in app.pods.values():
            for key, labels in target_labels(app, state).items():
                wanted[key] = (state, labels)
        for key in targets.keys() - wanted.keys():
            target = targets.pop(key)
            target.entry.cancel()
            target.samples.append(milliseconds(self._agenda.now), float("nan"), None)
        for key in wanted.keys() - targets.keys():
            state, labels = wanted[key]
            samples = self._samples.target(labels, series(app.spec.metrics))
            due = self._agenda.now + self._random.random() * self._settings.scrape_interval
            target = _Target(app, state, samples, due, self._agenda.at(due, lambda: None))
            self._schedule(target, due)
            targets[key] = target

    def record(self, app: Application, state: PodState, by: str, row: array[float] | None) -> None:
        """Remember what a look at a pod showed; without a row, that it failed."""
        metrics = app.spec.metrics
        scrape = Scrape(
            milliseconds(self._agenda.now),
            by,
            state.namespace,
            app.spec.name,
            state.name,
            state.hash,
            app.arm(state),
            row is not None,
            series(metrics),
            row,
            values(metrics, state.counters.total),
        )
        self._truth.add(scrape)

    def _schedule(self, target: _Target, due: float) -> None:
        jitter = self._random.random() * self._settings.jitter
        target.due = due
        target.entry = self._agenda.at(due + jitter, partial(self._scrape, target))

    def _scrape(self, target: _Target) -> None:
        self._schedule(target, target.due + self._settings.scrape_interval)
        app, state = target.app, target.pod
        now = milliseconds(self._agenda.now)
        if self._missed(app, state):
            app.count(state)
            target.samples.append(now, 0.0, None)
            self.record(app, state, "simulator", None)
            return
        row = exposed(app, state)
        target.samples.append(now, 1.0, row)
        self.record(app, state, "simulator", row)

    def _missed(self, app: Application, state: PodState) -> bool:
        if state.ready_since is None:
            return True
        scrapes, arm = app.spec.scrapes, app.arm(state)
        since_start = self._agenda.now - self._agenda.start
        for gap in scrapes.gaps:
            if gap.arm in ("both", arm) and gap.at <= since_start < gap.at + gap.lasts:
                return True
        if scrapes.missed > 0 and self._random.random() < scrapes.missed:
            return True
        return self._faults.scrape_missed(state.namespace, app.spec.name, state.name, arm)

    def _forget(self) -> None:
        self._samples.forget_before(milliseconds(self._agenda.now - self._settings.retention))
        self._agenda.after(self._housekeeping_interval, self._forget)
