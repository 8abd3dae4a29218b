"""What this traffic can show by when (docs/explanation/judging.md, "Power").

Evidence of a true rate a grows by G a snapshot on average, with variance V. After T snapshots an abort is 80 % sure
where T G - 0.84 sqrt(T V) reaches phi (ln(1/alpha) + 2): the bar, and two nats for the mixture. Proceeding takes about
phi (ln(1/beta) + 1) / G snapshots of a canary that is equal to stable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import asin, inf, log, pi, sin, sqrt

import numpy as np
from serinus_contracts.plan import AnalysisPlan, PlanMetric, PlanStage

from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.plan_metrics import is_rate, without_gauges
from serinus_judging.sequential import evalue

SURE = 0.84
"""Standard deviations below the mean at which 80 % lie above."""
MIXTURE, PROCEED_MIXTURE = 2.0, 1.0
"""Nats that the mixtures cost against knowing the alternative."""
MAX_SHARE = 0.99
MIN_REGRESSION = 1.1
"""No smaller regression is promised, whatever the traffic: the grid of alternatives begins there."""


@dataclass(frozen=True)
class Forecast:
    """What one metric can show in one stage; rates are shares of the canary's trials.

    detectable_rate: the least rate of a canary that is found worse by the stage's maximum with 80 % probability, None
    where none is; seconds: until a canary equal to stable is shown within its margin, infinite without traffic;
    reachable: whether that is before the stage's maximum.
    """

    weight: float
    metric: str
    base: float
    margin: float
    detectable_rate: float | None
    seconds: float
    reachable: bool


def forecast(
    plan: AnalysisPlan,
    pace: float,
    rates: Mapping[str, float],
    phi: float = ASSUMED_PHI,
    kappa: float = ASSUMED_KAPPA,
) -> tuple[Forecast, ...]:
    """For every stage and metric with a known rate of stable; pace: requests (trials) per second of both arms.

    Metrics of durations are left out: what they can show depends on where the edges of their histogram lie.
    """
    plan = without_gauges(plan)
    total = sum(m.weight for m in plan.metrics) + sum(limit.weight for limit in plan.limits)
    known = [metric for metric in plan.metrics if metric.source.kind == "proportion" and rates.get(metric.name, 0) > 0]
    return tuple(
        _forecast(plan, stage, metric, pace, rates[metric.name], phi, kappa, metric.weight / total)
        for stage in plan.stages
        for metric in known
    )


def _forecast(
    plan: AnalysisPlan,
    stage: PlanStage,
    metric: PlanMetric,
    pace: float,
    b: float,
    floor: float,
    kappa: float,
    share: float,
) -> Forecast:
    n, m = pace * plan.interval * stage.weight / 100, pace * plan.interval * (1 - stage.weight / 100)
    falling, margin = metric.better == "higher", metric.margin
    edge = margin.ratio * b + margin.absolute
    nothing = Forecast(stage.weight, metric.name, b, edge, None, inf, False)
    if not (n > 0 and m > 0 and edge > 0 and b < inf):
        return nothing
    theta = n / (n + m)
    phi = max(floor, 1 + b * (metric.lag > 0), 1 + kappa * (n * edge + m * b) * theta * (1 - theta))
    snapshots = stage.maximum / plan.interval
    enough = phi * (-log(plan.false_abort_rate * share) + MIXTURE)
    law = _Law(n, m, b, margin.ratio, margin.absolute, is_rate(metric), falling)
    psi = law.smallest(snapshots, enough)
    odds = law.odds(b, edge)
    gain = law.gain(odds, b)[0] if (odds > 1 if falling else odds < 1) else 0.0
    needed = phi * (-log(plan.false_promote_rate) + PROCEED_MIXTURE)
    seconds = plan.interval * needed / gain if gain > 0 else inf
    detectable = (
        None if psi is None else law.rate(1 / max(psi, MIN_REGRESSION) if falling else max(psi, MIN_REGRESSION))
    )
    return Forecast(stage.weight, metric.name, b, edge, detectable, seconds, seconds <= stage.maximum)


@dataclass(frozen=True)
class _Law:
    """Mean and variance of ln e per snapshot, from `evalue.log_evalue` itself, which is linear in the events."""

    n: float
    m: float
    b: float
    ratio: float
    absolute: float
    rate_count: bool
    falling: bool

    @property
    def edge(self) -> float:
        return self.ratio * self.b + self.absolute

    @property
    def rare(self) -> bool:
        return self.rate_count or max(self.b, self.edge) < evalue.RARE

    def rate(self, psi: float) -> float:
        """The alternative's rate."""
        worse = psi * self.edge
        return worse if self.rare else worse / (1 - self.edge + worse)

    def odds(self, rate: float, edge: float) -> float:
        """psi of a rate: the inverse of `rate`."""
        return rate / edge if self.rare else rate * (1 - edge) / (edge * (1 - rate))

    def gain(self, psi: float, p: float) -> tuple[float, float]:
        """G and V of the alternative psi when the canary's rate is p."""
        x, y = self.n * p, self.m * self.b
        mean, less_x, less_y = evalue.log_evalue(
            [x, x / 2, x], self.n, [y, y, y / 2], self.m, self.b, self.ratio, self.absolute, psi, self.rate_count
        )
        per_x, per_y = (mean - less_x) / (x / 2), (mean - less_y) / (y / 2)
        spread = (1.0, 1.0) if self.rare else (1 - p, 1 - self.b)
        return float(mean), float(x * spread[0] * per_x**2 + y * spread[1] * per_y**2)

    def smallest(self, snapshots: float, enough: float) -> float | None:
        """The least psi that is seen within so many snapshots; None if not even 1,000, or a share of 0.99, is."""
        low, high = 0.0, log(1000.0)
        if self.rare and not (self.rate_count or self.falling):
            high = min(high, log(MAX_SHARE / self.edge))

        def seen(log_psi: float) -> bool:
            psi = np.exp(-log_psi if self.falling else log_psi)
            p = self.rate(psi)
            mean, variance = self.gain(psi, p)
            return snapshots * mean - SURE * sqrt(snapshots * variance) >= enough

        if not seen(high):
            return None
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if seen(middle) else (middle, high)
        return float(np.exp(high))


