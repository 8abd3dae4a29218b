"""What an analyzer made of one snapshot."""

from typing import Literal

from pydantic import Field

from serinus_contracts.base import Contract, Millis, Text
from serinus_contracts.events.run import Event
from serinus_contracts.events.snapshot import MetricStatus
from serinus_contracts.metric import Better, Margin
from serinus_contracts.weight import Percent
from serinus_contracts.wording import segment

Verdict = Literal["proceed", "abort", "hold"]
Reason = Literal[
    "non_inferior", "no_regression",
    "evidence", "limit",
    "insufficient_evidence", "awaiting_baseline", "settling", "before_minimum", "no_data", "provider_error",
    "time_spent", "sample_ratio_mismatch", "liveness", "anomaly",
    "rule",
]  # fmt: skip


class Counts(Contract):
    """What was counted of one arm."""

    events: int = Field(0, description="of what is judged")
    trials: int = Field(0, description="of what they are a share of")

    @property
    def rate(self) -> float | None:
        """Events per trial; None without trials."""
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
    stable_edge: float | None = Field(None, description="what the margin makes of it: canary_edge over its ratio")
    stable_bucket: tuple[float, float] | None = Field(
        None, description="the histogram's edges around stable_edge; absent where it is one itself"
    )
    stable_part: float | None = Field(
        None, description="which part of that bucket's requests counts as slower, with all behind it"
    )
    quantile: float | None = None
    margin: Margin = Field(description="that is tested")
    log_eprocess: float = 0.0
    log_eprocess_non_inferior: float | None = None
    low: float | None = Field(None, description="least the ratio of canary to margin can be (1 is the margin)")
    high: float | None = Field(None, description="most the ratio of canary to margin can be")
    detail: Text = ""


Label = Literal["ok", "unclear", "warning", "worse", "no_data", "error", "settling"]


class Durations(Contract):
    """A quantile of a latency in this stage, in seconds, interpolated as Prometheus' histogram_quantile does."""

    quantile: float
    canary: float
    stable: float


class SegmentVerdict(Contract):
    """What is known of one value of a metric's segment: a part of its counts, judged apart."""

    name: Text = Field(description="value of the label; empty: series without it")
    others: bool = Field(False, description="all values together that have no place of their own")
    canary: Counts = Field(description="over the whole run")
    stable: Counts
    stage: tuple[Counts, Counts] = Field(description="canary and stable in this stage")
    worse: bool = Field(False, description="shown to be worse than allowed by its own evidence")
    log_eprocess: float = Field(description="evidence that its margin is exceeded, natural logarithm")
    low: float | None = Field(None, description="least the ratio of canary to margin can be (1 is the margin)")
    high: float | None = Field(None, description="most it can be, where higher is better")

    def words(self, label: str) -> str:
        """Such as route /checkout."""
        return segment(label, None if self.others else self.name)


class MetricVerdict(Contract):
    """What is known of one metric or limit, over the whole run and in this stage.

    In a verdict that is not `described`, `run` and `stage` may have the channel alone that tells most, and what says
    "if described" is absent: it is as it was told last in this stage. Numbers have no more digits than are shown.
    """

    name: str = Field(description="of the metric, or such as errors above 0.1")
    label: Label = Field(description="what is known of it, in a word")
    status: MetricStatus = Field(description="of its data in this snapshot")
    better: Better = "lower"
    limit: bool = Field(False, description="an absolute bound, not a comparison with stable")
    critical: bool = Field(False, description="a nonInferiority gate needs it shown; where none is critical, all")
    share: float = Field(description="share of the false-abort rate")
    log_eprocess: float = Field(description="evidence that its margin is exceeded, natural logarithm")
    log_eprocess_non_inferior: float | None = Field(None, description="evidence that its margin is kept, likewise")
    run: tuple[Channel, ...] = Field(description="channels with counts over the whole run, or the one that tells most")
    stage: tuple[Counts, ...] = Field((), description="per channel canary then stable, in this stage")
    durations: tuple[Durations, ...] = Field((), description="of a latency: p50, p95 and p99")
    allowed_slowdown: float | None = Field(None, description="of a latency: its margin, as a ratio of durations")
    visible_slowdown: float | None = Field(
        None,
        description="of a latency: the least slowdown that its buckets show; if described",
    )
    calibrated: bool = Field(False, description="its noise was measured on history, not assumed")
    dispersion: float | None = Field(
        None,
        description="noise: variance over that of independent requests, in this stage (phi); if described",
    )
    correlation: float | None = Field(
        None,
        description="noise: growth of that ratio with the information of a snapshot (kappa); if described",
    )
    left_out: Text = Field("", description="what of stable's history the noise was measured without; if described")
    detectable_rate: float | None = Field(
        None,
        description="rate from which a worse canary is found by the end of the stage, with 80 % probability; "
        "if described",
    )
    detail: Text = ""
    segment: str | None = Field(
        None,
        description="label whose values are judged apart; if described",
        exclude_if=lambda value: value is None,
    )
    segments: tuple[SegmentVerdict, ...] = Field(
        (), description="the worst of them by evidence; if described", exclude_if=lambda value: not value
    )


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
        True,
        description="nothing is left out, as where verdict, reason or stage changed and in every tenth evaluation; "
        "else descriptions are not among the findings, and metrics say only what is told at every evaluation",
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
