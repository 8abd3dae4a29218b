"""One application: which of its pods get which share of the traffic, and what each of them counts.

All it knows of the cluster it reads from the same objects as everybody else: pods that are ready, the selectors of
both Services, the weight on the canary Ingress. Whenever one of them changes, everything is first counted up to that
moment under the old shares.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from serinus_simulator.argo.traffic import canary_ingress_name, ingress_weight
from serinus_simulator.argo.view import HASH_LABEL, RolloutView
from serinus_simulator.clock import Agenda
from serinus_simulator.kubernetes.kinds import INGRESSES, PODS, REPLICA_SETS, ROLLOUTS, SERVICES, Object
from serinus_simulator.kubernetes.objects import ObjectStore
from serinus_simulator.units import When
from serinus_simulator.world.cluster import image, is_ready, is_running, pod_template_hash, restart_count, terminating
from serinus_simulator.world.containers import ContainerState
from serinus_simulator.world.counters import Counters, Load
from serinus_simulator.world.disturbances import Disturbances
from serinus_simulator.world.loads import load
from serinus_simulator.world.scenario import Rollout
from serinus_simulator.world.scenario_noise import Noise
from serinus_simulator.world.scenario_traffic import Change
from serinus_simulator.world.states import PodState, Run, Served, served


class Application:
    """The traffic of one rollout of the scenario."""

    def __init__(self, spec: Rollout, store: ObjectStore, agenda: Agenda, *, seed: int, history: float = 0.0) -> None:
        """`history`: for how many seconds before the world's start pods may have served."""
        self.spec = spec
        self.pods: dict[str, PodState] = {}
        self.first_hash = ""
        self.run: Run | None = None
        self.on_run: list[Callable[[], object]] = []
        """Called when a run begins."""
        self.on_refresh: list[Callable[[], object]] = []
        """Called when anything about the pods or their shares may have changed; must not write to the store."""
        self.unserved = 0.0
        """Requests that found no ready pod, as far as a rate can tell."""
        self.lost_conversions = 0
        """Conversions whose session's pod went, and no other of its revision was left to count them."""
        self._store = store
        self._agenda = agenda
        self._seed = seed
        self._unserved_rate = 0.0
        self._refreshed = agenda.now
        self._runs = 0
        self._disturbances: Disturbances | None = None
        if spec.noise != Noise(retries=spec.noise.retries):
            self._disturbances = Disturbances(
                spec.noise, spec.traffic.latency, spec.metrics.edges, start=agenda.start, seed=seed, history=history
            )
        for when in self._moments():
            if when.at:
                agenda.at(agenda.start + when.at, self.refresh)

    @property
    def rollout(self) -> RolloutView | None:
        """As it stands now, None before it was made and after it was deleted."""
        obj = self._store.peek(ROLLOUTS, self.spec.namespace, self.spec.name)
        return RolloutView(obj) if obj else None

    def arm(self, pod: PodState) -> str:
        """`stable`, `canary`, or `other` for a revision that was given up."""
        return self.arm_of(pod.hash)

    def arm_of(self, pod_hash: str) -> str:
        """`stable`, `canary`, or `other`, by the pod template hash; without a Rollout everything is stable."""
        rollout = self.rollout
        if rollout is None or pod_hash == rollout.stable_hash:
            return "stable"
        return "canary" if pod_hash == rollout.current_hash else "other"

    @property
    def weight(self) -> float:
        """The share of traffic that is the canary's now, in percent: the Ingress's, or without one the steps'."""
        rollout = self.rollout
        if rollout is None:
            return 0
        if rollout.routing is None:
            return 0 if rollout.fully_promoted else rollout.set_weight
        if "istio" in rollout.routing:
            return 100 * int(rollout.weights["canary"]["weight"]) / rollout.max_weight if rollout.weights else 0
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
        idle = self.spec.sessions is not None or self.spec.container is not None
        for state in self.pods.values():
            rate = rates.get(state.name, 0.0)
            state.load = self._load(state, rate) if rate > 0 or (idle and not state.gone) else None
        for told in self.on_refresh:
            told()

    def count(self, state: PodState) -> None:
        """Draw what a pod has served since it was last looked at."""
        now, begin, given = self._agenda.now, state.counted_to, state.load
        state.counted_to = now
        if given is None or now <= begin:
            return
        requests, given = self._serve(state, given, begin, now)
        if state.container is not None:
            state.container.use(requests, given, now - begin)

    def live_through(self, state: PodState, begin: float, step: float) -> Iterator[float]:
        """Draw what a pod of the first revision would have served from `begin` until now, and stop at each step."""
        given = load(self.spec, (), self.spec.traffic.requests_per_second / self.spec.replicas, cold=False)
        for number in range(int((self._agenda.now - begin) / step)):
            end = begin + (number + 1) * step
            self._serve(state, given, end - step, end)
            yield end

    def _serve(self, state: PodState, given: Load, begin: float, end: float) -> tuple[int, Load]:
        """The requests of a span, and the load as the noise made it."""
        if self._disturbances is not None and given.rate > 0:
            given = self._disturbances.disturb(given, state.name, begin, end)
        return state.counters.serve(given, end - begin, until=end), given

    def served(self) -> dict[str, Served]:
        """What each revision has served since the world's start, by hash, counted up to now."""
        totals: dict[str, Served] = {}
        for state in self.pods.values():
            self.count(state)
            totals[state.hash] = totals.get(state.hash, Served()) + served(state.counters.total)
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
            for when in self._moments():
                if when.after:
                    self._agenda.after(when.after, self.refresh)
            for begin in self.on_run:
                begin()

    def _promoted(self) -> bool:
        rollout = self.rollout
        return rollout is not None and rollout.fully_promoted and rollout.stable_hash != self.first_hash

    def _notice_pods(self) -> None:
        present: set[str] = set()
        for pod in self._objects(self.rollout):
            present.add(pod["metadata"]["name"])
            self._notice_pod(pod)
        for name, state in self.pods.items():
            if name not in present and not state.gone:
                self._went(state)

    def _notice_pod(self, pod: Object) -> None:
        now = self._agenda.now
        state = self.pods.get(pod["metadata"]["name"]) or self._born(pod)
        ready = is_ready(pod) and not terminating(pod)
        if not ready:
            state.ready_since = None
        elif state.ready_since is None:
            state.ready_since, state.was_ready = now, True
            if self.spec.cold is not None:
                self._agenda.after(self.spec.cold.seconds, self.refresh)
        restarted = restart_count(pod) != state.restarts
        if restarted:
            state.restarts = restart_count(pod)
            state.counters.restart()
        if state.container is not None:
            if not is_running(pod):
                state.container.stop()
            elif restarted or state.container.started is None:
                state.container.start(now)

    def _went(self, state: PodState) -> None:
        """Who is still to convert does so at another pod of the revision."""
        state.gone, state.ready_since = True, None
        if state.container is not None:
            state.container.stop()
        if self._disturbances is not None:
            self._disturbances.forget(state.name)
        if state.counters.lag is not None:
            heirs = sorted(one.name for one in self.pods.values() if one.hash == state.hash and one.answers)
            heir = self.pods[heirs[0]].counters.lag if heirs else None
            left = state.counters.lag.hand_over(heir)
            self.lost_conversions += 0 if heir else left

    def _objects(self, rollout: RolloutView | None) -> Iterable[Object]:
        if rollout is None:
            return
        for replica_set in self._store.owned(REPLICA_SETS, rollout.uid):
            yield from self._store.owned(PODS, replica_set["metadata"]["uid"])

    def _born(self, pod: Object) -> PodState:
        spec, metrics, now = self.spec, self.spec.metrics, self._agenda.now
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        random = np.random.default_rng([self._seed, zlib.crc32(f"{namespace}/{name}".encode())])
        codes, edges = tuple(metrics.error_codes.values()), len(metrics.edges)
        routes = tuple(spec.traffic.routes.values())
        counters = Counters(random, codes, edges, spec.noise.retries, spec.sessions, routes)
        state = PodState(
            name,
            namespace,
            pod_template_hash(pod),
            image(pod),
            f"{pod['status'].get('podIP', '10.0.0.1')}:8080",
            counters,
            now,
            now,
            None if spec.container is None else ContainerState(spec.container, random.spawn(1)[0], now),
            restarts=restart_count(pod),
        )
        self.pods[name] = state
        return state

    def _rates(self) -> dict[str, float]:
        """Requests per second for each ready pod by name."""
        ready = [state for state in self.pods.values() if state.answers]
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
        changes = (change for change in self.spec.canary if self._applies(change, state))
        cold, since = self.spec.cold, state.ready_since
        is_cold = cold is not None and since is not None and self._agenda.now < since + cold.seconds
        return load(self.spec, changes, rate, cold=is_cold)

    def _applies(self, change: Change, state: PodState) -> bool:
        if change.image is None:
            concerned = state.hash != self.first_hash
        else:
            concerned = re.search(change.image, state.image) is not None
        return concerned and self.holds(change.when)

    def _moments(self) -> list[When]:
        spec = self.spec
        changes, gone, failing = spec.canary, spec.vanish, spec.failing
        return [*(one.when for one in changes), *(one.when for one in gone), *(one.when for one in failing)]
