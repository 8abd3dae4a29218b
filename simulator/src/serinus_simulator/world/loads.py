"""What a pod is given to do: the scenario's traffic with the changes that concern the pod."""

from __future__ import annotations

from collections.abc import Iterable

from serinus_simulator.world.counters import Load
from serinus_simulator.world.latency import buckets
from serinus_simulator.world.scenario import Rollout
from serinus_simulator.world.scenario_traffic import Change, Slow


def load(spec: Rollout, changes: Iterable[Change], rate: float, *, cold: bool) -> Load:
    """The load of a pod with so many requests per second; of several changes the last that says something holds."""
    error_rate, factor = spec.traffic.error_rate, 1.0
    slow: Slow | None = None
    conversion = 0.0 if spec.sessions is None else spec.sessions.conversion
    cpu_factor = memory_factor = 1.0
    growth = 0.0
    routes: dict[str, float] = {}
    for change in changes:
        error_rate = error_rate if change.error_rate is None else change.error_rate
        conversion = conversion if change.conversion is None else change.conversion
        growth = growth if change.memory_growth is None else change.memory_growth
        slow = change.slow or slow
        routes |= change.routes
        factor *= change.latency_factor
        cpu_factor *= change.cpu_factor
        memory_factor *= change.memory_factor
    if cold and spec.cold is not None:
        error_rate = error_rate if spec.cold.error_rate is None else spec.cold.error_rate
        factor *= spec.cold.latency_factor
    shares, means = buckets(spec.traffic.latency, factor, slow, spec.metrics.edges)
    return Load(
        rate, error_rate, shares, means, factor, slow, conversion, cpu_factor, memory_factor, leak=growth / 3600,
        route_rates=tuple(routes.get(route) for route in spec.traffic.routes),
    )  # fmt: skip
