"""`CanaryPolicy`: what a team writes, as a file or as a custom resource of the same shape.

Unknown keys, unknown metrics and impossible margins are errors here; what needs the Rollout beside it (its steps,
timed pauses) is checked where a policy is resolved into a plan.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, model_validator
from pydantic_core import PydanticCustomError

from serinus_contracts.base import Document, Seconds
from serinus_contracts.expression import ExpressionText
from serinus_contracts.freeze import FreezeRule
from serinus_contracts.selector import SelectorText

Mode = Literal["shadow", "guard", "enforce"]
Better = Literal["lower", "higher"]
Gate = Literal["quiet", "proof"]
Weight = Annotated[int, Field(ge=0, le=100, description="share of traffic in percent")]
Share = Annotated[float, Field(gt=0, lt=1)]

QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)


class Match(Document):
    """Which Rollouts a policy is for: one by name, those that carry the labels, or all of a namespace.

    Where several policies match, the closest wins: by name before by labels before by namespace.
    """

    namespace: str | None = Field(None, description="namespace of the Rollouts; absent: any")
    name: str | None = Field(None, description="name of one Rollout")
    labels: dict[str, str] = Field({}, description="labels that a Rollout carries, all of them")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.namespace is None and not self.labels:
            raise ValueError("match needs a namespace, a name or labels, else the policy would take every Rollout")
        return self


class Budget(Document):
    """Error probabilities per run: aborting a canary that meets its margins, promoting one that does not."""

    false_abort: float = Field(0.01, gt=0, le=0.5, description="share of healthy releases that may be aborted")
    false_proceed: float = Field(0.05, gt=0, le=0.5, description="share of bad ones that may pass a proof stage")


class StageRule(Document):
    """What differs for the stage of one weight. Times are counted from the start of the stage."""

    weight: Weight
    minimum: Seconds | None = Field(None, description="no verdict opens a gate before; absent: the policy's")
    maximum: Seconds | None = Field(None, description="then on_time_spent applies; absent: the policy's")
    gate: Gate | None = Field(None, description="quiet: minimum passed and no evidence; proof: shown not worse")
    approval: Literal["none", "required"] = Field(
        "none", description="required: at the last gate a person is asked too"
    )

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError("minimum must be shorter than maximum, else no time is left to judge")
        return self


SourcePreset = Literal[
    "pod-name",
    "pod-hash",
    "service-label",
    "opentelemetry",
    "istio",
    "linkerd",
    "ingress-nginx",
    "traefik",
    "envoy",
    "contour",
    "haproxy",
]
_BY_SERVICE = ("service-label", "traefik", "envoy", "contour", "haproxy")


class SourceRule(Document):
    """Where counts come from, what things are called there, and what tells the arms apart.

    By pod: `pod-name` needs no set-up (pod names hold the hash); `pod-hash` wants the pod label as a metric label;
    `opentelemetry`, `istio` and `linkerd` are as pod-name under their own names. By service: the others take
    `canary` and `stable`, `istio` may. `ingress-nginx` takes the stable Ingress.
    """

    provider: str = Field("main", description="name of a provider of the collector")
    preset: SourcePreset = Field("pod-name", description="names and labels, as docs/sources.md lists them")
    label: str | None = Field(None, description="label that holds the pod's name, hash or service")
    canary: str | None = Field(None, description="the canary's service, where services tell the arms apart")
    stable: str | None = Field(None, description="stable's service, where services tell the arms apart")
    ingress: str | None = Field(None, description="ingress-nginx: the stable Ingress")
    namespace_label: str | None = Field(None, description="label of the namespace; empty where there is none")

    @model_validator(mode="after")
    def _tells_arms_apart(self) -> Self:
        named = [self.canary is not None, self.stable is not None]
        if self.preset in _BY_SERVICE and not all(named):
            raise ValueError(f"preset {self.preset} tells the arms apart by their services: give canary and stable")
        if self.preset not in (*_BY_SERVICE, "istio") and any(named):
            raise ValueError(f"preset {self.preset} tells the arms apart without canary and stable: leave them out")
        if any(named) and not (self.canary and self.stable):
            raise ValueError("canary and stable belong together: give both")
        if self.canary is not None and self.canary == self.stable:
            raise ValueError("canary and stable have the same service: the arms could not be told apart")
        if (self.preset == "ingress-nginx") != bool(self.ingress):
            raise ValueError("ingress is given with preset ingress-nginx, and only there")
        if self.preset == "ingress-nginx" and self.label is not None:
            raise ValueError("preset ingress-nginx tells the arms apart by its label canary: leave label out")
        return self


class Margin(Document):
    """How much worse a canary may be: rate <= ratio * stable + absolute (>= where higher is better)."""

    ratio: float = Field(1.0, ge=0, description="times stable's rate")
    absolute: float = Field(0.0, ge=0, lt=1, description="share of trials on top")


class SequentialRule(Document):
    """The default: e-processes on counts, right at every look."""

    name: Literal["sequential"] = "sequential"


class ScorecardRule(Document):
    """Confidence 100 minus penalties; proceeds only without an issue and from `base - per_weight * weight` on."""

    name: Literal["scorecard"]
    base: float = 70.0
    per_weight: float = 0.5
    success_below: Share = 0.95
    success_penalty: float = 30.0
    success_ratio_below: float = 0.98
    success_ratio_penalty: float = 25.0
    latency_ratio_above: float = 1.5
    latency_penalty: float = 20.0
    conversion_ratio_below: float = 0.95
    conversion_penalty: float = 25.0
    trend_penalty: float = 15.0
    memory_above: Share = 0.85
    memory_penalty: float = 10.0
    abort_success_below: Share = 0.9
    abort_latency_above: Seconds = 5.0
    abort_memory_above: Share = 0.95


class RecommendationRule(Document):
    """Tests, anomalies and comparisons; critical issues roll back, too little confidence holds."""

    name: Literal["recommendation"]
    significance: Share = 0.05
    minimum_samples: int = Field(100, ge=1)
    hold_below: float = 70.0
    test_penalty: float = 30.0
    anomaly_penalty: float = 25.0
    critical_penalty: float = 20.0
    warning_penalty: float = 10.0
    success_minimum: Share = 0.95
    p95_maximum: Seconds = 2.0
    p99_maximum: Seconds = 5.0
    memory_maximum: Share = 0.85
    cpu_maximum: Share = 0.8
    success_ratio_critical: float = 0.95
    success_ratio_warning: float = 0.98
    latency_ratio_critical: float = 2.0
    latency_ratio_warning: float = 1.5
    latency_ratio_rollback: float = 1.5
    conversion_ratio_critical: float = 0.9
    conversion_ratio_warning: float = 0.95


class ThresholdRule(Document):
    """Argo Rollouts' analysis rules on metrics of kind `query`."""

    name: Literal["threshold"]


