"""A Rollout that answers patches as the API server does, and Argo that may be slow, deaf or in somebody's hands."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jsonpatch
from serinus_contracts import DecisionTaken, Run, VerdictReached
from serinus_contracts.operator_state import OperatorState
from serinus_controller.domain.controller_state import ControllerState
from serinus_controller.use_cases.act import ActTiming
from serinus_rollouts.kubernetes.api import ClusterError
from serinus_rollouts.patches import Patch
from serinus_rollouts.progress import Intent
from serinus_rollouts.reading import view
from serinus_rollouts.rollout import RolloutView

from tests.unit.rollouts.objects import STEPS, document

IMPATIENT = ActTiming(
    first=0.0, longest=0.0, nudge=0.0, rarest_nudge=0.0, give_up=0.5, after_refusal=0.0, rarest_try=0.0
)


def ticking() -> Callable[[], float]:
    """Monotonic seconds that pass with each look at the clock, a thousandth of one: nobody is given up because the
    machine was busy for a moment."""
    looks = itertools.count()
    return lambda: next(looks) / 1000


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


@dataclass
class FakeRollout:
    """`deaf`: how many accepted changes Argo overlooks before a later one wakes it, as 1.9.1 does. `refusal`: what
    every patch is answered with."""

    state: dict[str, Any] | None = field(default_factory=document)
    deaf: int = 0
    failures: list[ClusterError] = field(default_factory=list)
    patches: list[Any] = field(default_factory=list)
    before_patch: Callable[["FakeRollout"], None] | None = None
    weights: list[int] = field(default_factory=list)
    refusal: ClusterError | None = None
    asked: int = 0

    async def get(self, namespace: str, name: str) -> RolloutView | None:
        self._fail()
        return view(self.state) if self.state else None

    async def patch_status(self, namespace: str, name: str, patch: Patch | dict[str, Any]) -> RolloutView | None:
        self._fail()
        self.asked += 1
        if self.refusal:
            raise self.refusal
        if self.before_patch:
            self.before_patch(self)
        if self.state is None:
            return None
        before = copy.deepcopy(self.state)
        if isinstance(patch, list):
            try:
                self.state = jsonpatch.apply_patch(self.state, patch)
            except (jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict):
                return None
        else:
            self.state["status"].update(patch["status"])
        self.patches.append(patch)
        if self.state == before:
            return view(self.state)
        self._bump()
        taken = view(self.state)
        self.argo()
        return taken

    def argo(self) -> None:
        """Reconcile once, unless Argo overlooks this change."""
        if self.deaf > 0:
            self.deaf -= 1
            return
        assert self.state is not None
        status = self.state["status"]
        if view(self.state).invalid:
            return
        if status.get("abort") and status["phase"] != "Degraded":
            status.update(phase="Degraded", currentStepIndex=0)
            self._weigh(0)
            for gone in ("pauseConditions", "controllerPause"):
                status.pop(gone, None)
        elif status.get("abort") is False and status["phase"] == "Degraded":
            pause = {"reason": "CanaryPauseStep", "startTime": "1970-01-01T01:00:00Z"}
            status.update(phase="Paused", currentStepIndex=1, controllerPause=True, pauseConditions=[pause])
            self._weigh(5)
        elif status.get("controllerPause") and not status.get("pauseConditions"):
            self._go_on(status)
        self._bump()

    def mend(self) -> None:
        """The spec is valid again, and Argo takes it up."""
        assert self.state is not None
        self.state["status"].update(conditions=[], phase="Paused")
        self._bump()
        self.argo()

    def _go_on(self, status: dict[str, Any]) -> None:
        index = status["currentStepIndex"] + 1
        status.pop("controllerPause")
        if index < len(STEPS):
            self._weigh(STEPS[index]["setWeight"])
            pause = {"reason": "CanaryPauseStep", "startTime": f"1970-01-01T00:2{index}:00Z"}
            status.update(currentStepIndex=index + 1, controllerPause=True, pauseConditions=[pause], phase="Paused")
        else:
            status.update(currentStepIndex=index, phase="Healthy", stableRS=status["currentPodHash"])

    def _weigh(self, weight: int) -> None:
        assert self.state is not None
        self.weights.append(weight)
        self.state["status"]["canary"]["weights"]["canary"]["weight"] = weight

    def _bump(self) -> None:
        assert self.state is not None
        metadata = self.state["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class FakeJournal:
    """The controller's memory, shared by all controllers of a test."""

    controls: dict[str, ControllerState] = field(default_factory=dict)
    told: list[DecisionTaken] = field(default_factory=list)

    async def load(self, run: Run) -> ControllerState:
        return self.controls.get(run.id, ControllerState())

    async def remember(self, run: Run, *, verdict: VerdictReached) -> None:
        self._change(run, verdict=verdict)

    async def keep(self, run: Run, operator: OperatorState) -> None:
        self._change(run, operator=operator)

    async def begin(self, run: Run, intent: Intent, dedupe_key: str, operator: OperatorState) -> None:
        self._change(run, intent=intent, dedupe_key=dedupe_key, operator=operator)

    async def restore(self, run: Run, control: ControllerState) -> None:
        self.controls[run.id] = control

    async def tell(self, decision: DecisionTaken, *, dedupe_key: str, ends_intent: bool = False) -> None:
        self.told.append(decision)
        self._change(decision.run, dedupe_key=dedupe_key, **({"intent": None} if ends_intent else {}))

    def actions(self) -> Sequence[tuple[str, str]]:
        return [(decision.action, decision.state) for decision in self.told]

    def _change(self, run: Run, **fields: Any) -> None:
        self.controls[run.id] = replace(self.controls.get(run.id, ControllerState()), **fields)
