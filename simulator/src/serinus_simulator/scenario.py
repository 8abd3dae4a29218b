"""A world's description: what a scenario file may say, with units and defaults."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def to_seconds(value: object) -> object:
    """`1m30s`, `500ms` or a plain number of seconds, as a float. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a duration is a number of seconds or a text such as 500ms, 30s or 1m30s")
    if not isinstance(value, str):
        return float(value)
    parts = _DURATION.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError(f"{value!r} is no duration; write for instance 500ms, 30s or 1m30s")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


Seconds = Annotated[float, BeforeValidator(to_seconds), Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class When(_Model):
    """A moment: `at` so long after the world's start, `after` so long after the run's start, or from a `weight` on.

    A run starts when a template is released, and again when an abort of it is taken back.
    """

    at: Seconds | None = None
    after: Seconds | None = None
    weight: int | None = Field(default=None, ge=0, le=100)

    @model_validator(mode="after")
    def _one(self) -> When:
        if [self.at, self.after, self.weight].count(None) != 2:
            raise ValueError("say exactly one of at, after and weight")
        return self


class Latency(_Model):
    """A lognormal distribution by its median and its 99th percentile."""

    p50: Seconds = 0.06
    p99: Seconds = 0.4

    @model_validator(mode="after")
    def _ordered(self) -> Latency:
        if not 0 < self.p50 < self.p99:
            raise ValueError("p50 must be above 0 and below p99")
        return self


class Traffic(_Model):
    """What the clients of a rollout do: `requests_per_second` over both arms, and what they meet."""

    requests_per_second: float = Field(default=100.0, ge=0)
    error_rate: Share = 0.0
    latency: Latency = Latency()


class Slow(_Model):
    """A share of the requests that takes `factor` times as long."""

    share: Share
    factor: float = Field(gt=0)


class Change(_Model):
    """How the canary differs: every revision but the world's first, or those whose image matches `image`."""

    when: When = Field(default=When(at=0.0), alias="from")
    image: str | None = None
    error_rate: Share | None = None
    latency_factor: float = Field(default=1.0, gt=0)
    slow: Slow | None = None


class Cold(_Model):
    """What every pod does in its first seconds."""

    seconds: Seconds
    error_rate: Share | None = None
    latency_factor: float = Field(default=1.0, gt=0)


class Geometric(_Model):
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


class Metrics(_Model):
    """How pods name what they count, and how Prometheus finds them.

    `discovery: pods` makes one target of each pod, whose label `service` is the rollout's name; `services` makes one
    of each pod of each Service, as a ServiceMonitor does, so that the label tells the arms apart.
    """

    requests: str = "http_requests_total"
    code_label: str = "code"
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


class Vanishing(_Model):
    """Metrics whose name matches `metrics` are no longer exposed from a moment on."""

    when: When = Field(alias="from")
    metrics: str = ".*"
    arm: Literal["stable", "canary", "both"] = "both"


class Gap(_Model):
    """A span in which scrapes are missed."""

    at: Seconds
    lasts: Seconds
    arm: Literal["stable", "canary", "both"] = "both"


class Scrapes(_Model):
    """Scrapes of this rollout's pods that the simulator's own Prometheus misses."""

    missed: Share = 0.0
    gaps: tuple[Gap, ...] = ()


class Restart(_Model):
    """A container restart: the counters of one pod of an arm begin at zero again."""

    at: Seconds | None = None
    after: Seconds | None = None
    arm: Literal["stable", "canary"] = "canary"
    pod: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _one(self) -> Restart:
        if (self.at is None) is (self.after is None):
            raise ValueError("say exactly one of at and after")
        return self


class Release(_Model):
    """A new image, so long after the world's start."""

    at: Seconds
    image: str


class Rollout(_Model):
    """One rollout with its traffic. `steps` are Argo's own."""

    name: str
    namespace: str = "default"
    replicas: int = Field(default=4, ge=1)
    image: str | None = None
    steps: tuple[dict[str, Any], ...] = ()
    routing: Literal["nginx", "none"] = "nginx"
    stable_service: str | None = None
    canary_service: str | None = None
    spec: dict[str, Any] = {}
    """More fields of the Rollout's spec, such as progressDeadlineSeconds."""
    traffic: Traffic = Traffic()
    metrics: Metrics = Metrics()
    canary: tuple[Change, ...] = ()
    cold: Cold | None = None
    restarts: tuple[Restart, ...] = ()
    scrapes: Scrapes = Scrapes()
    vanish: tuple[Vanishing, ...] = ()
    release: tuple[Release, ...] = ()

    @property
    def first_image(self) -> str:
        return self.image or f"registry.example.com/{self.namespace}/{self.name}:v1"

    @property
    def services(self) -> tuple[str, str]:
        """The names of the stable and the canary Service."""
        return self.stable_service or f"{self.name}-stable", self.canary_service or f"{self.name}-canary"


class Prometheus(_Model):
    """The simulator's own Prometheus. `jitter` moves each scrape by up to so much."""

    scrape_interval: Seconds = Field(default=15.0, gt=0)
    jitter: Seconds = 0.0
    retention: Seconds = 900.0

    @model_validator(mode="after")
    def _sensible(self) -> Prometheus:
        if self.jitter >= self.scrape_interval:
            raise ValueError("jitter must be shorter than scrape_interval")
        if self.retention < 2 * self.scrape_interval:
            raise ValueError("retention must be at least two scrape intervals")
        return self


class Argo(_Model):
    """Argo's speed and its faults; the three are probabilities, as for the v1.9.1 that loses what it is told."""

    delay: Seconds = 0.01
    lose_promotes: Share = 0.0
    lose_aborts: Share = 0.0
    repauses: Share = 0.0


class Pods(_Model):
    """How long a pod takes to get ready, to go, and to come back after a restart of its container."""

    ready_after: Seconds = 0.2
    terminate_after: Seconds = 0.03
    restart_takes: Seconds = 1.0


class Kubernetes(_Model):
    """The API server: the pace of its bookmarks, the length of a watch, and how many changes one can go back."""

    bookmark_interval: Seconds = Field(default=60.0, gt=0)
    watch_timeout: Seconds = Field(default=2400.0, gt=0)
    history: int = Field(default=1000, ge=1)


class Scenario(_Model):
    """A whole world."""

    seed: int = 1
    prometheus: Prometheus = Prometheus()
    argo: Argo = Argo()
    pods: Pods = Pods()
    kubernetes: Kubernetes = Kubernetes()
    truth_records: int = Field(default=20_000, ge=0)
    """How many scrapes are remembered."""
    rollouts: tuple[Rollout, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Scenario:
        seen: set[tuple[str, str]] = set()
        for rollout in self.rollouts:
            if (rollout.namespace, rollout.name) in seen:
                raise ValueError(f"two rollouts are named {rollout.namespace}/{rollout.name}")
            seen.add((rollout.namespace, rollout.name))
        return self