class KayentaRule(Document):
    """Kayenta's classifier and score, on rates of looks."""

    name: Literal["kayenta"]
    pass_score: float = Field(95.0, ge=0, le=100, description="proceeds from here on")
    marginal_score: float = Field(75.0, ge=0, le=100, description="holds from here on, aborts below")
    tolerance: float = Field(0.25, ge=0, description="an interval beyond this share of the estimated shift fails")
    confidence: Share = Field(0.98, description="of the Mann-Whitney interval")
    outliers: Literal["keep", "remove"] = Field("keep", description="looks far from the others, of both arms")


JudgeRule = Annotated[
    SequentialRule | ScorecardRule | RecommendationRule | ThresholdRule | KayentaRule, Field(discriminator="name")
]

MetricPreset = Literal["http-errors", "http-latency", "container-memory", "container-cpu"]


class Conditions(Document):
    """When a value is good or bad, and how often it may be: the fields of Argo's AnalysisTemplate metric.

    An expression sees the query's values as `result`. `failure` wins over `success`; where only one is given the
    other is its negation; where neither holds a measurement is inconclusive.
    """

    success: ExpressionText | None = Field(None, description="true: the measurement is good")
    failure: ExpressionText | None = Field(None, description="true: it is bad")
    over: Literal["stage", "run"] = Field(
        "stage", description="stage: measured anew in each, which waits for it; run: through all, nothing waits for it"
    )
    weights: tuple[Weight, ...] | None = Field(None, description="measured at these weights only")
    interval: Seconds | None = Field(None, description="between two measurements; absent: one only")
    initial_delay: Seconds = Field(0.0, description="before the first measurement")
    count: int | None = Field(None, ge=1, description="measurements in all")
    failure_limit: int = Field(0, ge=-1, description="-1: any number, where consecutive_success_limit decides")
    inconclusive_limit: int = Field(0, ge=0, description="one more is Inconclusive")
    consecutive_error_limit: int = Field(4, ge=0, description="one more in a row is Error")
    consecutive_success_limit: int | None = Field(None, ge=1, description="so many in a row are Successful")
    dry_run: bool = Field(False, description="measured and told, decides nothing")

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        successes = self.consecutive_success_limit or 0
        if self.interval == 0:
            raise ValueError("interval must be longer than 0s, or absent for one measurement")
        if self.failure_limit < 0 and not successes:
            raise ValueError("failure_limit -1 needs consecutive_success_limit, else nothing could fail")
        if self.interval is None and (self.count or 1) > 1:
            raise ValueError("a count above 1 needs an interval")
        if self.over == "stage" and self.interval is not None and not self.count and not successes:
            raise ValueError("it would never end: give count or consecutive_success_limit, or over: run")
        if self.count is not None and self.count < max(max(self.failure_limit, 0) + successes, self.inconclusive_limit):
            raise ValueError(f"count {self.count} is too small for its limits: they could never be reached")
        return self


