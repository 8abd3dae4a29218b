"""The world: everything of a scenario put together, with what a test may do to it directly."""

from __future__ import annotations

import random
import zlib
from functools import partial
from pathlib import Path
from typing import Any

from serinus_simulator.argo.analysis.controller import AnalysisController
from serinus_simulator.argo.analysis.providers import Providers
from serinus_simulator.argo.controller import ArgoController
from serinus_simulator.argo.events import EventRecorder
from serinus_simulator.argo.settings import ArgoSettings
from serinus_simulator.argo.view import HASH_LABEL
from serinus_simulator.clock import Agenda, Clock, SystemClock
from serinus_simulator.faults import ActiveFault, Fault, Faults, KubernetesFault
from serinus_simulator.fetching import Fetch
from serinus_simulator.fetching import fetch as send_really
from serinus_simulator.kubernetes.api import KubernetesApi
from serinus_simulator.kubernetes.failures import ApiError, expired
from serinus_simulator.kubernetes.kinds import DEPLOYMENTS, INGRESSES, PODS, ROLLOUTS, SERVICES, Kind, Object
from serinus_simulator.kubernetes.objects import Change, ObjectStore
from serinus_simulator.prometheus.api import PrometheusApi
from serinus_simulator.prometheus.tsdb import SampleStore
from serinus_simulator.world.application import Application
from serinus_simulator.world.cluster import Cluster, ClusterSettings
from serinus_simulator.world.manifests import manifests
from serinus_simulator.world.metrics_page import Page
from serinus_simulator.world.pod_failures import PodFailures
from serinus_simulator.world.scenario import Scenario
from serinus_simulator.world.scraping import Scraper, targets
from serinus_simulator.world.states import PodState
from serinus_simulator.world.truth import Truth


