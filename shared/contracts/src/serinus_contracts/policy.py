"""`CanaryPolicy`: what a team writes, as a file or as a custom resource of the same shape.

Unknown keys, unknown metrics and impossible margins are errors here; what needs the Rollout beside it (its steps,
timed pauses) is checked where a policy is resolved into a plan.
"""

import json
import re
from collections import Counter
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from serinus_contracts.base import PolicyDocument, Seconds
from serinus_contracts.freeze import FreezeRule
from serinus_contracts.judge import JudgeRule, SequentialRule
from serinus_contracts.metric import IN_MILLISECONDS, LimitRule, MetricRule, SourceRule
from serinus_contracts.period_stores import STORES
from serinus_contracts.stored_metrics import check_stored
from serinus_contracts.weight import Weight, weight_text

# Below it a tenant's run would take up collectors and its provider without being judged any sooner.
MIN_INTERVAL_SECONDS = 0.5
# Reading a policy takes milliseconds so, and no plan made of it fills Redis, which holds one for each run.
MAX_POLICY_BYTES = 64 * 1024
MAX_EXPRESSIONS = 100
# Each keeps some 8 KiB of evidence in Redis, and its names in every snapshot.
MAX_SEGMENTED = 4

_MILLISECONDS = re.compile(r"(^|_)(milliseconds|millis|msec|ms)(_|$)")

Mode = Literal["shadow", "guard", "enforce"]
Gate = Literal["noRegression", "nonInferiority"]


class Match(PolicyDocument):
    """Which Rollouts a policy is for: one by name, those that carry the labels, or all of a namespace.

    Where several policies match, the closest wins: by name before by labels before by namespace.
    """

    namespace: str | None = Field(None, max_length=253, description="namespace of the Rollouts; absent: any")
    name: str | None = Field(None, max_length=253, description="name of one Rollout")
    labels: dict[str, str] = Field({}, max_length=50, description="labels that a Rollout carries, all of them")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.namespace is None and not self.labels:
            raise ValueError("match needs a namespace, a name or labels, else the policy would take every Rollout")
        return self


class StageRule(PolicyDocument):
    """What differs for the stage of one weight. Times are counted from the start of the stage."""

    weight: Weight
    minimum: Seconds | None = Field(None, description="no verdict opens a gate before; absent: the policy's")
    maximum: Seconds | None = Field(None, description="then onTimeSpent applies; absent: the policy's")
    gate: Gate | None = Field(
        None,
        description="noRegression: the minimum is over, no regression; nonInferiority: shown no worse than allowed",
    )
    approval: Literal["none", "required"] = Field(
        "none", description="required: at the last gate a person is asked too"
    )

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError("minimum must be shorter than maximum, else no time is left to judge")
        return self


