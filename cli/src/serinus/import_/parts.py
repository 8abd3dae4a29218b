"""The parts of Argo's manifests that are read. What they do not name is kept aside, to be told as not expressed."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt, model_validator

from serinus.import_.go_values import Duration, PauseDuration, Whole


def _text(value: object) -> object:
    """Arguments are texts, but many people write numbers."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class Part(BaseModel):
    """A part of a manifest, of which other fields are allowed and kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, values: object) -> object:
        # The API server takes a field of null, as templates render it from nothing, for one that is not there.
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values


class Argument(Part):
    """One of `args`."""

    name: str
    value: Text | None = None
    valueFrom: dict[str, Any] | None = None  # noqa: N815 - Argo's spelling, here and below


class Ref(Part):
    """One of `templates`."""

    templateName: str  # noqa: N815
    clusterScope: StrictBool = False  # noqa: N815


class NameRule(Part):
    """Which metrics: a regular expression of Go, that matches anywhere in a name."""

    metricName: str  # noqa: N815


class Analysis(Part):
    """An analysis of a Rollout, in a step or in the background; and what a template says beside its metrics."""

    templates: tuple[Ref, ...] = ()
    args: tuple[Argument, ...] = ()
    dryRun: tuple[NameRule, ...] = ()  # noqa: N815
    measurementRetention: tuple[NameRule, ...] | None = None  # noqa: N815
    analysisRunMetadata: Any = None  # noqa: N815
    startingStep: StrictInt = 0  # noqa: N815


class Template(Analysis):
    """An AnalysisTemplate's spec."""

    metrics: tuple[dict[str, Any], ...] = ()


class Metric(Part):
    """One of `metrics`."""

    name: str
    interval: Duration = None
    initialDelay: Duration = None  # noqa: N815
    count: Whole = 0
    successCondition: str | None = None  # noqa: N815
    failureCondition: str | None = None  # noqa: N815
    failureLimit: Whole = 0  # noqa: N815
    inconclusiveLimit: Whole = 0  # noqa: N815
    consecutiveErrorLimit: Whole = 4  # noqa: N815
    consecutiveSuccessLimit: Whole = 0  # noqa: N815
    provider: dict[str, Any]


class Prometheus(Part):
    """`provider.prometheus` of a metric."""

    query: str
    address: str = ""


class Pause(Part):
    """A `pause` step."""

    duration: PauseDuration = None


class TrafficRouting(Part):
    """`trafficRouting` of the strategy."""

    maxTrafficWeight: Annotated[StrictInt, Field(ge=1)] | None = None  # noqa: N815


class Canary(Part):
    """`spec.strategy.canary`."""

    trafficRouting: TrafficRouting | None = None  # noqa: N815
    steps: tuple[Any, ...] = ()
    analysis: Analysis | None = None

    @property
    def max_weight(self) -> int:
        """The parts of all traffic that setWeight counts in."""
        return (self.trafficRouting and self.trafficRouting.maxTrafficWeight) or 100


class Step(Part):
    """One step of a canary; the other kinds stay with Argo."""

    setWeight: Annotated[StrictInt, Field(ge=0)] | None = None  # noqa: N815
    pause: Pause | None = None
    analysis: Analysis | None = None
