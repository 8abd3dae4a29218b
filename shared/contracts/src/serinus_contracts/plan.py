"""`AnalysisPlan`: a policy resolved against one run. Immutable, named by the digest of its canonical JSON.

It is stored at its digest and every event names the digest, so services cannot disagree about the rules, and a
verdict can be replayed.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from serinus_contracts.base import Arm, Contract, Seconds
from serinus_contracts.freeze import FreezeRule
from serinus_contracts.judge import JudgeRule
from serinus_contracts.metric import Better, Conditions, Margin
from serinus_contracts.period_stores import Api
from serinus_contracts.policy import Gate, Mode
from serinus_contracts.regex import full_match
from serinus_contracts.selector import Labels, Matcher, Selector
from serinus_contracts.weight import Weight

AnyOf = tuple[tuple[Matcher, ...], ...]


def any_of(groups: AnyOf, labels: Labels) -> bool:
    """Whether one of the groups matches wholly."""
    # Asked twice of every series of every snapshot: generators cost three times the loops.
    for group in groups:
        for matcher in group:
            if not matcher.matches(labels):
                break
        else:
            return True
    return False


def query_digest(query: Selector | str) -> str:
    """How an event names a query, whose text stands in the plan alone."""
    return hashlib.sha256(str(query).encode()).hexdigest()[:16]


class ArmRule(Contract):
    """Tells an arm by one label of a series: both values are anchored regular expressions.

    `stable` empty: stable is what does not carry the label.
    """

    label: str
    canary: str
    stable: str

    def arm(self, labels: Labels) -> Arm | None:
        """The arm of a series with these labels, None for neither; canary where both match."""
        return _arm(self.canary, self.stable, labels.get(self.label, ""))


@lru_cache(maxsize=16_384)
def _arm(canary: str, stable: str, value: str) -> Arm | None:
    """Kept, since all series of a pod ask the same."""
    if full_match(canary, value):
        return "canary"
    return "stable" if full_match(stable, value) else None


PastSelector = Annotated[
    Selector | None, Field(description="what is read of the past: pods of every revision but the canary's")
]


class Counted(Contract):
    """What is read for a metric of counts: one query for both arms, sorted into events and trials in code."""

    kind: Literal["proportion"] = "proportion"
    query: Selector
    events: AnyOf
    trials: AnyOf
    one_of_labels: tuple[str, ...] = Field(
        (), description="a trial without any of these labels cannot be told good from bad: an error, not a pass"
    )
    history: PastSelector = None
    blind: str = Field(
        "",
        description="why failures of this service cannot be told by it: each snapshot says so instead of counts",
        exclude_if=lambda value: not value,
    )


class Bucketed(Contract):
    """What is read for a distribution: a classic histogram; `scale` turns its edges into seconds."""

    kind: Literal["distribution"] = "distribution"
    query: Selector
    scale: float = 1.0
    history: PastSelector = None


class Gauged(Contract):
    """What is read for a gauge: per pod the sum of `value`'s series, divided by `over`, that divided by `per`.

    `rate`: the value is a counter, and its increase a second over the window is meant.
    """

    kind: Literal["gauge"] = "gauge"
    query: Selector
    value: tuple[Matcher, ...]
    over: tuple[Matcher, ...] | None = None
    per: tuple[Matcher, ...] | None = None
    rate: bool = False


class Queried(Contract):
    """A query of its own, whose values are compared by conditions."""

    kind: Literal["scalar"] = "scalar"
    query: str
    conditions: Conditions


class PlanMetric(Contract):
    """A metric with all that a policy leaves to defaults and presets filled in."""

    name: str
    source: Annotated[Counted | Bucketed | Gauged | Queried, Field(discriminator="kind")]
    better: Better = "lower"
    margin: Margin
    arms: tuple[ArmRule, ...] = Field((), description="what tells its arms apart, where the plan's rules do not")
    critical: bool = False
    weight: float = 1.0
    count: Literal["share", "rate"] = "share"
    lag: Seconds = 0.0
    excluding: bool = Field(
        False, description="requests that come beside the weight are not counted", exclude_if=lambda value: not value
    )
    may_abort: bool = False
    segment: str | None = Field(
        None, description="label whose values are judged apart", exclude_if=lambda value: value is None
    )


class PlanLimit(Contract):
    """A bound on a share: `share` of the trials, with `edge` (seconds) of what is slower than the edge; on a gauge
    it is the bound of its value."""

    name: str
    metric: str
    better: Better = "lower"
    share: Annotated[float, Field(gt=0)]
    edge: Seconds | None = None
    weight: float = 0.1


class PlanStage(Contract):
    """One span between two changes of weight. `gates` are the step indexes of its pauses without end."""

    weight: Weight
    first_step: int
    gates: tuple[int, ...]
    minimum: Seconds
    maximum: Seconds
    gate: Gate
    approval: bool = False


class AnalysisPlan(Contract):
    """All that collector and analyzer need to know about a run; seconds, shares and selectors are final."""

    policy: str
    namespace: str = Field("", description="of the policy; empty if it is of none", exclude_if=lambda value: not value)
    source: str = Field(
        "", description="where the policy was read: a file's name, or CanaryPolicy", exclude_if=lambda value: not value
    )
    override: str = Field(
        "", description="id of the command that changed the policy for this run", exclude_if=lambda value: not value
    )
    mode: Mode
    judge: JudgeRule
    false_abort_rate: float
    false_promote_rate: float
    interval: Seconds
    settle: Seconds
    warmup: Seconds = 60.0
    provider: str
    api: Api = Field(
        "prometheus", description="what the provider has to speak", exclude_if=lambda value: value == "prometheus"
    )
    arms: tuple[ArmRule, ...]
    stages: tuple[PlanStage, ...]
    metrics: tuple[PlanMetric, ...]
    limits: tuple[PlanLimit, ...] = ()
    on_time_spent: Literal["hold", "abort", "proceed"] = "hold"
    on_no_data: Literal["hold", "abort"] = "hold"
    freeze: tuple[FreezeRule, ...] = ()

    @classmethod
    def stored(cls, document: bytes) -> Self:
        """The plan that was stored as this document, under the digest of these bytes.

        It keeps that name also where this version knows more fields than the one that stored it: a plan by another
        name would begin the evidence of a live run again. Raises ValueError if the document is not a plan.
        """
        plan = cls.model_validate_json(document)
        vars(plan)["canonical"] = document
        return plan

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        """By digest, which names all of it: to compare field by field walks the whole model."""
        return isinstance(other, AnalysisPlan) and self.digest == other.digest

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, which gets a digest of its own."""
        copy = super().model_copy(update=update, deep=deep)
        for name in ("canonical", "digest"):
            vars(copy).pop(name, None)
        return copy

    @cached_property
    def canonical(self) -> bytes:
        """JSON with sorted keys and no blanks, which the digest is made of."""
        document = self.model_dump(mode="json")
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def origin(self) -> str:
        """The policy as people know it, such as shop/checkout or checkout."""
        return f"{self.namespace}/{self.policy}" if self.namespace else self.policy

    def arms_of(self, metric: PlanMetric) -> tuple[ArmRule, ...]:
        """The rules that tell the arms of this metric, in the order in which they are tried."""
        return metric.arms or self.arms

    def arm(self, labels: Labels, metric: PlanMetric | None = None) -> Arm | None:
        """The arm of a series; the first rule whose label the series carries decides, none means neither arm."""
        for rule in self.arms_of(metric) if metric else self.arms:
            if rule.label in labels or not rule.stable:
                return rule.arm(labels)
        return None

    def pod_label(self, metric: PlanMetric) -> str:
        """The label that holds the pod's name."""
        arms = self.arms_of(metric)
        return "pod" if any(rule.label == "pod" for rule in arms) else arms[0].label
