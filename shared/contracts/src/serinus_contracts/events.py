"""The five events. Each knows its type, its stream and its deterministic id, so that a repeat is recognisable."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from serinus_contracts.base import Arm, Contract, Millis, Outline, Text
from serinus_contracts.metric import Better, Margin
from serinus_contracts.policy import Mode
from serinus_contracts.streams import Stream
from serinus_contracts.weight import Percent


class Run(Contract):
    """One attempt to release one template. A pod hash comes back on retry and rollback, hence `attempt`."""

    cluster: str = Field(description="name of the cluster, as the controller is told")
    namespace: str = Field(description="of the Rollout")
    name: str = Field(description="of the Rollout")
    uid: str = Field(description="of the Rollout: one that is made anew is another")
    canary_hash: str = Field(description="pod template hash of the new version")
    stable_hash: str = Field(description="pod template hash of the version before")
    attempt: int = Field(ge=1, description="the same template may be tried again")

    @property
    def id(self) -> str:
        return f"{self.cluster}/{self.uid}/{self.canary_hash}/{self.attempt}"

    @property
    def rollout(self) -> str:
        return f"{self.namespace}/{self.name}"


class Event(Contract):
    """Base of all events: the `data` of a CloudEvent."""

    TYPE: ClassVar[str]
    STREAM: ClassVar[Stream]
    run: Run

    def event_id(self) -> str:
        raise NotImplementedError

    def flat(self) -> dict[str, str]:
        """Fields that stand beside the envelope in the stream entry, for filters that cannot look into JSON."""
        return {"run": self.run.id}


class Pod(Contract):
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


class Window(Contract):
    """Half open: counts of (begin, end]."""

    begin: Millis
    end: Millis

    @property
    def seconds(self) -> float:
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
    resets: int = Field(0, description="counters that began anew in the window")
    newest: Millis | None = Field(None, description="time of the newest sample read")


class Proportion(Measured):
    """Counts per pod as (events, trials); the pod is empty where the source knows none."""

    kind: Literal["proportion"] = "proportion"
    canary: dict[str, tuple[Count, Count]] = {}
    stable: dict[str, tuple[Count, Count]] = {}


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


Verdict = Literal["proceed", "abort", "hold"]
Reason = Literal[
    "non_inferior", "no_regression",
    "evidence", "limit",
    "insufficient_evidence", "awaiting_baseline", "settling", "before_minimum", "no_data", "provider_error",
    "time_spent", "sample_ratio_mismatch", "liveness", "anomaly",
    "rule",
]  # fmt: skip


class Counts(Contract):
    events: int = Field(0, description="of what is judged")
    trials: int = Field(0, description="of what they are a share of")

    @property
    def rate(self) -> float | None:
        return self.events / self.trials if self.trials else None


class Channel(Contract):
    """One count that is tested: a metric's events, the share above a latency edge, or a limit.

    `log_eprocess` is the natural logarithm of the e-process against "within the margin", so evidence of a regression;
    `log_eprocess_non_inferior` of the one against "beyond the margin" (absent where the channel has no part in
    proceeding). For an error probability p either is enough from ln(1/p) on.
    """

    canary: Counts = Field(description="over the whole run")
    stable: Counts
    canary_edge: float | None = Field(None, description="seconds; for latency: events are slower than this")
    stable_edge: float | None = None
    quantile: float | None = None
    margin: Margin = Field(description="that is tested")
    log_eprocess: float = 0.0
    log_eprocess_non_inferior: float | None = None
    low: float | None = Field(None, description="least the ratio of canary to margin can be (1 is the margin)")
    high: float | None = Field(None, description="most the ratio of canary to margin can be")
    detail: Text = ""


Label = Literal["ok", "unclear", "warning", "worse", "no_data", "error", "settling"]


class MetricVerdict(Contract):
    """What is known of one metric or limit, over the whole run and in this stage."""

    name: str = Field(description="of the metric, or such as errors above 0.1")
    label: Label = Field(description="what is known of it, in a word")
    status: MetricStatus = Field(description="of its data in this snapshot")
    better: Better = "lower"
    limit: bool = Field(False, description="an absolute bound, not a comparison with stable")
    critical: bool = Field(False, description="a nonInferiority gate needs it shown; where none is critical, all")
    share: float = Field(description="share of the false-abort rate")
    log_eprocess: float = Field(description="evidence that its margin is exceeded, natural logarithm")
    log_eprocess_non_inferior: float | None = Field(None, description="evidence that its margin is kept, likewise")
    run: tuple[Channel, ...] = Field(description="channels with counts over the whole run")
    stage: tuple[Counts, ...] = Field((), description="per channel canary then stable, in this stage")
    calibrated: bool = Field(False, description="its noise was measured on history, not assumed")
    dispersion: float | None = Field(
        None, description="noise: variance over that of independent requests, in this stage (phi)"
    )
    correlation: float | None = Field(
        None, description="noise: growth of that ratio with the information of a snapshot (kappa)"
    )
    detectable_rate: float | None = Field(
        None, description="rate from which a worse canary is found by the end of the stage, with 80 % probability"
    )
    detail: Text = ""


class Finding(Contract):
    """What another check found (guardrails). Unless it `decides`, it describes and changes no verdict."""

    kind: Literal[
        "threshold",
        "statistics",
        "comparison",
        "trend",
        "business",
        "liveness",
        "anomaly",
        "outlier",
        "rule",
        "traffic",
    ]
    metric: str = ""
    severity: Literal["none", "info", "warning", "critical"] = "info"
    text: Text
    decides: bool = Field(False, description="a reason for this verdict or for holding; else a description only")
    pods: tuple[str, ...] = ()
    values: dict[str, float] = Field({}, description="the numbers behind the text, by name")


class DataQuality(Contract):
    """Faults of the data that a verdict rests on."""

    missing: tuple[str, ...] = Field((), description="metrics without usable counts in this snapshot")
    resets: int = Field(0, description="counter resets in this snapshot")
    gaps: int = Field(0, description="snapshots of this run that could never be read")
    newest: Millis | None = None


class Traffic(Contract):
    """Whether the requests of this stage were split as the weight says. A mismatch holds, it never aborts."""

    canary: int
    stable: int
    expected: float = Field(description="the canary's share by its actual weights, over these requests")
    log_mismatch: float = Field(description="evidence that the share is beyond its tolerance")


class VerdictReached(Event):
    """The evaluation of one snapshot."""

    TYPE = "dev.serinus.verdict.reached.v1"
    STREAM = "verdicts"
    follows: Millis = Field(description="end of the snapshot before; 0: the first of its run")
    end: Millis = Field(description="end of the snapshot that was evaluated")
    verdict: Verdict = Field(description="proceed, abort or hold")
    reason: Reason = Field(description="a code; what each means: reference/reasons")
    sentence: Text = Field(description="for people: what was seen and how sure it is")
    since: Millis = Field(description="end of the snapshot that first gave this verdict for this reason")
    changed: bool = Field(description="verdict or reason differ from the evaluation before")
    evaluation: int = Field(description="number of the evaluation in this run, from 1")
    step: int = Field(description="index of the Rollout's step")
    stage: int = Field(description="index into the plan's stages")
    stage_started: Millis = Field(description="when the stage's weight was in force")
    weight: Percent = Field(description="of the canary, percent, as the steps ask for it")
    evaluated_requests: int = Field(description="requests of the canary that were evaluated")
    served_requests: int | None = Field(
        None, description="estimate of all that the canary has served up to `end`; absent while none were counted"
    )
    request_rate: float | None = Field(None, description="requests a second of both arms, that the estimate rests on")
    log_eprocess: float = Field(description="combined, natural logarithm; abort from ln(1 / false_abort_rate) on")
    metrics: tuple[MetricVerdict, ...]
    regressed: tuple[str, ...] = Field((), description="metrics and limits that an abort rests on, largest first")
    quality: DataQuality = DataQuality()
    calibrated: bool = Field(False, description="every metric's noise was measured on history, none assumed")
    traffic: Traffic | None = Field(None, description="whether requests were split as the weight says")
    findings: tuple[Finding, ...] = Field((), description="of other checks: descriptions, and reasons of holds")
    described: bool = Field(
        True, description="descriptions are among the findings, as in every tenth evaluation at least"
    )
    score: float | None = Field(None, description="of a judge that scores, such as scorecard or kayenta")
    plan: str = Field(description="digest of the AnalysisPlan")
    judge: str = Field(description="name of the rule")

    def served_until(self, at: Millis) -> int | None:
        """About how many requests the canary has served by then, at the weight of this verdict since its end."""
        if self.served_requests is None or self.request_rate is None:
            return None
        since = max(0, at - self.end) / 1000
        return self.served_requests + round(self.request_rate * self.weight / 100 * since)

    def requests_until(self, at: Millis) -> str:
        """Such as: 392 requests evaluated of about 17,600 served."""
        served = self.served_until(at)
        if served is None:
            return f"{self.evaluated_requests:,} requests evaluated, number served unknown"
        about = round(served, 3 - len(str(served)))
        return f"{self.evaluated_requests:,} requests evaluated of about {max(about, self.evaluated_requests):,} served"

    def event_id(self) -> str:
        return f"{self.run.id}:{self.end}"

    def flat(self) -> dict[str, str]:
        return super().flat() | {"end": str(self.end), "verdict": self.verdict, "reason": self.reason}


Action = Literal["advance", "promote", "abort", "hold", "await_approval", "retry", "override", "recorded", "refused"]
"""recorded: what a person asked for was written down, and nothing followed from it yet."""
Verb = Literal["approve", "advance", "abort", "hold", "resume", "retry", "override"]
State = Literal["intended", "waiting", "confirmed", "failed"]


class DecisionTaken(Event):
    """What the controller did, or in a weaker mode would have done, and what caused it.

    `intended`: the mode does not act, this is what would have happened. `waiting`: under way; `detail` says what keeps
    it, and the same decision follows as confirmed or failed. `confirmed`: acted and read back. `failed`: tried and not
    done; `detail` says why.
    """

    TYPE = "dev.serinus.decision.taken.v1"
    STREAM = "decisions"
    step: int = Field(description="index of the Rollout's step")
    action: Action = Field(description="what was decided")
    cause: str = Field(description="id of the verdict or command, or the name of a rule such as no-verdict")
    actor: Text = Field("serinus", description="who: serinus, or the person whose command it was")
    asked: Verb | None = Field(None, description="what a person asked for, if this answers a command")
    reason: Text = Field("", description="of the command, in the person's words")
    detail: Text = Field(description="for people: what came of it, or why it was decided")
    mode: Mode = Field(description="of the policy")
    state: State = Field(description="whether it was done")
    patch: tuple[dict[str, JsonValue], ...] = Field((), description="JSON patch that was sent, or would have been")
    before: Outline = Field({}, description="the Rollout before: version, phase, step, weight")
    after: Outline = Field({}, description="the same, as it was read back")
    decided: Millis = Field(description="when")

    @property
    def request(self) -> str:
        """Such as: abort by alice (customers complain). Empty if nobody asked."""
        return requested(self.asked, self.actor, self.reason) if self.asked else ""

    @property
    def sentence(self) -> str:
        """Who asked for what and why, and what came of it."""
        return f"{self.request}: {self.detail}" if self.request else self.detail

    def event_id(self) -> str:
        kept = f":waiting:{self.decided}" if self.state == "waiting" else ""
        return f"{self.run.id}:{self.step}:{self.action}:{self.cause}{kept}"

    def flat(self) -> dict[str, str]:
        return super().flat() | {"action": self.action, "state": self.state}


def requested(verb: Verb, actor: str, reason: str) -> str:
    """What a person asked for, in a few words."""
    return f"{verb} by {actor}" + (f" ({reason})" if reason else "")


class CommandIssued(Event):
    """What a person asked for. It names its run and step and expires, so that it cannot act on another release."""

    TYPE = "dev.serinus.command.issued.v1"
    STREAM = "commands"
    id: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="ULID, drawn once by the sender")
    verb: Verb = Field(description="what is asked for")
    step: int = Field(description="that the sender saw: approve and advance are refused at another")
    expires: Millis = Field(description="after this it is refused")
    actor: Text = Field(description="who asks")
    verified: bool = Field(False, description="the actor was authenticated by the console")
    groups: tuple[str, ...] = Field((), description="of the actor, where they were authenticated")
    reason: Text = Field("", description="in the person's words")
    change: dict[str, JsonValue] = Field({}, description="override: JSON merge patch of the policy's spec")
    force: bool = Field(False, description="advance: also before anything was evaluated at the present weight")

    def event_id(self) -> str:
        return self.id

    def flat(self) -> dict[str, str]:
        return super().flat() | {"verb": self.verb}
