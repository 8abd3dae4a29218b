"""What the clients of a rollout do, what they meet, and how pods name what they count."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from serinus_simulator.units import Bytes, Seconds, Settings, Share, When, to_seconds


class Latency(Settings):
    """A lognormal distribution by its median and its 99th percentile."""

    p50: Seconds = 0.06
    p99: Seconds = 0.4

    @model_validator(mode="after")
    def _ordered(self) -> Latency:
        if not 0 < self.p50 < self.p99:
            raise ValueError("p50 must be above 0 and below p99")
        return self


class Traffic(Settings):
    """What the clients of a rollout do: `requests_per_second` over both arms, and what they meet.

    `routes`: how many of the requests each route gets, relative to the others; they are counted by route then.
    """

    requests_per_second: float = Field(default=100.0, ge=0)
    error_rate: Share = 0.0
    latency: Latency = Latency()
    routes: dict[str, Annotated[float, Field(gt=0)]] = {}


class Sessions(Settings):
    """Sessions that first tries of requests open, `per_request` of them on average, and the share that converts.

    A conversion follows its session by `lag`, exactly (`law: fixed`) or on average (`exponential`), and is counted
    by the pod of the session whatever the weight is by then; where that pod is gone, by another of its revision.
    """

    per_request: Share = 0.1
    conversion: Share = 0.9
    lag: Seconds = 0.0
    law: Literal["exponential", "fixed"] = "exponential"
    sessions_metric: str = "user_sessions_total"
    conversions_metric: str = "user_conversions_total"


class Slow(Settings):
    """A share of the requests that takes `factor` times as long."""

    share: Share
    factor: float = Field(gt=0)


class Change(Settings):
    """How the canary differs: every revision but the world's first, or those whose image matches `image`.

    `memory_growth` is in bytes per hour; it begins with the change and ends with the container. `routes`: error rates
    of single routes.
    """

    when: When = Field(default=When(at=0.0), alias="from")
    image: str | None = None
    error_rate: Share | None = None
    routes: dict[str, Share] = {}
    latency_factor: float = Field(default=1.0, gt=0)
    slow: Slow | None = None
    conversion: Share | None = None
    cpu_factor: float = Field(default=1.0, ge=0)
    memory_factor: float = Field(default=1.0, ge=0)
    memory_growth: Bytes | None = None


class Cold(Settings):
    """What every pod does in its first seconds."""

    seconds: Seconds
    error_rate: Share | None = None
    latency_factor: float = Field(default=1.0, gt=0)


class Geometric(Settings):
    """Bucket edges from one to another, each about `ratio` times the one before."""

    from_: Seconds = Field(alias="from", gt=0)
    to: Seconds = Field(gt=0)
    ratio: float = Field(gt=1)


def to_edges(value: object) -> object:
    """A list of edges in seconds, from a list of durations or {from, to, ratio}. Raises ValueError."""
    if isinstance(value, dict):
        wanted = Geometric.model_validate(value)
        if wanted.to <= wanted.from_:
            raise ValueError("the edges must go upwards")
        count = round(math.log(wanted.to / wanted.from_) / math.log(wanted.ratio))
        ratio = (wanted.to / wanted.from_) ** (1 / max(count, 1))
        return tuple(float(f"{wanted.from_ * ratio**number:.4g}") for number in range(max(count, 1) + 1))
    if isinstance(value, list | tuple):
        return tuple(to_seconds(edge) for edge in value)
    raise ValueError("edges are a list of durations, or from, to and ratio")


DEFAULT_EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(Settings):
    """How pods name what they count, and how Prometheus finds them.

    `discovery: pods` makes one target of each pod, whose label `service` is the rollout's name; `services` makes one
    of each pod of each Service, as a ServiceMonitor does, so that the label tells the arms apart.
    """

    requests: str = "http_requests_total"
    code_label: str = "code"
    route_label: str = "route"
    ok_code: str = "200"
    error_codes: dict[str, float] = {"500": 1.0}
    error_series: Literal["first_error", "always"] = "first_error"
    """Whether an error series is born with the first error of a container, or there from its start."""
    latency: str | None = "http_request_duration_seconds"
    edges: Annotated[tuple[float, ...], BeforeValidator(to_edges)] = DEFAULT_EDGES
    discovery: Literal["pods", "services"] = "pods"
    hash_label: str | None = "rollouts_pod_template_hash"

    @model_validator(mode="after")
    def _sensible(self) -> Metrics:
        if list(self.edges) != sorted(set(self.edges)) or not self.edges or self.edges[0] <= 0:
            raise ValueError("edges must be above 0 and go upwards")
        if not self.error_codes or min(self.error_codes.values()) <= 0:
            raise ValueError("error_codes gives each code a weight above 0")
        return self