class MetricRule(Document):
    """One metric: a preset, or a source of one's own: `events` of `trials`, a `histogram`, a `gauge`, a `query`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="by which verdicts and limits call it")
    source: SourceRule | None = Field(None, description="where this metric comes from, if not from the policy's source")
    preset: MetricPreset | None = Field(None, description="what it is; the source's preset says how it is called")
    metric: str | None = Field(None, description="the preset's metric name, where it differs")
    events: SelectorText | None = Field(None, description="counter of what is judged, such as failed requests")
    trials: SelectorText | None = Field(None, description="counter of what they are a share of, such as requests")
    histogram: SelectorText | None = Field(None, description="classic histogram: its _bucket series")
    gauge: SelectorText | None = Field(None, description="a value per pod, such as bytes of memory")
    of: SelectorText | None = Field(None, description="what the gauge is divided by, such as its limit")
    query: str | None = Field(
        None, description="PromQL whose values are compared by conditions; arms are its own affair"
    )
    conditions: Conditions | None = Field(
        None, description="when a query's values are good or bad, for judge threshold"
    )
    unit: Literal["s", "ms"] = Field("s", description="unit of the histogram's edges")
    better: Better = Field("lower", description="lower: events are bad; higher: they are good, such as conversions")
    margin: Margin | None = Field(
        None, description="absent: 1.25 and 0.001; of latency 1.2; where higher is better 0.95"
    )
    critical: bool = Field(False, description="a gate of kind proof wants it shown; where none is critical, all")
    weight: PositiveFloat = Field(1.0, description="share of the false-abort budget, relative to the others")
    count: Literal["share", "rate"] = Field("share", description="rate: more events than trials are possible")
    lag: Seconds = Field(0.0, description="how long an event may follow its trial")
    may_abort: bool = Field(False, description="a gauge whose growth may abort; by default it holds")

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        counted = self.events is not None and self.trials is not None
        if (self.events is None) != (self.trials is None):
            raise ValueError("events and trials belong together: give both")
        sources = (self.preset, self.histogram, self.gauge, self.query)
        if [*(source is not None for source in sources), counted].count(True) != 1:
            raise ValueError("a metric needs exactly one of: preset, events with trials, histogram, gauge, query")
        if counted and not all(one is not None and one.name for one in (self.events, self.trials)):
            raise ValueError("events and trials each need a metric name")
        if self.metric is not None and self.preset is None:
            raise ValueError("metric renames what a preset reads: give preset too, or use events and trials")
        if self.of is not None and self.gauge is None:
            raise ValueError("of is what a gauge is divided by: give gauge too")
        if (self.conditions is not None) != (self.query is not None):
            raise ValueError("conditions belong to a query: give both")
        if self.margin is not None:
            self._check(self.margin)
        return self

    def _check(self, margin: Margin) -> None:
        if self.kind in ("gauge", "scalar"):
            raise ValueError(
                f"a {self.kind} has no margin: {'a limit bounds it' if self.kind == 'gauge' else 'conditions do'}"
            )
        if self.kind == "distribution" and (margin.absolute or margin.ratio < 1):
            raise ValueError("a latency margin is a ratio of at least 1, without absolute")
        if self.better == "higher" and (margin.absolute or not 0 < margin.ratio <= 1):
            raise ValueError("where higher is better the margin is a ratio above 0 and at most 1, without absolute")
        if self.better == "lower" and margin.ratio < 1 and not margin.absolute:
            raise ValueError("a ratio below 1 asks the canary to be better than stable: write at least 1")

    @property
    def kind(self) -> Literal["proportion", "distribution", "gauge", "scalar"]:
        if self.query is not None:
            return "scalar"
        if self.gauge is not None or self.preset in ("container-memory", "container-cpu"):
            return "gauge"
        return "distribution" if self.histogram is not None or self.preset == "http-latency" else "proportion"


class LimitRule(Document):
    """An absolute bound, for what nobody would wait for.

    On counts it is tested like a margin, not by one noisy look; on a gauge it is a fact about a pod: two looks in a
    row beyond it on the same pod.
    """

    metric: str = Field(description="name of a metric")
    above: Seconds | None = Field(None, description="a share, or with quantile a duration")
    below: Share | None = Field(None, description="a share, where higher is better")
    quantile: Share | None = Field(None, description="of a latency, such as 0.95")
    weight: PositiveFloat = Field(0.1, description="share of the false-abort budget, relative to the metrics")

    @model_validator(mode="after")
    def _is_one_bound(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("a limit has exactly one of above and below")
        if self.quantile is None and self.above is not None and not 0 < self.above < 1:
            raise ValueError("above is a share between 0 and 1 (a duration needs quantile beside it)")
        return self


class PolicySpec(Document):
    match: Match = Field(description="which Rollouts")
    mode: Mode = Field("shadow", description="shadow: only tells; guard: may abort; enforce: also advances")
    interval: Seconds = Field(30.0, gt=0, description="between two looks")
    settle: Seconds = Field(30.0, description="left out after a change of weight, at least two scrapes")
    warmup: Seconds = Field(60.0, description="a younger pod is left out of gauges and latency")
    budget: Budget = Field(Budget(), description="how often it may be wrong, per run")
    minimum: Seconds = Field(300.0, description="for stages that do not say")
    maximum: Seconds = Field(3600.0, description="for stages that do not say")
    stages: tuple[StageRule, ...] = Field((), description="by weight, where a stage differs")
    on_time_spent: Literal["hold", "abort", "proceed"] = Field(
        "hold", description="at a stage's maximum without a decision"
    )
    on_no_data: Literal["hold", "abort"] = Field("hold", description="after three looks in a row without counts")
    source: SourceRule = Field(SourceRule(), description="where counts come from")
    judge: JudgeRule = Field(SequentialRule(), description="the rule by which verdicts are reached")
    metrics: tuple[MetricRule, ...] = Field(min_length=1, description="what is judged")
    limits: tuple[LimitRule, ...] = Field((), description="absolute bounds on them")
    freeze: tuple[FreezeRule, ...] = Field((), description="when no verdict advances a run")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.minimum >= self.maximum:
            raise ValueError("minimum must be shorter than maximum, else no time is left to judge")
        for what, names in (
            ("metric", [metric.name for metric in self.metrics]),
            ("weight", [str(stage.weight) for stage in self.stages]),
        ):
            twice = {name for name in names if names.count(name) > 1}
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
        if "provider" in source.model_fields_set and source.provider != self.source.provider:
            raise PydanticCustomError(
                "unfit",
                "all metrics of a policy come from one provider: leave provider out here",
                {"at": ("metrics", index, "source", "provider")},
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
        for metric in self.metrics:
            asked = metric.conditions.interval if metric.conditions else None
            if asked is not None and asked < self.interval:
                raise ValueError(
                    f"metric {metric.name} is to be measured every {asked:g} s, but a look is taken every "
                    f"{self.interval:g} s: set spec.interval to {asked:g}s"
                )
        if kinds == {"gauge"}:
            raise ValueError("gauges alone judge no release: give a metric of counts too")


class Metadata(Document):
    name: str
    namespace: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class CanaryPolicy(Document):
    """How the canaries of the matched Rollouts are judged, and what Serinus may do about it."""

    apiVersion: Literal["serinus.dev/v1"]  # noqa: N815 - Kubernetes' spelling
    kind: Literal["CanaryPolicy"]
    metadata: Metadata
    spec: PolicySpec
