"""What a policy measures: metrics, where their counts come from, and how much worse a canary may be."""

from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from serinus_contracts.base import PolicyDocument, Seconds, Share
from serinus_contracts.expression import ExpressionText
from serinus_contracts.period_stores import STORES
from serinus_contracts.selector import LabelName, LabelNameOrNone, MetricName, SelectorText
from serinus_contracts.weight import Weight

Better = Literal["lower", "higher"]

MAX_QUERY_LENGTH = 4096
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
MAX_QUANTILE = 0.999999

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
    "datadog",
    "cloudwatch",
]
# Their histograms have edges in milliseconds, whatever a metric is renamed to.
IN_MILLISECONDS = ("istio", "linkerd", "envoy", "contour")
_BY_SERVICE = ("service-label", "traefik", "envoy", "contour", "haproxy")


class SourceRule(PolicyDocument):
    """Where counts come from: what series are called, and what tells canary from stable.

    By pod: `pod-name` needs no set-up (pod names hold the hash); `pod-hash` wants the pod label as a metric label;
    `opentelemetry`, `istio` and `linkerd` are as pod-name under their own names. By service: the others take
    `canary` and `stable`, `istio` may. `ingress-nginx` takes the stable Ingress. `datadog` and `cloudwatch` are stores
    of sums: `label` is a tag or dimension that holds the pods' hash, or the values `canary` and `stable`.
    """

    provider: str = Field("main", max_length=253, description="name of a provider of the collector")
    preset: SourcePreset = Field("pod-name", description="names and labels, as docs/how-to/sources.md lists them")
    label: LabelName | None = Field(None, description="label that holds the pod's name, hash or service")
    canary: str | None = Field(
        None, max_length=253, description="the canary's service, where services tell the arms apart (or value of label)"
    )
    stable: str | None = Field(
        None, max_length=253, description="stable's service, where services tell the arms apart (or value of label)"
    )
    ingress: str | None = Field(None, max_length=253, description="ingress-nginx: the stable Ingress")
    namespace_label: LabelNameOrNone | None = Field(
        None, description="label of the namespace; empty where there is none"
    )
    exclude: SelectorText | None = Field(
        None, description="series left out: requests that are mirrored, or routed by a header; each matcher leaves out"
    )

    @model_validator(mode="after")
    def _tells_arms_apart(self) -> Self:
        named = [self.canary is not None, self.stable is not None]
        if self.preset in _BY_SERVICE and not all(named):
            raise ValueError(f"preset {self.preset} tells the arms apart by their services: give canary and stable")
        if self.preset not in (*_BY_SERVICE, "istio", *STORES) and any(named):
            raise ValueError(f"preset {self.preset} tells the arms apart without canary and stable: leave them out")
        if any(named) and not (self.canary and self.stable):
            raise ValueError("canary and stable belong together: give both")
        if self.canary is not None and self.canary == self.stable:
            raise ValueError("canary and stable have the same service: the arms could not be told apart")
        if self.preset in STORES and any(named) and self.label is None:
            raise ValueError(f"preset {self.preset}: say by label what holds the values canary and stable")
        if (self.preset == "ingress-nginx") != bool(self.ingress):
            raise ValueError("ingress is given with preset ingress-nginx, and only there")
        if self.preset == "ingress-nginx" and self.label is not None:
            raise ValueError("preset ingress-nginx tells the arms apart by its label canary: leave label out")
        if self.exclude is not None and (self.exclude.name or not self.exclude.matchers):
            raise ValueError('exclude is labels alone, such as {mirrored="true"}')
        return self


class Margin(PolicyDocument):
    """How much worse a canary may be: rate <= ratio * stable + absolute (>= where higher is better)."""

    ratio: float = Field(1.0, ge=0, description="times stable's rate")
    absolute: float = Field(0.0, ge=0, lt=1, description="share of trials on top")


MetricPreset = Literal["http-errors", "http-latency", "container-memory", "container-cpu"]