class PolicySpec(PolicyDocument):
    """What is judged, by which rule, and what may follow from it."""

    match: Match = Field(description="which Rollouts")
    mode: Mode = Field("shadow", description="shadow: dry run; guard: may abort; enforce: also promotes")
    interval: Seconds = Field(30.0, ge=MIN_INTERVAL_SECONDS, description="between two snapshots")
    settle: Seconds = Field(30.0, description="left out after a change of weight, at least two scrapes")
    warmup: Seconds = Field(60.0, description="a younger pod is left out of gauges, latency and counts")
    false_abort_rate: float = Field(
        0.01, gt=0, le=0.5, description="probability that a release within its margins is aborted, over its whole run"
    )
    false_promote_rate: float = Field(
        0.05, gt=0, le=0.5, description="probability that a release beyond a margin passes a nonInferiority gate"
    )
    minimum: Seconds = Field(300.0, description="for stages that do not say")
    maximum: Seconds = Field(3600.0, description="for stages that do not say")
    stages: tuple[StageRule, ...] = Field((), max_length=100, description="by weight, where a stage differs")
    on_time_spent: Literal["hold", "abort", "proceed"] = Field(
        "hold", description="at a stage's maximum without a decision"
    )
    on_no_data: Literal["hold", "abort"] = Field("hold", description="after three snapshots in a row without counts")
    source: SourceRule = Field(SourceRule(), description="where counts come from")
    judge: JudgeRule = Field(SequentialRule(), description="the rule by which verdicts are reached")
    metrics: tuple[MetricRule, ...] = Field(min_length=1, max_length=50, description="what is judged")
    limits: tuple[LimitRule, ...] = Field((), max_length=50, description="absolute bounds on them")
    freeze: tuple[FreezeRule, ...] = Field((), max_length=50, description="when no verdict advances a run")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError("minimum must be shorter than maximum, else no time is left to judge")
        for what, names in (
            ("metric", [metric.name for metric in self.metrics]),
            ("weight", [weight_text(stage.weight) for stage in self.stages]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"{what} given twice: {', '.join(sorted(twice))}")
        for index, stage in enumerate(self.stages):
            self._check_length(stage, index)
        for index, metric in enumerate(self.metrics):
            self._check_source(metric, index)
        metrics = {metric.name: metric for metric in self.metrics}
        for limit in self.limits:
            if limit.metric not in metrics:
                raise ValueError(f"limit on an unknown metric {limit.metric!r}; known: {', '.join(metrics)}")
            self._check_limit(limit, metrics[limit.metric].kind)
        self._check_judge({metric.kind for metric in self.metrics})
        return self

    def _check_length(self, stage: StageRule, index: int) -> None:
        """Where a stage says only one of the two, the other is the policy's."""
        minimum = self.minimum if stage.minimum is None else stage.minimum
        maximum = self.maximum if stage.maximum is None else stage.maximum
        if minimum >= maximum:
            said, missing = ("minimum", "maximum") if stage.maximum is None else ("maximum", "minimum")
            raise PydanticCustomError(
                "unfit",
                f"no time is left to judge: minimum {minimum:g} s is not shorter than maximum {maximum:g} s; "
                f"give this stage a {missing} of its own",
                {"at": ("stages", index, said)},
            )

    def _check_source(self, metric: MetricRule, index: int) -> None:
        source = metric.source or self.source
        if metric.preset == "http-latency" and source.preset == "haproxy":
            raise PydanticCustomError(
                "unfit",
                "HAProxy knows averages only, no latencies of requests: leave the metric out, or give it "
                "a source of its own such as {preset: pod-name}",
                {"at": ("metrics", index, "preset")},
            )
        self._check_unit(metric, source, index)
        if STORES.get(source.preset) != STORES.get(self.source.preset):
            raise PydanticCustomError(
                "unfit",
                f"all metrics of a policy come from one provider: preset {source.preset} does not go with the policy's "
                f"{self.source.preset}",
                {"at": ("metrics", index, "source", "preset")},
            )
        check_stored(metric, source, index)
        if "provider" in source.model_fields_set and source.provider != self.source.provider:
            raise PydanticCustomError(
                "unfit",
                "all metrics of a policy come from one provider: leave provider out here",
                {"at": ("metrics", index, "source", "provider")},
            )

    @staticmethod
    def _check_unit(metric: MetricRule, source: SourceRule, index: int) -> None:
        """A name in milliseconds would be read as seconds, and each limit and margin of it be a thousandth."""
        named = metric.histogram.name if metric.histogram else metric.metric
        if metric.kind != "distribution" or "unit" in metric.model_fields_set or source.preset in IN_MILLISECONDS:
            return
        if named and _MILLISECONDS.search(named):
            raise PydanticCustomError(
                "unfit",
                f"{named} says milliseconds, and edges are read as seconds: write unit: ms (or unit: s, where they are "
                "seconds whatever the name says)",
                {"at": ("metrics", index, "metric" if metric.metric else "histogram")},
            )

    @staticmethod
    def _check_limit(limit: LimitRule, kind: str) -> None:
        if kind == "scalar":
            raise ValueError(f"limit on {limit.metric!r}: a query is bounded by its conditions")
        if (kind == "distribution") != (limit.quantile is not None):
            needs = "needs" if kind == "distribution" else "has no"
            raise ValueError(f"limit on {limit.metric!r}: this metric {needs} quantile")

    def _check_judge(self, kinds: set[str]) -> None:
        if self.judge.name == "threshold" and kinds != {"scalar"}:
            raise ValueError("judge threshold compares queries with conditions: give every metric query and conditions")
        if self.judge.name != "threshold" and "scalar" in kinds:
            raise ValueError(f"judge {self.judge.name} counts: a query with conditions needs judge threshold")
        segmented = [metric.name for metric in self.metrics if metric.segment is not None]
        if segmented and self.judge.name != "sequential":
            raise ValueError(f"judge {self.judge.name} knows no segments: leave segment out of {', '.join(segmented)}")
        if len(segmented) > MAX_SEGMENTED:
            raise ValueError(f"at most {MAX_SEGMENTED} metrics have a segment, here {', '.join(segmented)}")
        for metric in self.metrics:
            asked = metric.conditions.interval if metric.conditions else None
            if asked is not None and asked < self.interval:
                raise ValueError(
                    f"metric {metric.name} is to be measured every {asked:g} s, but snapshots are taken every "
                    f"{self.interval:g} s: set spec.interval to {asked:g}s"
                )
        if kinds == {"gauge"}:
            raise ValueError("gauges alone judge no release: give a metric of counts too")


class Metadata(PolicyDocument):
    """Name of a policy; one without a namespace is for Rollouts of all."""

    name: str
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class CanaryPolicy(PolicyDocument):
    """How the canaries of the matched Rollouts are judged, and what Serinus may do about it."""

    api_version: Literal["serinus.dev/v1alpha1"]
    kind: Literal["CanaryPolicy"]
    metadata: Metadata
    spec: PolicySpec

    @model_validator(mode="before")
    @classmethod
    def _is_of_bearable_size(cls, value: Any) -> Any:
        text = json.dumps(value.get("spec"), default=str) if isinstance(value, dict) else ""
        if len(text) > MAX_POLICY_BYTES:
            raise ValueError(f"spec is at most {MAX_POLICY_BYTES >> 10} KiB, this one {len(text) / 1024:,.0f}")
        expressions = sum(map(text.count, ("=~", "!~")))
        if expressions > MAX_EXPRESSIONS:
            raise ValueError(f"a policy has at most {MAX_EXPRESSIONS} regular expressions, this one {expressions}")
        return value
