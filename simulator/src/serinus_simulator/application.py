"""One application: which of its pods get which share of the traffic, and what each of them counts.

All it knows of the cluster it reads from the same objects as everybody else: pods that are ready, the selectors of
both Services, the weight on the canary Ingress. Whenever one of them changes, everything is first counted up to that
moment under the old shares.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from serinus_simulator.argo.traffic import canary_ingress_name, ingress_weight
from serinus_simulator.argo.view import HASH_LABEL, RolloutView
from serinus_simulator.clock import Agenda
from serinus_simulator.cluster import image, is_ready, pod_template_hash, restart_count, terminating
from serinus_simulator.counters import Counters, Load
from serinus_simulator.kinds import INGRESSES, PODS, REPLICA_SETS, ROLLOUTS, SERVICES, Object
from serinus_simulator.latency import buckets
from serinus_simulator.objects import ObjectStore
from serinus_simulator.scenario import Change, Rollout, When


@dataclass
class PodState:
    """A pod that is or was alive, and what it counted."""

    name: str
    namespace: str
    hash: str
    image: str
    address: str
    counters: Counters
    counted_to: float
    born: float
    ready_since: float | None = None
    was_ready: bool = False
    restarts: int = 0
    gone: bool = False
    load: Load | None = None


@dataclass
class Run:
    """One attempt to release one template."""

    number: int
    hash: str
    started: float
    before: dict[str, tuple[int, int]]
    """Requests and errors by hash when it began."""
    ended: float | None = None
    after: dict[str, tuple[int, int]] | None = None
    """The same when it was promoted or aborted."""


class Application:
    """The traffic of one rollout of the scenario."""

    def __init__(self, spec: Rollout, store: ObjectStore, agenda: Agenda, *, seed: int) -> None:
        self.spec = spec
        self.pods: dict[str, PodState] = {}
        self.first_hash = ""
        self.run: Run | None = None
        self.on_run: list[Callable[[], object]] = []
        """Called when a run begins."""
        self.unserved = 0.0
        """Requests that found no ready pod, as far as a rate can tell."""
        self._store = store
        self._agenda = agenda
        self._seed = seed
        self._unserved_rate = 0.0
        self._refreshed = agenda.now
        self._runs = 0
        for moment in self._own_moments():
            agenda.at(agenda.start + moment, self.refresh)

    @property
    def rollout(self) -> RolloutView | None:
        obj = self._store.peek(ROLLOUTS, self.spec.namespace, self.spec.name)
        return RolloutView(obj) if obj else None

    def arm(self, pod: PodState) -> str:
        """`stable`, `canary`, or `other` for a revision that was given up."""
        rollout = self.rollout
        if rollout is None or pod.hash == rollout.stable_hash:
            return "stable"
        return "canary" if pod.hash == rollout.current_hash else "other"

    @property
    def weight(self) -> int:
        """The share of traffic that is the canary's now, in percent: the Ingress's, or without one the steps'."""
        rollout = self.rollout
        if rollout is None:
            return 0
        if rollout.routing is None:
            return 0 if rollout.fully_promoted else rollout.set_weight
        ingress = self._store.peek(INGRESSES, rollout.namespace, canary_ingress_name(rollout))
        return ingress_weight(rollout, ingress) if ingress else 0

    def holds(self, when: When) -> bool:
        """Whether a moment of the scenario has come."""
        now = self._agenda.now
        if when.at is not None:
            return now >= self._agenda.start + when.at
        if when.after is not None:
            return self.run is not None and now >= self.run.started + when.after
        return self.run is not None and (self.weight >= (when.weight or 0) or self._promoted())

    def refresh(self) -> None:
        """Count up to now, then give every pod the load that it has from now on."""
        now = self._agenda.now
        for state in self.pods.values():
            self.count(state)
        self.unserved += self._unserved_rate * (now - self._refreshed)
        self._refreshed = now
        self._notice_run()
        self._notice_pods()
        rates = self._rates()
        for state in self.pods.values():
            rate = rates.get(state.name, 0.0)
            state.load = self._load(state, rate) if rate > 0 else None

    def count(self, state: PodState) -> None:
        """Draw what a pod has served since it was last looked at."""
        now = self._agenda.now
        if state.load is not None and now > state.counted_to:
            state.counters.serve(state.load, now - state.counted_to)
        state.counted_to = now

    def served(self) -> dict[str, tuple[int, int]]:
        """Requests and errors by hash since the world's start, counted up to now."""
        totals: dict[str, tuple[int, int]] = {}
        for state in self.pods.values():
            self.count(state)
            requests, errors = totals.get(state.hash, (0, 0))
            total = state.counters.total
            totals[state.hash] = (requests + total.requests, errors + total.error_count)
        return totals

    def _notice_run(self) -> None:
        rollout = self.rollout
        if rollout is None or not rollout.current_hash:
            return
        if not self.first_hash:
            self.first_hash = rollout.current_hash
        if not rollout.stable_hash:
            return
        run, aborted = self.run, "abortedAt" in rollout.status
        if rollout.fully_promoted and run is not None and run.hash != rollout.current_hash:
            self.run = None
        elif rollout.fully_promoted or aborted:
            if run is not None and run.ended is None:
                run.ended, run.after = self._agenda.now, self.served()
        elif run is None or run.hash != rollout.current_hash or run.ended is not None:
            self._runs += 1
            self.run = Run(self._runs, rollout.current_hash, self._agenda.now, self.served())
            for moment in self._run_moments():
                self._agenda.after(moment, self.refresh)
            for begin in self.on_run:
                begin()

    def _promoted(self) -> bool:
        rollout = self.rollout
        return rollout is not None and rollout.fully_promoted and rollout.stable_hash != self.first_hash

    def _notice_pods(self) -> None:
        rollout = self.rollout
        present: set[str] = set()
        for pod in self._objects(rollout):
            name = pod["metadata"]["name"]
            present.add(name)
            state = self.pods.get(name) or self._born(pod)
            ready = is_ready(pod) and not terminating(pod)
            if not ready:
                state.ready_since = None
            elif state.ready_since is None:
                state.ready_since, state.was_ready = self._agenda.now, True
                if self.spec.cold is not None:
                    self._agenda.after(self.spec.cold.seconds, self.refresh)
            if restart_count(pod) != state.restarts:
                state.restarts = restart_count(pod)
                state.counters.restart()
        for name, state in self.pods.items():
            if name not in present:
                state.gone, state.ready_since = True, None

    def _objects(self, rollout: RolloutView | None) -> Iterable[Object]:
        if rollout is None:
            return
        for replica_set in self._store.owned(REPLICA_SETS, rollout.uid):
            yield from self._store.owned(PODS, replica_set["metadata"]["uid"])

    def _born(self, pod: Object) -> PodState:
        metrics = self.spec.metrics
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        random = np.random.default_rng([self._seed, zlib.crc32(f"{namespace}/{name}".encode())])
        counters = Counters(random, tuple(metrics.error_codes.values()), len(metrics.edges))
        state = PodState(
            name,
            namespace,
            pod_template_hash(pod),
            image(pod),
            f"{pod['status'].get('podIP', '10.0.0.1')}:8080",
            counters,
            self._agenda.now,
            self._agenda.now,
            restarts=restart_count(pod),
        )
        self.pods[name] = state
        return state

    def _rates(self) -> dict[str, float]:
        """Requests per second for each ready pod by name."""
        ready = [state for state in self.pods.values() if state.ready_since is not None and not state.gone]
        whole = self.spec.traffic.requests_per_second
        rollout = self.rollout
        if rollout is None:
            groups = []
        elif rollout.routing is None:
            groups = [(whole, ready)]
        else:
            weight = self.weight / 100
            groups = [
                (whole * (1 - weight), self._selected(ready, rollout.stable_service)),
                (whole * weight, self._selected(ready, rollout.canary_service)),
            ]
        rates: dict[str, float] = {}
        self._unserved_rate = 0.0
        for rate, pods in groups:
            if not pods:
                self._unserved_rate += rate
            for state in pods:
                rates[state.name] = rates.get(state.name, 0.0) + rate / len(pods)
        return rates

    def _selected(self, ready: list[PodState], service: str) -> list[PodState]:
        selected = self.selected_hash(service)
        return [state for state in ready if selected in ("", state.hash)]

    def selected_hash(self, service: str) -> str:
        """The hash that a Service selects, empty where it selects every pod of the application."""
        obj = self._store.peek(SERVICES, self.spec.namespace, service)
        return str(((obj or {}).get("spec", {}).get("selector") or {}).get(HASH_LABEL, ""))

    def _load(self, state: PodState, rate: float) -> Load:
        spec = self.spec
        error_rate, factor, slow = spec.traffic.error_rate, 1.0, None
        for change in spec.canary:
            if self._applies(change, state):
                error_rate = error_rate if change.error_rate is None else change.error_rate
                factor *= change.latency_factor
                slow = change.slow or slow
        cold, since = spec.cold, state.ready_since
        if cold is not None and since is not None and self._agenda.now < since + cold.seconds:
            error_rate = error_rate if cold.error_rate is None else cold.error_rate
            factor *= cold.latency_factor
        shares, means = buckets(spec.traffic.latency, factor, slow, spec.metrics.edges)
        return Load(rate, error_rate, shares, means)

    def _applies(self, change: Change, state: PodState) -> bool:
        if change.image is None:
            concerned = state.hash != self.first_hash
        else:
            concerned = re.search(change.image, state.image) is not None
        return concerned and self.holds(change.when)

    def _moments(self) -> list[When]:
        return [change.when for change in self.spec.canary] + [gone.when for gone in self.spec.vanish]

    def _own_moments(self) -> list[float]:
        return [when.at for when in self._moments() if when.at]

    def _run_moments(self) -> list[float]:
        return [when.after for when in self._moments() if when.after]
