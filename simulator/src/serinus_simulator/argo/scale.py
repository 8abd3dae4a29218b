"""How many pods each side of a canary gets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from serinus_simulator.argo.view import ReplicaSetView, RolloutView


def canary_weight(rollout: RolloutView) -> int:
    """The share of the canary's pods that is wanted, in parts of `max_weight`."""
    if rollout.status.get("promoteFull") or not rollout.stable_hash or rollout.fully_promoted:
        return rollout.max_weight
    return rollout.set_weight


def counts(
    rollout: RolloutView,
    new: ReplicaSetView | None,
    stable: ReplicaSetView | None,
    others: Sequence[ReplicaSetView],
) -> tuple[int, int]:
    """The pods that the new and the stable ReplicaSet should have now."""
    if rollout.routing is not None:
        weight = canary_weight(rollout)
        return math.ceil(weight * rollout.replicas / rollout.max_weight), rollout.replicas
    return _basic_counts(rollout, new, stable, others)


def at_desired_counts(
    rollout: RolloutView,
    new: ReplicaSetView | None,
    stable: ReplicaSetView | None,
    others: Sequence[ReplicaSetView],
) -> bool:
    """Whether the canary is as large as its step asks for, so that the step may set its weight and end."""
    wanted_new, wanted_stable = counts(rollout, new, stable, others)
    if new is None or not wanted_new == new.wanted == new.available:
        return False
    if stable is None or not wanted_stable == stable.wanted == stable.replicas:
        return False
    return rollout.routing is not None or not sum(other.available for other in others)


def surge_and_unavailable(rollout: RolloutView) -> tuple[int, int]:
    """How many pods above and how many available ones below the wanted number are allowed."""
    surge = _portion(rollout.canary.get("maxSurge", "25%"), rollout.replicas, math.ceil)
    unavailable = _portion(rollout.canary.get("maxUnavailable", "25%"), rollout.replicas, math.floor)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, rollout.replicas)


def _portion(value: int | str, whole: int, rounding: Any) -> int:
    if isinstance(value, int):
        return value
    return int(rounding(float(value.removesuffix("%")) * whole / 100))


def _basic_counts(
    rollout: RolloutView,
    new: ReplicaSetView | None,
    stable: ReplicaSetView | None,
    others: Sequence[ReplicaSetView],
) -> tuple[int, int]:
    """Without a traffic router the pods are the weight, and no step may leave too few or too many of them."""
    surge, unavailable = surge_and_unavailable(rollout)
    most, least = rollout.replicas + surge, rollout.replicas - unavailable
    new_count = new.wanted if new else 0
    two_sides = stable is not None and (new is None or new.name != stable.name)
    stable_count = stable.wanted if stable is not None and two_sides else 0
    wanted_new, wanted_stable = _nearest_split(rollout.replicas, canary_weight(rollout), surge)
    if not two_sides:
        wanted_new, wanted_stable = rollout.replicas, 0

    old_count = sum(other.wanted for other in others)
    room = most - old_count - new_count - stable_count
    if two_sides and stable_count < wanted_stable and room > 0:
        added = min(room, wanted_stable - stable_count)
        stable_count, room = stable_count + added, room - added
    if new is not None and new_count < wanted_new and room > 0:
        new_count += min(room, wanted_new - new_count)
    if old_count > 0:
        return new_count, stable_count

    growing = new is None or wanted_new >= new.wanted
    spare = _kept(new, not growing) + _kept(stable if two_sides else None, growing) - least
    if spare <= 0:
        return new_count, stable_count
    if not growing and new is not None:
        if new.wanted > wanted_new:
            new_count = max(wanted_new, new.wanted - spare)
        new_count, stable_count = _within_limits(new, stable, new_count, stable_count, most, least)
    elif two_sides and stable is not None:
        if stable.wanted > wanted_stable:
            stable_count = max(wanted_stable, stable.wanted - spare)
        stable_count, new_count = _within_limits(stable, new, stable_count, new_count, most, least)
    return new_count, stable_count


def _kept(side: ReplicaSetView | None, whether_available_or_not: bool) -> int:
    """What a side contributes to the count below which nothing may be taken away."""
    if side is None:
        return 0
    if whether_available_or_not or side.wanted < side.available:
        return side.wanted
    return side.available


def _within_limits(
    drained: ReplicaSetView,
    kept: ReplicaSetView | None,
    drained_count: int,
    kept_count: int,
    most: int,
    least: int,
) -> tuple[int, int]:
    if kept is None:
        return drained_count, kept_count
    kept_count -= max(0, kept_count + drained_count - most)
    available = min(drained.available, drained_count) + min(kept.available, kept_count)
    lost = max(0, kept.available - kept_count)
    kept_count += min(lost, max(0, least - available))
    drained_count -= max(0, kept_count + drained_count - most)
    return drained_count, kept_count


def _nearest_split(replicas: int, weight: int, surge: int) -> tuple[int, int]:
    """The canary's and stable's pods that come nearest to a weight; one pod of each between 1 % and 99 %."""
    if replicas == 0:
        return 0, 0
    exact = replicas * weight / 100
    upper, lower = math.ceil(exact), math.floor(exact)
    none_allowed = weight in (0, 100) or (replicas == 1 and surge == 0)
    options: list[tuple[int, int]] = []
    for total in (replicas, replicas + 1) if surge else (replicas,):
        tied = math.modf(total * weight / 100)[0] == 0.5
        if total > replicas or upper < replicas or none_allowed:
            options.append((upper, total))
        if not tied and (lower != 0 or none_allowed):
            options.append((lower, total))
    if not options:
        return 0, replicas
    canary, total = min(options, key=lambda option: abs(option[0] * 100 / option[1] - weight))
    return canary, total - canary
