"""Where a run stands, as the leading controller read it."""

from typing import Literal

from pydantic import Field

from serinus_contracts.base import Arm, Contract, Millis, Text
from serinus_contracts.events.run import Event
from serinus_contracts.weight import Percent


class Pod(Contract):
    """A pod of either arm, as it was when the event was made."""

    name: str
    arm: Arm
    started: Millis | None = Field(None, description="Kubernetes' startTime")
    ready: bool = False
    restarts: int = Field(0, description="of its containers, in all")


Phase = Literal["Progressing", "Paused", "Degraded", "Healthy"]
Outcome = Literal["promoted", "aborted", "superseded", "deleted"]
Route = Literal["mirror", "header"]
"""What `setMirrorRoute` and `setHeaderRoute` do: the canary gets requests that its weight does not tell of."""


class RolloutObserved(Event):
    """Where a run stands, as the leading controller read it."""

    TYPE = "dev.serinus.rollout.observed.v1"
    STREAM = "rollouts"
    resource_version: str = Field(description="of the Rollout as it was read")
    phase: Phase = Field(description="Argo's")
    step: int = Field(description="index of the step that runs; equal to `steps` when all are done")
    steps: int = Field(description="how many there are")
    stage: int = Field(description="index into the plan's stages; -1 before the first change of weight")
    set_weight: Percent = Field(description="percent that the steps ask for")
    actual_weight: Percent = Field(description="percent that Argo reports, else the canary's share of ready pods")
    split: Percent | None = Field(None, description="percent of both arms' requests; absent: the actual weight")
    split_since: Millis | None = Field(None, description="no later it was so; absent: since the stage began")
    routes: tuple[Route, ...] = Field((), description="ways to the canary beside the weight that steps have set")
    steady: bool = Field(description="the set weight is in force: counts of both arms may be compared")
    stage_started: Millis = Field(description="no later than this the stage's weight was in force")
    gate_started: Millis | None = Field(None, description="since when it waits at a pause without end")
    last_gate: Millis | None = Field(None, description="when the last such pause at this step began, opened or not")
    pods: tuple[Pod, ...] = ()
    images: dict[Arm, tuple[Text, ...]] = Field({}, description="what an arm's pods run, by container")
    revision: int | None = Field(None, description="Argo's number of the canary's template")
    plan: str = Field(description="digest of the AnalysisPlan")
    aborting: bool = Field(False, description="an abort stands, and the traffic is not back on stable yet")
    trouble: Text = Field("", description="what Argo says is wrong, such as InvalidSpec, in its words")
    outcome: Outcome | None = Field(None, description="how the run ended; absent while it lives")
    ended: Millis | None = Field(None, description="when it ended; absent while it lives")

    def event_id(self) -> str:
        return f"{self.run.id}:{self.resource_version}"
