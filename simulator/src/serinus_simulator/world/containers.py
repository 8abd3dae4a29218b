"""Memory and CPU of a pod's container, as cAdvisor tells of them."""

from __future__ import annotations

import math

import numpy as np

from serinus_simulator.world.counters import Load
from serinus_simulator.world.noise import Path, lognormal, wandering
from serinus_simulator.world.scenario_pods import Container


class ContainerState:
    """One container: since when it runs, the seconds of CPU that it has used since, and the bytes that it lost."""

    def __init__(self, spec: Container, random: np.random.Generator, now: float) -> None:
        self.started: float | None = None
        """None while it is down. In seconds since the epoch, as every time here."""
        self.cpu = 0.0
        self._leaked = 0.0
        self._factor = 1.0
        self._spec = spec
        noise = spec.memory.noise
        self._path = None if noise is None else Path(wandering(random, noise.correlation), now, noise.interval)

    def start(self, now: float) -> None:
        """It runs from now on, with nothing used and nothing leaked."""
        self.started, self.cpu, self._leaked = now, 0.0, 0.0

    def stop(self) -> None:
        self.started = None

    def use(self, requests: int, load: Load, seconds: float) -> None:
        """What serving so many requests in so many seconds takes."""
        if self.started is None:
            return
        spec = self._spec
        self.cpu += (requests * spec.cpu.per_request + spec.cpu.idle * seconds) * load.cpu_factor
        self._leaked += (spec.memory.growth / 3600 + load.leak) * seconds
        self._factor = load.memory_factor

    def memory(self, now: float) -> int:
        """Bytes in use."""
        memory = self._spec.memory
        age = 0.0 if self.started is None else now - self.started
        warm = 1.0 if memory.warm_up == 0 else -math.expm1(-age / memory.warm_up)
        used = memory.baseline * self._factor * (memory.cold + (1 - memory.cold) * warm)
        if self._path is not None and memory.noise is not None:
            used *= float(lognormal(memory.noise.sd, self._path.at(np.asarray([now])))[0])
        return round(min(used + self._leaked, memory.limit))

    def gauges(self, now: float) -> dict[str, float]:
        """Every series of the container by its name."""
        memory, cpu = self._spec.memory, self._spec.cpu
        return {
            "container_memory_usage_bytes": float(self.memory(now)),
            "container_spec_memory_limit_bytes": float(round(memory.limit)),
            "container_cpu_usage_seconds_total": self.cpu,
            "container_spec_cpu_quota": float(round(cpu.cores * cpu.period)),
            "container_spec_cpu_period": float(cpu.period),
        }


NAMES = (
    "container_memory_usage_bytes",
    "container_spec_memory_limit_bytes",
    "container_cpu_usage_seconds_total",
    "container_spec_cpu_quota",
    "container_spec_cpu_period",
)
