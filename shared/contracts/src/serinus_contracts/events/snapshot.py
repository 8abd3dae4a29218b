"""What a collector counted of both arms at one moment."""

from typing import Annotated, Literal

from pydantic import Field

from serinus_contracts.base import Contract, Millis, Text
from serinus_contracts.events.observed import Pod, Route
from serinus_contracts.events.run import Event
from serinus_contracts.weight import Percent


class Window(Contract):
    """Half open: counts of (begin, end]."""

    begin: Millis
    end: Millis

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.end - self.begin) / 1000


MetricStatus = Literal["ok", "settling", "waiting", "no_data", "partial", "error"]
"""settling: the stage has just begun; waiting: no scrape fell into the window yet, which is no fault."""


MAX_COUNT = 10**12
"""Of one window: what a run adds up of them is exact, and no traffic has as many."""

Count = Annotated[int, Field(le=MAX_COUNT)]


class Measured(Contract):
    """What every kind of measurement says of its quality. Only `ok` carries counts that may be judged."""

    status: MetricStatus = Field(description="ok, or why nothing was counted")
    window: Window | None = Field(None, description="time that was counted")
    detail: Text = Field("", description="what is wrong, in words")
    query: str = Field("", description="in entries of earlier versions; now the plan alone has the text")
    query_digest: str = Field("", description="of the query that was sent; the text stands in the plan")
    series: int = Field(0, description="that answered it")
    resets: int = Field(0, description="counter resets in the window")
    newest: Millis | None = Field(None, description="time of the newest sample read")


MAX_SEGMENTS = 64
"""Values of a segment's label that a measurement names."""
MAX_SEGMENT_BYTES = 128
"""Of such a value in UTF-8; what is longer is not named."""


class Segment(Contract):
    """What was counted of one value of a label, as (events, trials), of all pods.

    `canary_young`, `stable_young`: the part of it of pods that were warming up when the window began.
    """

    canary: tuple[Count, Count] = (0, 0)
    stable: tuple[Count, Count] = (0, 0)
    canary_young: tuple[Count, Count] = Field((0, 0), exclude_if=lambda value: value == (0, 0))
    stable_young: tuple[Count, Count] = Field((0, 0), exclude_if=lambda value: value == (0, 0))


class Proportion(Measured):
    """Counts per pod as (events, trials); the pod is empty where the source knows none.

    `segments` and `other_segments` are the same counts by the values of the metric's segment: their sum is the sum over
    the pods.
    """

    kind: Literal["proportion"] = "proportion"
    canary: dict[str, tuple[Count, Count]] = {}
    stable: dict[str, tuple[Count, Count]] = {}
    segment: str | None = Field(
        None, description="label whose values the segments are", exclude_if=lambda value: value is None
    )
    segments: dict[str, Segment] = Field(
        {},
        description="by value of the label, those with most requests; empty: series without it",
        exclude_if=lambda value: not value,
    )
    other_segments: Segment | None = Field(
        None, description="all other values together", exclude_if=lambda value: value is None
    )


class Distribution(Measured):
    """Counts per bucket, not cumulative: one more than `edges` (seconds, upper bounds), the last is above all."""

    kind: Literal["distribution"] = "distribution"
    edges: tuple[float, ...] = ()
    canary: tuple[Count, ...] = ()
    stable: tuple[Count, ...] = ()


class Gauge(Measured):
    """A value per pod, at the end of the window (of a rate: over it)."""

    kind: Literal["gauge"] = "gauge"
    canary: dict[str, float] = {}
    stable: dict[str, float] = {}


class Scalar(Measured):
    """The values of a query that knows its arms itself; null stands for NaN, which JSON has no number for."""

    kind: Literal["scalar"] = "scalar"
    values: tuple[float | Literal["+Inf", "-Inf"] | None, ...] = ()
    vector: bool = Field(True, description="false: the query gave one value that is no vector")


Measurement = Annotated[Proportion | Distribution | Gauge | Scalar, Field(discriminator="kind")]


class History(Contract):
    """Stable's past: counts per pod in blocks of equal length, oldest first, to calibrate noise by.

    `blocks[i][j]` belongs to `pods[j]` in the block that ends at `ends[i]`: (events, trials), or with `edges` the
    counts per bucket as in `Distribution`; absent where the pod was not there for the whole block.
    """

    pods: tuple[str, ...]
    seconds: float = 300.0
    ends: tuple[Millis, ...]
    blocks: tuple[tuple[tuple[Count, ...] | None, ...], ...]
    edges: tuple[float, ...] = ()


class MetricsCollected(Event):
    """One snapshot of canary and stable. `follows` is the `end` of the snapshot before, 0 for the first."""

    TYPE = "dev.serinus.metrics.collected.v1"
    STREAM = "snapshots"
    follows: Millis = Field(description="end of the snapshot before; 0: the first of its run")
    end: Millis = Field(description="end of this snapshot")
    step: int = Field(description="index of the Rollout's step")
    stage: int = Field(description="index into the plan's stages")
    stage_started: Millis = Field(description="when the stage's weight was in force")
    weight: Percent = Field(description="of the canary, percent, as the steps ask for it")
    split: Percent | None = Field(None, description="percent of both arms' requests that it gets; absent: the weight")
    split_changed: bool = Field(False, description="the split was another for a part of the windows")
    routes: tuple[Route, ...] = Field((), description="ways to the canary beside the weight")
    plan: str = Field(description="digest of the AnalysisPlan")
    pods: tuple[Pod, ...] = ()
    metrics: dict[str, Measurement] = Field(description="by the names of the policy")
    history: dict[str, History] = Field({}, description="per metric; only in the first snapshot of a run")

    def event_id(self) -> str:
        return f"{self.run.id}:{self.end}"

    def flat(self) -> dict[str, str]:
        return super().flat() | {"end": str(self.end), "follows": str(self.follows)}