class Conditions(PolicyDocument):
    """When a value is good or bad, and how often it may be: the fields of Argo's AnalysisTemplate metric.

    An expression sees the query's values as `result`. `failure` wins over `success`; where only one is given the
    other is its negation; where neither holds a measurement is inconclusive.
    """

    success: ExpressionText | None = Field(None, description="true: the measurement is good")
    failure: ExpressionText | None = Field(None, description="true: it is bad")
    over: Literal["stage", "run"] = Field(
        "stage",
        description="stage: measured again in each, which waits for it; run: through all, none waits for it",
    )
    weights: tuple[Weight, ...] | None = Field(None, description="measured at these weights only")
    start_after: Seconds | None = Field(
        None,
        description="when its analysis begins: so long after the stage's weight was set, over: run after the first of "
        "its weights was; absent: when the stage's minimum has passed, over: run at once",
    )
    interval: Seconds | None = Field(None, description="between two measurements; absent: one only")
    initial_delay: Seconds = Field(0.0, description="from the analysis' begin to the first measurement")
    count: int | None = Field(None, ge=1, description="measurements in all")
    failure_limit: int = Field(0, ge=-1, description="-1: any number, where consecutiveSuccessLimit decides")
    inconclusive_limit: int = Field(0, ge=0, description="one more is Inconclusive")
    consecutive_error_limit: int = Field(4, ge=0, description="one more in a row is Error")
    consecutive_success_limit: int | None = Field(None, ge=1, description="so many in a row are Successful")
    dry_run: bool = Field(False, description="measured and reported, decides nothing")

    @model_validator(mode="after")
    def _can_end(self) -> Self:
        successes = self.consecutive_success_limit or 0
        if self.interval == 0:
            raise ValueError("interval must be longer than 0s, or absent for one measurement")
        if self.failure_limit < 0 and not successes:
            raise ValueError("failureLimit -1 needs consecutiveSuccessLimit, else nothing could fail")
        if self.interval is None and (self.count or 1) > 1:
            raise ValueError("a count above 1 needs an interval")
        if self.over == "stage" and self.interval is not None and not self.count and not successes:
            raise ValueError("it would never end: give count or consecutiveSuccessLimit, or over: run")
        if self.count is not None and self.count < max(max(self.failure_limit, 0) + successes, self.inconclusive_limit):
            raise ValueError(f"count {self.count} is too small for its limits: they could never be reached")
        return self


class MetricRule(PolicyDocument):
    """One metric: a preset, or a source of one's own: `events` of `trials`, a `histogram`, a `gauge`, a `query`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", description="by which verdicts and limits call it")
    source: SourceRule | None = Field(None, description="where this metric comes from, if not from the policy's source")
    preset: MetricPreset | None = Field(None, description="what it is; the source's preset says how it is called")
    metric: MetricName | None = Field(None, description="the preset's metric name, where it differs: a name alone")
    events: SelectorText | None = Field(None, description="counter of what is judged, such as failed requests")
    trials: SelectorText | None = Field(None, description="counter of what they are a share of, such as requests")
    histogram: SelectorText | None = Field(None, description="classic histogram: its _bucket series")
    gauge: SelectorText | None = Field(None, description="a value per pod, such as bytes of memory")
    of: SelectorText | None = Field(None, description="what the gauge is divided by, such as its limit")
    query: str | None = Field(
        None,
        max_length=MAX_QUERY_LENGTH,
        description="PromQL whose values are compared by conditions; arms are its own affair",
    )
    conditions: Conditions | None = Field(
        None, description="when a query's values are good or bad, for judge threshold"
    )
    unit: Literal["s", "ms"] = Field("s", description="unit of the histogram's edges")
    better: Better = Field("lower", description="lower: events are bad; higher: they are good, such as conversions")
    margin: Margin | None = Field(
        None, description="absent: 1.25 and 0.001; of latency 1.2; where higher is better 0.95"
    )
    critical: bool = Field(False, description="a nonInferiority gate needs it shown; where none is critical, all")
    weight: PositiveFloat = Field(1.0, description="share of the false-abort rate, relative to the others")
    count: Literal["share", "rate"] = Field("share", description="rate: more events than trials are possible")
    lag: Seconds = Field(0.0, description="how long an event may follow its trial")
    segment: LabelName | None = Field(
        None, description="label such as route: its values are judged apart, so that a small one cannot hide"
    )
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
        if self.segment is not None and (self.kind != "proportion" or self.lag):
            what = "events that follow their trials by a lag" if self.lag else f"a {self.kind}"
            raise ValueError(f"segment is for counts of events and trials, {what} cannot be judged by it: leave it out")
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
        """How it is counted: presets are proportions but for http-latency and those of containers, which are gauges."""
        if self.query is not None:
            return "scalar"
        if self.gauge is not None or self.preset in ("container-memory", "container-cpu"):
            return "gauge"
        return "distribution" if self.histogram is not None or self.preset == "http-latency" else "proportion"


class LimitRule(PolicyDocument):
    """An absolute bound, for what nobody would wait for.

    On counts it is tested like a margin, not by one noisy snapshot; on a gauge it is a fact about a pod: two
    snapshots in a row beyond it on the same pod.
    """

    metric: str = Field(description="name of a metric")
    above: Seconds | None = Field(None, description="a share, or with quantile a duration")
    below: Share | None = Field(None, description="a share, where higher is better")
    quantile: Share | None = Field(None, description="of a latency, such as 0.95")
    weight: PositiveFloat = Field(0.1, description="share of the false-abort rate, relative to the metrics")

    @model_validator(mode="after")
    def _is_one_bound(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("a limit has exactly one of above and below")
        if self.quantile is None and self.above is not None and not 0 < self.above < 1:
            raise ValueError("above is a share between 0 and 1 (a duration needs quantile beside it)")
        if self.quantile is not None and self.quantile > MAX_QUANTILE:
            raise ValueError(f"quantile is at most {MAX_QUANTILE}: of fewer requests nothing could be shown")
        return self
