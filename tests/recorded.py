"""Looks of one run with counts that are the same every time, for whatever judges or shows recorded looks."""

from serinus_contracts import AnalysisPlan, Distribution, History, MetricsCollected, Proportion, Window

from tests.support import ERRORS, LATENCY, plan, snapshot

START = 1_700_000_100_000
BLOCK = 300_000
POLICY = """\
apiVersion: serinus.dev/v1alpha1
kind: CanaryPolicy
metadata: {name: shop}
spec:
  match: {namespace: shop}
  mode: enforce
  interval: 1s
  settle: 1s
  minimum: 5s
  maximum: 1m
  metrics:
  - {name: errors, preset: http-errors, margin: {ratio: 1.25, absolute: 0.001}, critical: true}
  - {name: latency, preset: http-latency, margin: {ratio: 1.2}}
"""

MANIFEST = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {}}, {setWeight: 25}, {pause: {}}, {setWeight: 50}, {pause: {}}]}}
"""


def recorded_plan() -> AnalysisPlan:
    return plan(metrics=(ERRORS, LATENCY))


def snapshots(worse_at: int = 50, history: bool = True) -> list[MetricsCollected]:
    """Eight looks a second apart at 5, 25 and 50 %, the first while the stage settles.

    4,000 requests a second, of which 0.2 % fail; of the canary's 1.5 % from the stage of weight `worse_at` on.
    """
    found: list[MetricsCollected] = []
    follows = 0
    for stage, weight in enumerate((5, 25, 50)):
        started = START + stage * 8_000
        for number in range(8):
            end = started + 1_000 * (number + 1)
            window = Window(begin=end - 1_000, end=end)
            n, m = 40 * weight, 4_000 - 40 * weight
            x, y = round(n * (0.015 if weight >= worse_at else 0.002)), round(m * 0.002)
            errors = Proportion(
                status="ok", window=window, canary={"checkout-new-1": (x, n)}, stable={"checkout-old-1": (y, m)}
            )
            latency = Distribution(
                status="ok", window=window, edges=(0.05, 0.1, 0.2, 0.4), canary=_durations(n), stable=_durations(m)
            )
            waiting = {"errors": Proportion(status="settling"), "latency": Distribution(status="settling")}
            first = {"errors": _past()} if history and not follows else {}
            found.append(
                snapshot(
                    follows,
                    end,
                    step=2 * stage + 1,
                    stage=stage,
                    stage_started=started,
                    weight=weight,
                    plan=recorded_plan().digest,
                    metrics={"errors": errors, "latency": latency} if number else waiting,
                    history=first,
                )
            )
            follows = end
    return found


def _durations(requests: int) -> tuple[int, ...]:
    shares = [round(requests * share) for share in (0.5, 0.3, 0.14, 0.05)]
    return (*shares, requests - sum(shares))


def _past() -> History:
    """A day of four pods whose errors differ a little from block to block."""
    ends = tuple(range(START - 287 * BLOCK, START + 1, BLOCK))
    blocks = tuple(tuple((600 + 12 * ((i * 7 + pod * 3) % 5 - 2), 300_000) for pod in range(4)) for i in range(288))
    return History(pods=tuple(f"checkout-old-{pod}" for pod in range(4)), ends=ends, blocks=blocks)
