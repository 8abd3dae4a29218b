"""A world's description: what a scenario file may say, with units and defaults."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from serinus_simulator.kubernetes.reviews import Person
from serinus_simulator.units import Seconds, Settings, Share
from serinus_simulator.world.scenario_noise import Noise
from serinus_simulator.world.scenario_pods import Container, Failing, Restart, Scrapes, Vanishing
from serinus_simulator.world.scenario_traffic import Change, Cold, Metrics, Sessions, Traffic


class Release(Settings):
    """A new image, so long after the world's start."""

    at: Seconds
    image: str


class Rollout(Settings):
    """One rollout with its traffic. `steps` are Argo's own."""

    name: str
    namespace: str = "default"
    replicas: int = Field(default=4, ge=1)
    image: str | None = None
    steps: tuple[dict[str, Any], ...] = ()
    analysis: dict[str, Any] | None = None
    """Argo's background analysis, as strategy.canary.analysis."""
    routing: Literal["nginx", "none"] = "nginx"
    stable_service: str | None = None
    canary_service: str | None = None
    spec: dict[str, Any] = {}
    """More fields of the Rollout's spec, such as progressDeadlineSeconds."""
    traffic: Traffic = Traffic()
    metrics: Metrics = Metrics()
    sessions: Sessions | None = None
    container: Container | None = None
    noise: Noise = Noise()
    canary: tuple[Change, ...] = ()
    cold: Cold | None = None
    restarts: tuple[Restart, ...] = ()
    failing: tuple[Failing, ...] = ()
    scrapes: Scrapes = Scrapes()
    vanish: tuple[Vanishing, ...] = ()
    release: tuple[Release, ...] = ()

    @model_validator(mode="after")
    def _routes_known(self) -> Rollout:
        unknown = sorted({route for change in self.canary for route in change.routes} - self.traffic.routes.keys())
        if unknown:
            raise ValueError(f"a change names routes that traffic does not have: {', '.join(unknown)}")
        if self.traffic.routes and self.noise.retries is not None:
            raise ValueError("retries are not drawn by route: leave one of the two out")
        return self

    @property
    def first_image(self) -> str:
        """Of the version that is stable at the beginning."""
        return self.image or f"registry.example.com/{self.namespace}/{self.name}:v1"

    @property
    def services(self) -> tuple[str, str]:
        """The names of the stable and the canary Service."""
        return self.stable_service or f"{self.name}-stable", self.canary_service or f"{self.name}-canary"


class Prometheus(Settings):
    """The simulator's own Prometheus. `jitter` moves each scrape by up to so much.

    With `history` the pods of the first revision have served for so long before the world's start, and what they
    counted is found there, a sample a minute; samples older than `retention` are then thinned out, not forgotten.
    Before `version` 3 it refuses quoted names.
    """

    scrape_interval: Seconds = Field(default=15.0, gt=0)
    jitter: Seconds = 0.0
    retention: Seconds = 900.0
    history: Seconds = 0.0
    version: str = Field(default="3.7.0", pattern=r"^[0-9]+(\.[0-9]+)*$")

    @model_validator(mode="after")
    def _sensible(self) -> Prometheus:
        if self.jitter >= self.scrape_interval:
            raise ValueError("jitter must be shorter than scrape_interval")
        if self.retention < 2 * self.scrape_interval:
            raise ValueError("retention must be at least two scrape intervals")
        return self


class Argo(Settings):
    """Argo's version, speed and faults.

    The probabilities of losing a promote or an abort are those measured of the version unless they are set: `master`
    loses none, of `1.9.1` they fall with the time since the pause began.
    """

    version: Literal["1.9.1", "master"] = "master"
    delay: Seconds = 0.01
    lose_promotes: Share | None = None
    lose_aborts: Share | None = None
    repauses: Share = 0.0


class Pods(Settings):
    """How long a pod takes to get ready, to go, and to come back after a restart of its container.

    Each pod takes up to `ready_spread` longer to get ready, so that they come one after another.
    """

    ready_after: Seconds = 0.2
    ready_spread: Seconds = 0.0
    terminate_after: Seconds = 0.03
    restart_takes: Seconds = 1.0


class Kubernetes(Settings):
    """The API server: the pace of its bookmarks, the length of a watch, and how many changes one can go back."""

    bookmark_interval: Seconds = Field(default=60.0, gt=0)
    watch_timeout: Seconds = Field(default=2400.0, gt=0)
    history: int = Field(default=1000, ge=1)


class Scenario(Settings):
    """A whole world."""

    seed: int = 1
    prometheus: Prometheus = Prometheus()
    argo: Argo = Argo()
    pods: Pods = Pods()
    kubernetes: Kubernetes = Kubernetes()
    truth_records: int = Field(default=20_000, ge=0)
    """How many scrapes are remembered."""
    objects: tuple[dict[str, Any], ...] = ()
    """Kubernetes objects that are there before the rollouts, such as AnalysisTemplates."""
    people: tuple[Person, ...] = ()
    """Whose tokens a TokenReview knows."""
    rollouts: tuple[Rollout, ...] = ()

    @model_validator(mode="after")
    def _unique(self) -> Scenario:
        seen: set[tuple[str, str]] = set()
        for rollout in self.rollouts:
            if (rollout.namespace, rollout.name) in seen:
                raise ValueError(f"two rollouts are named {rollout.namespace}/{rollout.name}")
            seen.add((rollout.namespace, rollout.name))
        return self
