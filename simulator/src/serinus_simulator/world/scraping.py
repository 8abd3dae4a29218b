"""The simulator's own Prometheus, as far as it scrapes: targets from what is running, each at its own moments."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from serinus_simulator.clock import Agenda, Entry
from serinus_simulator.faults import Faults
from serinus_simulator.prometheus.tsdb import SampleStore, TargetSamples
from serinus_simulator.world.application import Application
from serinus_simulator.world.metrics_page import APPLICATION, CADVISOR, Page
from serinus_simulator.world.scenario import Prometheus
from serinus_simulator.world.states import PodState
from serinus_simulator.world.truth import Scrape, Truth

TargetKey = tuple[str, str, str, str]
"""Namespace, pod, page, and the Service by which it was found (empty where pods are found directly)."""
PAST_STEP = 60.0
"""Seconds between the samples of what was before the world's start, and of what is older than the retention."""
KUBELET = {"job": "kubelet", "metrics_path": "/metrics/cadvisor", "instance": "10.0.0.1:10250"}


@dataclass
class _Target:
    app: Application
    pod: PodState
    page: Page
    samples: TargetSamples
    due: float
    entry: Entry


def milliseconds(moment: float) -> int:
    """A moment in seconds since the epoch, as samples have it."""
    return round(moment * 1000)


def targets(app: Application, state: PodState) -> dict[TargetKey, tuple[Page, dict[str, str]]]:
    """The targets that a pod is, with the labels that discovery gives them; none before it first got ready."""
    found: dict[TargetKey, tuple[Page, dict[str, str]]] = {}
    if state.gone:
        return found
    place = {"namespace": state.namespace, "pod": state.name}
    if state.container is not None:
        found[state.namespace, state.name, CADVISOR.path, ""] = (CADVISOR, KUBELET | place)
    if not state.was_ready:
        return found
    labels = {"job": "simulator", **place, "instance": state.address}
    if app.spec.metrics.hash_label is not None:
        labels[app.spec.metrics.hash_label] = state.hash
    if app.spec.metrics.discovery == "pods":
        services = {"": app.spec.name}
    else:
        selecting = (one for one in app.spec.services if app.selected_hash(one) in ("", state.hash))
        services = {one: one for one in selecting}
    for key, service in services.items():
        found[state.namespace, state.name, APPLICATION.path, key] = (APPLICATION, labels | {"service": service})
    return found


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
        self._pasts: dict[tuple[str, str], list[tuple[float, array[float]]]] = {}
        agenda.after(self._housekeeping_interval, self._forget)

    @property
    def _housekeeping_interval(self) -> float:
        return max(self._settings.retention / 10, self._settings.scrape_interval)

    def discover(self, app: Application) -> None:
        """Bring the targets of an application up to what is running. A target that went leaves stale series."""
        known = self._targets[app]
        wanted: dict[TargetKey, tuple[PodState, Page, dict[str, str]]] = {}
        for state in app.pods.values():
            for key, (page, labels) in targets(app, state).items():
                wanted[key] = (state, page, labels)
        for key in [key for key in known if key not in wanted]:
            target = known.pop(key)
            target.entry.cancel()
            target.samples.append(milliseconds(self._agenda.now), float("nan"), None)
        for key in [key for key in wanted if key not in known]:
            state, page, labels = wanted[key]
            samples = self._samples.target(labels, page.series(app.spec))
            if self._settings.history and page is APPLICATION and app.run is None and not samples.times:
                for moment, row in self._past(app, state, page):
                    samples.append(milliseconds(moment), 1.0, row)
            due = self._agenda.now + self._random.random() * self._settings.scrape_interval
            target = _Target(app, state, page, samples, due, self._agenda.at(due, lambda: None))
            self._schedule(target, due)
            known[key] = target

    def _past(self, app: Application, state: PodState, page: Page) -> list[tuple[float, array[float]]]:
        """What a scraper would have seen of a pod before the world's start, drawn once for all that look at the pod."""
        key = (state.namespace, state.name)
        if key not in self._pasts:
            begin = self._agenda.now - self._settings.history
            moments = app.live_through(state, begin, PAST_STEP)
            self._pasts[key] = [(moment, page.exposed(app, state)) for moment in moments]
        return self._pasts[key]

    def record(self, app: Application, state: PodState, page: Page, by: str, row: array[float] | None) -> None:
        """Remember what a look at a page of a pod showed; without a row, that it failed.

        Looks at the container's page go under a name of their own, so that nobody takes its gauges for counters.
        """
        scrape = Scrape(
            milliseconds(self._agenda.now),
            by if page is APPLICATION else f"cadvisor {by}",
            state.namespace,
            app.spec.name,
            state.name,
            state.hash,
            app.arm(state),
            row is not None,
            page.series(app.spec),
            row,
            page.total(app, state),
        )
        self._truth.add(scrape)

    def _schedule(self, target: _Target, due: float) -> None:
        jitter = self._random.random() * self._settings.jitter
        target.due = due
        target.entry = self._agenda.at(due + jitter, partial(self._scrape, target))

    def _scrape(self, target: _Target) -> None:
        self._schedule(target, target.due + self._settings.scrape_interval)
        app, state, page = target.app, target.pod, target.page
        now = milliseconds(self._agenda.now)
        if self._missed(app, state, page):
            app.count(state)
            target.samples.append(now, 0.0, None)
            self.record(app, state, page, "simulator", None)
            return
        row = page.read(app, state)
        target.samples.append(now, 1.0, row)
        self.record(app, state, page, "simulator", row)

    def _missed(self, app: Application, state: PodState, page: Page) -> bool:
        if not page.answers(state):
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
        old = milliseconds(self._agenda.now - self._settings.retention)
        if self._settings.history:
            self._samples.thin_out(old, milliseconds(PAST_STEP))
        self._samples.forget_before(old - milliseconds(self._settings.history))
        self._pasts.clear()
        self._agenda.after(self._housekeeping_interval, self._forget)
