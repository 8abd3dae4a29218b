from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_simulator.argo.scale import counts, surge_and_unavailable
from serinus_simulator.argo.view import HASH_LABEL, ReplicaSetView, RolloutView


def rollout(replicas: int, weight: int, *, routing: bool, **canary: Any) -> RolloutView:
    strategy: dict[str, Any] = {"steps": [{"setWeight": weight}], **canary}
    if routing:
        strategy["trafficRouting"] = {"nginx": {}}
    return RolloutView(
        {
            "metadata": {"name": "a", "namespace": "shop", "uid": "u", "generation": 1},
            "spec": {"replicas": replicas, "strategy": {"canary": strategy}},
            "status": {"stableRS": "old", "currentPodHash": "new", "currentStepIndex": 0},
        }
    )


def replica_set(name: str, wanted: int, available: int) -> ReplicaSetView:
    return ReplicaSetView(
        {
            "metadata": {"name": name, "labels": {HASH_LABEL: name}},
            "spec": {"replicas": wanted},
            "status": {"replicas": wanted, "availableReplicas": available},
        }
    )


@pytest.mark.parametrize(("weight", "expected"), [(0, 0), (1, 1), (5, 1), (25, 1), (26, 2), (50, 2), (100, 4)])
def test_with_routing_the_canary_is_as_large_as_its_weight_and_stable_stays_whole(weight: int, expected: int) -> None:
    view = rollout(4, weight, routing=True)
    assert counts(view, replica_set("new", 0, 0), replica_set("old", 4, 4), []) == (expected, 4)


@pytest.mark.parametrize(
    ("replicas", "weight", "expected"),
    [(10, 10, (1, 9)), (4, 5, (1, 4)), (4, 25, (1, 3)), (4, 50, (2, 2)), (4, 100, (4, 0)), (4, 0, (0, 4))],
)
def test_without_routing_pods_move_to_the_nearest_share_in_small_steps(
    replicas: int, weight: int, expected: tuple[int, int]
) -> None:
    view = rollout(replicas, weight, routing=False)
    new, stable = replica_set("new", 0, 0), replica_set("old", replicas, replicas)
    for _ in range(20):
        wanted = counts(view, new, stable, [])
        new, stable = replica_set("new", wanted[0], wanted[0]), replica_set("old", wanted[1], wanted[1])
    assert wanted == expected


@given(
    st.integers(1, 20),
    st.integers(0, 100),
    st.integers(0, 25),
    st.integers(0, 25),
    st.integers(0, 25),
    st.integers(0, 25),
)
def test_without_routing_no_step_makes_too_many_pods_or_takes_too_many_away(
    replicas: int, weight: int, new_wanted: int, new_available: int, stable_wanted: int, stable_available: int
) -> None:
    view = rollout(replicas, weight, routing=False)
    surge, unavailable = surge_and_unavailable(view)
    new_available, stable_available = min(new_available, new_wanted), min(stable_available, stable_wanted)
    new, stable = replica_set("new", new_wanted, new_available), replica_set("old", stable_wanted, stable_available)
    new_count, stable_count = counts(view, new, stable, [])
    assert new_count >= 0
    assert stable_count >= 0
    assert new_count + stable_count <= max(replicas + surge, new_wanted + stable_wanted)
    available = new_available + stable_available
    left = min(new_available, new_count) + min(stable_available, stable_count)
    assert left >= min(available, replicas - unavailable, new_count + stable_count)


@pytest.mark.parametrize(
    ("canary", "expected"),
    [({}, (1, 1)), ({"maxSurge": 3, "maxUnavailable": 0}, (3, 0)), ({"maxSurge": 0, "maxUnavailable": "0%"}, (0, 1))],
)
def test_surge_and_unavailable_are_a_quarter_unless_said(canary: dict[str, Any], expected: tuple[int, int]) -> None:
    assert surge_and_unavailable(rollout(4, 5, routing=False, **canary)) == expected
