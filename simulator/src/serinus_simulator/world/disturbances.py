"""What the noise of a scenario makes of the loads of one rollout's pods."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from serinus_simulator.world.counters import Load
from serinus_simulator.world.latency import buckets
from serinus_simulator.world.noise import Floats, Moments, Path, clumping, lognormal, pieces, wandering
from serinus_simulator.world.scenario_noise import Noise, Shock, Wander
from serinus_simulator.world.scenario_traffic import Latency

_STEPS = 24
"""Latency factors are rounded to so many steps per e-fold, 4 %, so that few histograms have to be computed."""


class Wandering:
    """The factor of a `Wander` for one pod: the path that it shares with the others, and its own."""

    def __init__(self, spec: Wander, shared: Path, own: Path | None) -> None:
        self._spec = spec
        self._shared = shared
        self._own = own

    def breaks(self, begin: float, end: float) -> list[float]:
        """Both paths are on grids of the same interval, but a pod's begins with the pod."""
        own = [] if self._own is None else self._own.breaks(begin, end)
        return self._shared.breaks(begin, end) + own

    def at(self, moments: Floats) -> Floats:
        """The factors at these moments (seconds since the epoch), shape (T,)."""
        values = self._shared.at(moments)
        if self._own is not None:
            share = self._spec.pod_share
            values = np.sqrt(1 - share) * values + np.sqrt(share) * self._own.at(moments)
        return lognormal(self._spec.sd, values)


@dataclass
class _Pod:
    errors: Wandering | None
    gamma: Path | None
    latency: Wandering | None


class Disturbances:
    """Shocks and wander that the pods of a rollout share, and what each has of its own."""

    def __init__(
        self,
        noise: Noise,
        latency: Latency,
        edges: tuple[float, ...],
        *,
        start: float,
        seed: int,
        history: float = 0.0,
    ) -> None:
        """Noise begins `history` seconds before the world's start, from which set moments are counted."""
        self._noise = noise
        self._latency = latency
        self._edges = edges
        self._seed = seed
        self._history = history
        start -= history
        self._shocks = [(shock, self._moments(number, shock, start)) for number, shock in enumerate(noise.shocks)]
        self._shared = {
            name: Path(wandering(self._random(name), spec.correlation), start, spec.interval)
            for name, spec in (("errors", noise.errors), ("latency", noise.latency))
            if spec is not None
        }
        self._slows = noise.latency is not None or any(shock.latency_factor != 1 for shock in noise.shocks)
        self._pods: dict[str, _Pod] = {}

    def disturb(self, load: Load, pod: str, begin: float, end: float) -> Load:
        """The load as it was on average over a span, in seconds since the epoch."""
        own = self._pods.get(pod) or self._pods.setdefault(pod, self._born(pod, begin))
        breaks = [edge for _, moments in self._shocks for edge in moments.breaks(begin, end)]
        for part in (own.errors, own.gamma, own.latency):
            breaks += part.breaks(begin, end) if part is not None else ()
        middles, shares = pieces(begin, end, breaks)
        held = [(shock, moments.holds(middles)) for shock, moments in self._shocks]
        factors = np.ones_like(middles)
        for shock, holds in held:
            factors = np.where(holds, factors * shock.factor, factors)
        for part in (own.errors, own.gamma):
            factors = factors if part is None else factors * part.at(middles)
        rate = float(shares @ np.minimum(load.error_rate * factors, 1.0))
        disturbed = replace(load, error_rate=min(rate, 1.0))
        if not self._slows:
            return disturbed
        slowed = np.ones_like(middles) if own.latency is None else own.latency.at(middles)
        for shock, holds in held:
            slowed = np.where(holds, slowed * shock.latency_factor, slowed)
        return self._slowed(disturbed, slowed, shares)

    def forget(self, pod: str) -> None:
        """A pod that is gone."""
        self._pods.pop(pod, None)

    def _slowed(self, load: Load, factors: Floats, shares: Floats) -> Load:
        """The mixture of the histograms of each piece."""
        steps = np.round(np.log(factors) * _STEPS)
        requests = np.zeros_like(load.shares)
        seconds = np.zeros_like(load.shares)
        for step in np.unique(steps):
            factor = load.factor * float(np.exp(step / _STEPS))
            part, means = buckets(self._latency, factor, load.slow, self._edges)
            weight = float(shares[steps == step].sum())
            requests += weight * part
            seconds += weight * part * means
        means = np.divide(seconds, requests, out=np.zeros_like(seconds), where=requests > 0)
        return replace(load, shares=requests / requests.sum(), means=means)

    def _born(self, pod: str, now: float) -> _Pod:
        noise = self._noise
        gamma = None
        if noise.gamma is not None:
            values = clumping(self._random(f"gamma {pod}"), noise.gamma.variation)
            gamma = Path(values, now, noise.gamma.interval)
        return _Pod(
            self._wandering("errors", noise.errors, pod, now),
            gamma,
            self._wandering("latency", noise.latency, pod, now),
        )

    def _wandering(self, name: str, spec: Wander | None, pod: str, now: float) -> Wandering | None:
        if spec is None:
            return None
        own = None
        if spec.pod_share > 0:
            own = Path(wandering(self._random(f"{name} {pod}"), spec.correlation), now, spec.interval)
        return Wandering(spec, self._shared[name], own)

    def _moments(self, number: int, shock: Shock, start: float) -> Moments:
        at = [self._history + moment for moment in shock.at]
        return Moments(self._random(f"shocks {number}"), start, shock.lasts, shock.per_hour, at)

    def _random(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(purpose.encode())])