class World:
    """A running scenario. Nothing happens by itself: `catch_up` brings it to the clock's present."""

    def __init__(
        self,
        scenario: Scenario,
        clock: Clock | None = None,
        *,
        seed: int | None = None,
        truth: Path | None = None,
        fetch: Fetch = send_really,
    ) -> None:
        """`fetch` is how Argo's analyses ask over HTTP. Raises ApiError for objects that cannot be created."""
        self.scenario = scenario
        self.seed = scenario.seed if seed is None else seed
        self.agenda = Agenda(clock or SystemClock())
        self.faults = Faults(self.agenda, random.Random(self._seed("faults")).random)
        kubernetes, argo, pods = scenario.kubernetes, scenario.argo, scenario.pods
        self.store = ObjectStore(lambda: self.agenda.now, seed=self._seed("objects"), history=kubernetes.history)
        self.cluster = Cluster(
            self.store,
            self.agenda,
            ClusterSettings(argo.delay, pods.ready_after, pods.ready_spread, pods.terminate_after, pods.restart_takes),
            seed=self._seed("pods"),
        )
        self.events = EventRecorder(self.store, self.agenda, delay=argo.delay / 2)
        self.argo = ArgoController(
            self.store,
            self.agenda,
            self.faults,
            ArgoSettings(argo.delay, argo.version, argo.lose_promotes, argo.lose_aborts, argo.repauses),
            self.events,
            seed=self._seed("argo"),
        )
        self.kubernetes = KubernetesApi(
            self.store,
            self.agenda,
            self.faults,
            bookmark_interval=kubernetes.bookmark_interval,
            watch_timeout=kubernetes.watch_timeout,
        )
        self.kubernetes.deleters[PODS] = self.cluster.terminate
        self.apps = {
            (spec.namespace, spec.name): Application(
                spec,
                self.store,
                self.agenda,
                seed=self._seed(f"traffic {spec.namespace}/{spec.name}"),
                history=scenario.prometheus.history,
            )
            for spec in scenario.rollouts
        }
        self._failures = {
            key: PodFailures(app, self.cluster, self.agenda, seed=self._seed(f"failures {'/'.join(key)}"))
            for key, app in self.apps.items()
        }
        self.cluster.keeps_unready = self._keeps_unready
        self._by_service = {
            (app.spec.namespace, service): app for app in self.apps.values() for service in app.spec.services
        }
        retention = round(scenario.prometheus.retention * 1000)
        self.samples = SampleStore(retention)
        self.truth = Truth(scenario.truth_records, truth)
        self.scraper = Scraper(
            self.apps.values(),
            self.samples,
            self.truth,
            self.agenda,
            self.faults,
            scenario.prometheus,
            seed=self._seed("scrapes"),
        )
        self.prometheus = PrometheusApi(
            self.samples, self.agenda, self.faults, seed=self._seed("prometheus"), version=scenario.prometheus.version
        )
        self.analysis = AnalysisController(
            self.store,
            self.agenda,
            Providers(fetch, self.prometheus.answer, lenient=argo.version == "1.9.1"),
            self.events,
            delay=argo.delay,
        )
        for kind in (PODS, SERVICES, INGRESSES, ROLLOUTS):
            self.store.subscribe(kind, partial(self._changed, kind))
        self._populate()

    def catch_up(self) -> None:
        """Let everything happen that is due."""
        self.agenda.catch_up()

    def close(self) -> None:
        """End open watches and the truth's file."""
        self.kubernetes.close_watches()
        self.truth.close()

    def release(self, namespace: str, name: str, image: str) -> Object:
        """Give a rollout a new image, or the Deployment that it refers to. Raises ApiError 404."""

        def change(old: Object) -> Object:
            template = old["spec"]["template"]
            first, *rest = template["spec"]["containers"]
            pod = template["spec"] | {"containers": [first | {"image": image}, *rest]}
            return old | {"spec": old["spec"] | {"template": template | {"spec": pod}}}

        reference = self.store.get(ROLLOUTS, namespace, name)["spec"].get("workloadRef")
        if reference:
            return self.store.modify(DEPLOYMENTS, namespace, reference["name"], change)
        return self.store.modify(ROLLOUTS, namespace, name, change)

    def restart_pod(self, namespace: str, rollout: str, arm: str = "canary", number: int = 0) -> str:
        """Restart the container of one running pod of an arm, counted by name; the pod's name.

        Raises ApiError 404 where there is no such pod.
        """
        app = self.apps.get((namespace, rollout))
        pods = [] if app is None else [one for one in self.running(app) if app.arm(one) == arm]
        if number >= len(pods):
            raise ApiError(404, f"{namespace}/{rollout} has no running {arm} pod number {number}")
        name = sorted(state.name for state in pods)[number]
        self.cluster.restart(namespace, name)
        return name

    def add_fault(self, fault: Fault) -> ActiveFault:
        """Put a fault in force. What concerns open watches happens at once."""
        active = self.faults.add(fault)
        if isinstance(fault, KubernetesFault) and fault.effect == "close_watches":
            active.hits += self.kubernetes.close_watches()
        elif isinstance(fault, KubernetesFault) and fault.effect == "expire_watches":
            asked = self.store.revision
            self.store.forget_history()
            active.hits += self.kubernetes.close_watches(expired(self.store.revision, asked))
        return active

    def running(self, app: Application) -> list[PodState]:
        """The pods of an application that answer now."""
        return [state for state in app.pods.values() if state.answers]

    def find_pod(self, namespace: str, name: str) -> tuple[Application, PodState] | None:
        """A pod by its name, with its application."""
        for app in self.apps.values():
            state = app.pods.get(name)
            if app.spec.namespace == namespace and state is not None:
                return app, state
        return None

    def targets(self) -> list[tuple[PodState, Page, dict[str, str]]]:
        """Every target that a Prometheus would find, with its labels."""
        return [
            (state, page, labels)
            for app in self.apps.values()
            for state in app.pods.values()
            for page, labels in targets(app, state).values()
        ]

    def _seed(self, purpose: str) -> int:
        return zlib.crc32(f"{self.seed} {purpose}".encode())

    def _populate(self) -> None:
        for obj in self.scenario.objects:
            self._create(obj)
        for app in self.apps.values():
            spec = app.spec
            for kind, obj in manifests(spec):
                self.store.create(kind, spec.namespace, obj)
            for release in spec.release:
                self.agenda.after(release.at, partial(self._release, spec.namespace, spec.name, release.image))
            for restart in spec.restarts:
                again = partial(self._restart, spec.namespace, spec.name, restart.arm, restart.pod)
                if restart.at is not None:
                    self.agenda.after(restart.at, again)
                else:
                    app.on_run.append(partial(self.agenda.after, restart.after or 0.0, again))

    def _create(self, obj: Object) -> None:
        wanted = (obj.get("apiVersion"), obj.get("kind"))
        kind = next((one for one in self.store.kinds if (one.api_version, one.kind) == wanted), None)
        if kind is None:
            raise ApiError(404, f"the simulator serves no {obj.get('kind')} of {obj.get('apiVersion')}")
        namespace = str((obj.get("metadata") or {}).get("namespace", "default")) if kind.namespaced else ""
        self.store.create(kind, namespace, obj)

    def _release(self, namespace: str, name: str, image: str) -> None:
        if self.store.peek(ROLLOUTS, namespace, name) is not None:
            self.release(namespace, name, image)

    def _restart(self, namespace: str, name: str, arm: str, number: int) -> None:
        try:
            self.restart_pod(namespace, name, arm, number)
        except ApiError:
            # the scenario names a pod that is not there at this moment
            return

    def _changed(self, kind: Kind, change: Change) -> None:
        app = self._app_of(kind, change.last)
        if app is not None:
            app.refresh()
            self.scraper.discover(app)

    def _keeps_unready(self, pod: Object) -> bool:
        app = self._app_of(PODS, pod)
        return app is not None and self._failures[app.spec.namespace, app.spec.name].keep_unready(pod)

    def _app_of(self, kind: Kind, obj: Object) -> Application | None:
        metadata: dict[str, Any] = obj["metadata"]
        namespace = metadata.get("namespace", "")
        if kind is SERVICES:
            return self._by_service.get((namespace, metadata["name"]))
        if kind is ROLLOUTS:
            return self.apps.get((namespace, metadata["name"]))
        for owner in metadata.get("ownerReferences", []):
            if kind is PODS:
                suffix = "-" + metadata.get("labels", {}).get(HASH_LABEL, "")
                return self.apps.get((namespace, owner["name"].removesuffix(suffix)))
            return self.apps.get((namespace, owner["name"]))
        return None
