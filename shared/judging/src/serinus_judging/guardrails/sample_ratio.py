"""Whether requests were split as the weight says (docs/explanation/judging.md, "Traffic share"). It holds, it never
aborts.

A canary that gets less than its share hides its faults, one that gets more hurts more people than was asked for; in
either case what the counts say of the weight is wrong. Tested as a rate: requests as events, actual weights (Argo's or
the pods', not what the steps ask for) as trials, ratio 1.25, once with the arms one way and once the other, and the
average of both. Without an absolute margin the value of a snapshot has the closed form of the conditional binomial.
"""

from math import exp, inf, log
from typing import NamedTuple

from serinus_contracts.events import MetricsCollected
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.weight import weight_text
from serinus_contracts.wording import percent

from serinus_judging.assessment import Fields
from serinus_judging.noise import ASSUMED_KAPPA, ASSUMED_PHI
from serinus_judging.plan_metrics import requests_metric

RATIO = 1.25
PSI = (1.25, 2.0, 5.0)
SIZE = 2 * len(PSI) + 4
"""Numbers in `SampleRatio.packed`."""

Three = tuple[float, float, float]


class SampleRatio(NamedTuple):
    """Evidence of this stage that the canary gets too much, or stable; requests per second so far; requests.

    expected: how many of the requests the canary should have got by its weights at the time.
    """

    canary_heavy: Three = (0.0, 0.0, 0.0)
    stable_heavy: Three = (0.0, 0.0, 0.0)
    pace: float = 0.0
    canary: int = 0
    stable: int = 0
    expected: float = 0.0

    @property
    def packed(self) -> tuple[float, ...]:
        """SIZE numbers, which `unpacked` turns into an equal value."""
        return (
            *self.canary_heavy,
            *self.stable_heavy,
            self.pace,
            float(self.canary),
            float(self.stable),
            self.expected,
        )

    @classmethod
    def unpacked(cls, numbers: list[float]) -> "SampleRatio":
        """From the numbers of `packed`."""
        a, b, c, d, e, f, pace, canary, stable, expected = numbers
        return cls((a, b, c), (d, e, f), pace, int(canary), int(stable), expected)

    @property
    def log_mismatch(self) -> float:
        """ln of the mean over directions and alternatives."""
        a, b, c = self.canary_heavy
        d, e, f = self.stable_heavy
        top = max(a, b, c, d, e, f)
        total = exp(a - top) + exp(b - top) + exp(c - top) + exp(d - top) + exp(e - top) + exp(f - top)
        return top + log(total / (2 * len(PSI)))


def mismatched(share: SampleRatio, false_abort_rate: float) -> bool:
    """Whether there is as much evidence of it as an abort takes."""
    return share.log_mismatch >= -log(false_abort_rate)


def tested(plan: AnalysisPlan, snapshot: MetricsCollected) -> float | None:
    """The canary's percent of both arms' requests that this snapshot's counts are held against, None if they cannot
    be."""
    split = snapshot.weight if snapshot.split is None else snapshot.split
    told_apart = not snapshot.routes or plan.metrics[requests_metric(plan)].excluding
    return split if told_apart and not snapshot.split_changed and 0 < split < 100 else None


def untested(plan: AnalysisPlan, snapshot: MetricsCollected) -> str:
    """Why the split of requests cannot be tested at all while the routes stay; empty where it can."""
    if not snapshot.routes or plan.metrics[requests_metric(plan)].excluding:
        return ""
    ways = {"mirror": "requests are mirrored to the canary", "header": "headers route requests to the canary"}
    return f"{' and '.join(ways[route] for route in snapshot.routes)} beside its weight"


def after(share: SampleRatio, canary: int, stable: int, weight: float, seconds: float) -> SampleRatio:
    """The share after requests of both arms in a window; weight in percent.

    The first snapshot only sets the pace, from which later numbers of requests are predicted for the tempering; a
    weight that gives either arm nothing leaves no share to compare.
    """
    total = canary + stable
    if not (0 < weight < 100 and 0 < total < inf and canary >= 0 and stable >= 0 and seconds > 0):
        return share
    pace, heavy, light = total / seconds, share.canary_heavy, share.stable_heavy
    w = weight / 100
    if share.pace > 0:
        spread = ASSUMED_KAPPA * w * (1 - w)
        seen = max(ASSUMED_PHI, 1 + spread * total)
        predicted = max(ASSUMED_PHI, 1 + spread * share.pace * seconds)
        low, high = 1 / max(seen, predicted), 1 / min(seen, predicted)
        heavy = _updated(heavy, canary, total, w, low, high)
        light = _updated(light, stable, total, 1 - w, low, high)
    return SampleRatio(heavy, light, pace, share.canary + canary, share.stable + stable, share.expected + w * total)


def _updated(rows: Three, x: int, total: int, w: float, low: float, high: float) -> Three:
    """Rows after ln e that x of `total` requests are more than RATIO times the share w allows, tempered."""
    a, b, c = rows
    edge = RATIO * w + 1 - w
    u = x * _LOGS[0] - total * log((RATIO * PSI[0] * w + 1 - w) / edge)
    v = x * _LOGS[1] - total * log((RATIO * PSI[1] * w + 1 - w) / edge)
    z = x * _LOGS[2] - total * log((RATIO * PSI[2] * w + 1 - w) / edge)
    return (
        a + u * (low if u > 0 else high),
        b + v * (low if v > 0 else high),
        c + z * (low if z > 0 else high),
    )


_LOGS = tuple(log(psi) for psi in PSI)


def published(plan: AnalysisPlan, snapshot: MetricsCollected, share: SampleRatio) -> Fields | None:
    """How the requests of this stage were split; None where the weight gives one arm nothing, or does not tell."""
    split, total = snapshot.weight if snapshot.split is None else snapshot.split, share.canary + share.stable
    if not 0 < split < 100 or untested(plan, snapshot):
        return None
    return {
        "canary": share.canary,
        "stable": share.stable,
        "expected": share.expected / total if total else split / 100,
        "log_mismatch": share.log_mismatch,
    }


def mismatch(share: SampleRatio) -> str:
    """the canary gets 30 % of the requests, not 20 % (300 of 1,000 in this stage)."""
    total = max(share.canary + share.stable, 1)
    expected = weight_text(float(f"{100 * share.expected / total:.3g}"))
    got = f"the canary gets {percent(share.canary / total)} of the requests, not {expected}"
    return f"{got} ({share.canary:,} of {total:,} in this stage)"
