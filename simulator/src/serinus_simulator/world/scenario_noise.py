"""What disturbs the traffic of a rollout: all of it off unless it is set, and each part composable with the others.

The three shapes of over-dispersion under which a judge is tried are shocks that both arms share, a wandering error
rate, and errors that come in clumps (by gamma noise or by retries).
"""

from __future__ import annotations

from pydantic import Field

from serinus_simulator.units import Seconds, Settings, Share


class Shock(Settings):
    """Moments in which the error rate of both arms is multiplied by `factor` for so many seconds.

    They come at random, so many `per_hour` on average, and `at` set times after the world's start.
    """

    factor: float = Field(default=30.0, gt=0)
    latency_factor: float = Field(default=1.0, gt=0)
    lasts: Seconds = Field(default=5.0, gt=0)
    per_hour: float = Field(default=0.0, ge=0)
    at: tuple[Seconds, ...] = ()


class Wander(Settings):
    """First-order autoregressive noise: the logarithm of a factor whose mean is 1.

    `sd` is the standard deviation of the logarithm, `correlation` that between an interval and the next. Of its
    variance `pod_share` is each pod's own, the rest is common to both arms.
    """

    sd: float = Field(gt=0, le=5)
    correlation: float = Field(default=0.9, ge=0, lt=1)
    interval: Seconds = Field(default=10.0, gt=0)
    pod_share: Share = 0.0


class Gamma(Settings):
    """A factor of mean 1 on the error rate, drawn again for each interval and pod.

    `variation` is its standard deviation: 1 makes an exponential distribution, less a narrower one.
    """

    variation: float = Field(default=0.5, gt=0)
    interval: Seconds = Field(default=30.0, gt=0)


class Retries(Settings):
    """Clients that try again: a failed request is repeated with a `probability`, up to `limit` times.

    Each try is counted by the pod as a request of its own. A repeated request fails with the probability `fails`,
    which is high where the cause lies in the request, so that errors come in clumps.
    """

    probability: Share = 0.5
    limit: int = Field(default=3, ge=1, le=20)
    fails: Share = 0.8


class Noise(Settings):
    """Everything that disturbs a rollout's traffic. `errors` and `latency` wander."""

    shocks: tuple[Shock, ...] = ()
    errors: Wander | None = None
    gamma: Gamma | None = None
    latency: Wander | None = None
    retries: Retries | None = None
