"""Pods that fail as the scenario says: crash loops, pods that never get ready, pods whose probe fails."""

from __future__ import annotations

import random
from functools import partial

from serinus_simulator.clock import Agenda
from serinus_simulator.kubernetes.kinds import Object
from serinus_simulator.world.application import Application
from serinus_simulator.world.cluster import Cluster, pod_template_hash
from serinus_simulator.world.scenario_pods import Failing
from serinus_simulator.world.states import PodState


class PodFailures:
    """Carries out the `failing` parts of one rollout."""

    def __init__(self, app: Application, cluster: Cluster, agenda: Agenda, *, seed: int) -> None:
        self._app = app
        self._cluster = cluster
        self._agenda = agenda
        self._random = random.Random(seed)
        self._crashes: dict[str, int] = {}
        """How often each pod has crashed."""
        self._doomed: set[str] = set()
        """Pods whose next crash is set."""
        self._unready: set[str] = set()
        self._begun: dict[Failing, int] = {}
        """The run in which each part began: a weight that falls because pods fail must not heal them."""
        self._looking = False
        if app.spec.failing:
            app.on_refresh.append(self._look_soon)

    def keep_unready(self, pod: Object) -> bool:
        """Whether a pod that is about to get ready must not."""
        return any(
            part.effect in ("never-ready", "unready") and self._concerns(part, pod_template_hash(pod))
            for part in self._app.spec.failing
        )

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._agenda.after(0.0, self._look)

    def _look(self) -> None:
        self._looking = False
        for part in self._app.spec.failing:
            for state in list(self._app.pods.values()):
                if not state.answers or not self._concerns(part, state.hash):
                    continue
                if part.effect == "crash-loop" and state.name not in self._doomed:
                    self._doomed.add(state.name)
                    self._agenda.after(self._random.expovariate(1 / part.every), partial(self._crash, part, state))
                elif part.effect == "unready":
                    self._unready.add(state.name)
                    self._cluster.set_ready(state.namespace, state.name, False)
        self._let_recover()

    def _let_recover(self) -> None:
        for name in sorted(self._unready):
            state = self._app.pods[name]
            held = any(part.effect == "unready" and self._concerns(part, state.hash) for part in self._app.spec.failing)
            if state.gone or not held:
                self._unready.discard(name)
                self._cluster.set_ready(state.namespace, name, True)

    def _crash(self, part: Failing, state: PodState) -> None:
        self._doomed.discard(state.name)
        if not state.answers or not self._concerns(part, state.hash):
            return
        crashes = self._crashes[state.name] = self._crashes.get(state.name, 0) + 1
        self._cluster.crash(state.namespace, state.name, min(part.back_off * 2 ** (crashes - 1), part.longest))

    def _concerns(self, part: Failing, pod_hash: str) -> bool:
        arm = self._app.arm_of(pod_hash)
        return (arm == part.arm or (part.arm == "both" and arm != "other")) and self._holds(part)

    def _holds(self, part: Failing) -> bool:
        run, holds = self._app.run, self._app.holds(part.when)
        if part.when.at is not None:
            return holds
        rollout = self._app.rollout
        if run is None or rollout is None or rollout.status.get("abortedAt"):
            return False
        if holds:
            self._begun[part] = run.number
        return self._begun.get(part) == run.number
