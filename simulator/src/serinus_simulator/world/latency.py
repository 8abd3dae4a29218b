"""Where the latencies of a distribution fall among histogram buckets."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from serinus_simulator.world.noise import Floats
from serinus_simulator.world.scenario_traffic import Latency, Slow

_Z99 = 2.3263478740408408
"""The standard normal's 99th percentile."""


@lru_cache(maxsize=4096)
def buckets(latency: Latency, factor: float, slow: Slow | None, edges: tuple[float, ...]) -> tuple[Floats, Floats]:
    """The share of requests in each bucket, the last being the one above all edges, and their mean there in seconds."""
    share, mass = _lognormal(latency, factor, edges)
    if slow is not None:
        slow_share, slow_mass = _lognormal(latency, factor * slow.factor, edges)
        share = (1 - slow.share) * share + slow.share * slow_share
        mass = (1 - slow.share) * mass + slow.share * slow_mass
    means = np.divide(mass, share, out=np.zeros_like(mass), where=share > 0)
    return share / share.sum(), means


def _lognormal(latency: Latency, factor: float, edges: tuple[float, ...]) -> tuple[Floats, Floats]:
    middle = math.log(latency.p50 * factor)
    width = math.log(latency.p99 / latency.p50) / _Z99
    below = [0.0, *(_normal((math.log(edge) - middle) / width) for edge in edges), 1.0]
    weighted = [0.0, *(_normal((math.log(edge) - middle) / width - width) for edge in edges), 1.0]
    mean = math.exp(middle + width * width / 2)
    return np.maximum(np.diff(below), 0.0), np.maximum(np.diff(weighted), 0.0) * mean


def _normal(value: float) -> float:
    return 0.5 * math.erfc(-value / math.sqrt(2))