def detectable_rate(
    n: float,
    m: float,
    b: float,
    ratio: float,
    absolute: float,
    rate: bool,
    falling: bool,
    snapshots: float,
    phi: float,
    kappa: float,
    alpha: float,
) -> float | None:
    """The least rate of the canary that is found worse within so many snapshots like this one; None if nothing can be
    said.

    The same law in closed form, cheap enough for every snapshot: with variances stabilised (arc sine of the root of a
    share, root of a rate) G = 2 d^2 / (1/n + ratio^2 var(b) / (var(E) m)) at a distance d from the edge E, and V = 2 G.
    alpha: the channel's part of the false-abort rate.
    """
    edge = ratio * b + absolute
    if not (n > 0 and m > 0 and snapshots >= 1 and 0 < edge < (inf if rate else 1)):
        return None
    theta = n / (n + m)
    noise = max(phi, 1 + kappa * (n * edge + m * b) * theta * (1 - theta))
    half = SURE / sqrt(2)
    root = half + sqrt(half * half + noise * (MIXTURE - log(alpha)))
    spread = b / edge if rate else b * (1 - b) / (edge * (1 - edge))
    step = root * sqrt((1 / n + ratio * ratio * spread / m) / (2 * snapshots))
    if falling:
        step = -step
    root_rate = max(sqrt(edge) + step, 0.0) if rate else sin(min(max(asin(sqrt(edge)) + step, 0.0), pi / 2))
    seen = root_rate * root_rate
    return min(seen, edge / MIN_REGRESSION) if falling else max(seen, edge * MIN_REGRESSION)
