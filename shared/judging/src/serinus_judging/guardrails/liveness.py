"""Canary pods that crash or do not serve hide errors, so nothing proceeds meanwhile (docs/explanation/judging.md,
"Liveness").

A pod crash loops if it restarted twice or more and the last time is less than ten minutes ago, after which Kubernetes
forgets its back-off too. It is dead if it was not ready for as long as it may take to warm up, and for two snapshots.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from serinus_contracts.events import MetricsCollected, Pod
from serinus_contracts.plan import AnalysisPlan
from serinus_contracts.wording import duration, minute, names

from serinus_judging.guardrails.memory import Trouble, identity

LOOPS = 2
CALM = 600_000
"""Milliseconds without a restart after which a pod is not looping any more."""
MAX_TROUBLES = 16
"""Pods in trouble that are remembered, the worst first."""
MAX_NAMED = 3


class Liveness(NamedTuple):
    """What is wrong with the canary's pods, in words and by name; empty if nothing is."""

    text: str = ""
    pods: tuple[str, ...] = ()


def pods_in_trouble(
    known: Sequence[Trouble], plan: AnalysisPlan, snapshot: MetricsCollected
) -> tuple[tuple[Trouble, ...], Liveness]:
    """The pods in trouble after a snapshot, and what is wrong. Without pods in the snapshot nothing is known."""
    canary = [pod for pod in snapshot.pods if pod.arm == "canary"]
    if not canary:
        absent = bool(snapshot.pods) and snapshot.weight > 0 and snapshot.stage >= 0
        return (), Liveness(f"none of {len(snapshot.pods)} pods is of the canary" if absent else "")
    suspects = [pod for pod in canary if pod.restarts > 0 or not pod.ready]
    if not suspects:
        return (), Liveness()
    before, end = {one.pod: one for one in known}, snapshot.end
    found = [(pod, _trouble(pod, before, end)) for pod in suspects]
    found.sort(key=lambda each: (-each[1].restarts, each[1].unready or end, each[1].pod))
    looping = [(pod, one) for pod, one in found if one.restarts >= LOOPS and end - one.restarted < CALM]
    patience = 1000 * max(plan.warmup, plan.interval)
    dead = [(pod, one) for pod, one in found if one.unready and end - one.unready >= patience]
    parts = []
    if looping:
        worst = looping[0][1]
        parts.append(f"{_of(looping, canary)} restarted {worst.restarts} times, last seen at {minute(worst.restarted)}")
    if dead:
        longest = min(one.unready for _, one in dead)
        parts.append(f"{_of(dead, canary)} not ready for {duration((end - longest) / 1000)}")
    ill = tuple(dict.fromkeys(pod.name for pod, _ in (*looping, *dead)))
    return tuple(one for _, one in found[:MAX_TROUBLES]), Liveness("; ".join(parts), ill)


def _trouble(pod: Pod, known: Mapping[int, Trouble], end: int) -> Trouble:
    name = identity(pod.name)
    before = known.get(name)
    grown = pod.restarts > (before.restarts if before else 0)
    restarted = end if grown else before.restarted if before and pod.restarts else 0
    unready = 0 if pod.ready else before.unready if before and before.unready else end
    return Trouble(name, min(pod.restarts, 65_535), restarted, unready)


def _of(ill: Sequence[tuple[Pod, Trouble]], canary: Sequence[Pod]) -> str:
    told = [pod.name for pod, _ in ill[:MAX_NAMED]]
    more = len(ill) - len(told)
    listed = names([*told, f"{more} more"] if more else told)
    return f"{listed} ({len(ill)} of {len(canary)} canary pods)" if len(canary) > 1 else listed
