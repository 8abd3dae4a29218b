"""What the pods of a rollout do beside answering: memory and CPU of their container, restarts, crashes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from serinus_simulator.units import Bytes, Seconds, Settings, Share, When
from serinus_simulator.world.scenario_noise import Wander


class Memory(Settings):
    """A container's memory: it begins with the share `cold` of `baseline` and nears it with the time `warm_up`.

    It never shows more than `limit`; nobody is killed for reaching it. `growth` is in bytes per hour.
    """

    baseline: Bytes = 256.0 * 2**20
    limit: Bytes = Field(default=512.0 * 2**20, gt=0)
    cold: Share = 0.5
    warm_up: Seconds = 60.0
    growth: Bytes = 0.0
    noise: Wander | None = None


class Cpu(Settings):
    """A container's CPU: seconds of it for each request, cores used without any, and cores that it may use."""

    per_request: Seconds = 0.002
    idle: float = Field(default=0.01, ge=0)
    cores: float = Field(default=1.0, gt=0)
    period: int = Field(default=100_000, gt=0)
    """The scheduler's period in microseconds, in which `cores` times as many may be used."""


class Container(Settings):
    """What cAdvisor would tell of each pod's container: a page of its own, as a target of its own."""

    name: str = "app"
    memory: Memory = Memory()
    cpu: Cpu = Cpu()


class Restart(Settings):
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


class Failing(Settings):
    """Pods of an arm that fail from a moment on, as long as the moment holds; what their image tag says comes on top.

    `crash-loop`: their containers crash, each some time after its start (exponential, `every` on average), and come
    back after `back_off`, which doubles with each crash up to `longest`, as a kubelet's does. `never-ready`: pods
    made from then on do not get ready. `unready`: running pods are not ready.
    """

    when: When = Field(default=When(at=0.0), alias="from")
    effect: Literal["crash-loop", "never-ready", "unready"] = "crash-loop"
    arm: Literal["stable", "canary", "both"] = "canary"
    every: Seconds = Field(default=20.0, gt=0)
    back_off: Seconds = 10.0
    longest: Seconds = 300.0


class Gap(Settings):
    """A span in which scrapes are missed."""

    at: Seconds
    lasts: Seconds
    arm: Literal["stable", "canary", "both"] = "both"


class Scrapes(Settings):
    """Scrapes of this rollout's pods that the simulator's own Prometheus misses."""

    missed: Share = 0.0
    gaps: tuple[Gap, ...] = ()


class Vanishing(Settings):
    """Metrics whose name matches `metrics` are no longer exposed from a moment on."""

    when: When = Field(alias="from")
    metrics: str = ".*"
    arm: Literal["stable", "canary", "both"] = "both"
