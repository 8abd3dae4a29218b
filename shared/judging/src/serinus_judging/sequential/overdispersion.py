"""Real traffic is noisier than independent requests: evidence is divided by how much (docs/explanation/judging.md,
"Noise").

phi(z) = max(1, phi_k, 1 + kappa z theta (1 - theta)) for z events, theta the canary's share of the trials; what lasts
makes phi_k grow with the events of the run so far. Taking the
lesser of ln e / phi at the events seen and at the events predicted keeps E[e] <= 1: the prediction is fixed before
the snapshot, and e to a power of at most 1 has expectation at most 1 (Jensen). phi of what was seen alone would not be
valid, phi of the prediction alone does not know a shock when it comes.
"""

from dataclasses import dataclass

import numpy as np

from serinus_judging.arrays import Bools, Floats
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI


def rounded(growth: Floats) -> Floats:
    """kappa or lasting as it is packed, in half precision: it is known to a few percent at best."""
    return np.minimum(growth, HALF_MAX).astype(np.float16).astype(np.float64)


HALF_MAX = 65_504.0
"""The largest number of half precision."""
ORDINARY, SOME = 3.0, 100.0
"""A snapshot with more than so many times the events predicted, and so many more, is a shock."""


@dataclass(frozen=True, eq=False)
class Noise:
    """What is known of the noise before a run: phi (C,), kappa and lasting (K stages, C channels), and which channels
    were measured (C,)."""

    phi: Floats
    kappa: Floats
    lasting: Floats
    measured: Bools

    @classmethod
    def assumed(cls, stages: int, channels: int) -> "Noise":
        """For a run without history."""
        return cls.uniform(ASSUMED_PHI, ASSUMED_KAPPA, stages, channels, measured=False)

    @classmethod
    def uniform(cls, phi: float, kappa: float, stages: int, channels: int, measured: bool = True) -> "Noise":
        """The same values everywhere."""
        shape = max(stages, 1), channels
        return cls(
            np.full(channels, float(np.float32(phi))),
            rounded(np.full(shape, kappa)),
            np.zeros(shape),
            np.full(channels, measured),
        )


def phi(events: Floats, spread: Floats, floor: Floats, kappa: Floats) -> Floats:
    """Variance of a snapshot relative to independent requests; spread: theta (1 - theta). All broadcast."""
    result: Floats = np.maximum(np.maximum(floor, 1.0), 1 + kappa * events * spread)
    return result


def lasting(floor: Floats, growth: Floats, events: Floats, spread: Floats) -> Floats:
    """phi's floor where pods differ for good: what was taken for noise in one snapshot adds up over a run.

    growth (...): `Measured.lasting`; events (...): of both arms in the run so far; spread: theta (1 - theta).
    """
    result: Floats = np.maximum(floor, 1 + growth * events * spread)
    return result


def unpaired(floor: Floats, b: Floats, late: Floats) -> Floats:
    """phi's floor where events follow trials of earlier windows (`late` is 1), at stable's predicted rate b.

    Such events vary with trials of windows that are not this one's: their variance given its n trials is not n b but
    about n b + n b^2.
    """
    result: Floats = np.maximum(floor, 1 + late * b)
    return result


def is_shock(events: Floats, predicted: Floats) -> Bools:
    """Whether a snapshot has far more events than were predicted of it."""
    result: Bools = events > ORDINARY * predicted + SOME
    return result


def divisors(counts: Floats, b: Floats, edge: Floats, floor: Floats, kappa: Floats, assumed: Bools) -> Floats:
    """phi (2, ...) at the events seen and at the events predicted: counts (4, ...) as x, n, y, m; the rest (...).

    assumed: channels without history. What quiet snapshots of the run show says nothing of a shock, which hits pods
    unevenly: there at least the assumed kappa holds, at the events seen alone, so that the law does too.
    """
    x, n, y, m = counts
    total = n + m
    spread = n * m / (total * total)
    events = np.array((x + y, n * edge + m * b))
    result = phi(events, spread, floor, kappa)
    unknown = assumed & is_shock(*events)
    if unknown.any():
        result[0] = np.where(unknown, phi(events[0], spread, result[0], np.maximum(kappa, ASSUMED_KAPPA)), result[0])
    return result


def tempered(value: Floats, seen: Floats, predicted: Floats) -> Floats:
    """min(value / seen, value / predicted), for phi >= 1: value (J, ...), the others (...)."""
    result: Floats = np.minimum(value / seen, value / predicted)
    return result
