"""Laws that hold whatever people do to a Rollout, in whatever order and at whatever moments."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serinus_simulator.argo.view import HASH_LABEL, SCALE_DOWN_DEADLINE
from serinus_simulator.kubernetes.failures import ApiError
from serinus_simulator.kubernetes.kinds import INGRESSES, PODS, REPLICA_SETS, ROLLOUTS
from serinus_simulator.kubernetes.objects import Change

from tests.unit.simulator.worlds import STEPS, Handled


def skip(handled: Handled) -> None:
    """A promote of Argo's CLI where nothing is paused: never back, and never beyond the steps that there are."""
    last = len(handled.rollout["spec"]["strategy"]["canary"]["steps"])
    handled.set_status(currentStepIndex=min(handled.status.get("currentStepIndex", 0) + 1, last), pauseConditions=None)


ACTIONS: dict[str, Callable[[Handled], Any]] = {
    "promote": lambda handled: handled.promote(0),
    "skip": skip,
    "abort": lambda handled: handled.set_status(abort=True),
    "retry": lambda handled: handled.set_status(abort=False),
    "promote full": lambda handled: handled.set_status(promoteFull=True),
    "release": lambda handled: handled.release(f"v{handled.world.store.revision}", 0),
    "release broken": lambda handled: handled.release("v0-never-ready", 0),
    "roll back": lambda handled: handled.release("v1", 0),
    "pause": lambda handled: handled.set_spec(paused=True),
    "resume": lambda handled: handled.set_spec(paused=False),
    "scale": lambda handled: handled.set_spec(replicas=2 + handled.world.store.revision % 5),
    "edit steps": lambda handled: handled.set_spec(strategy={"canary": {"steps": [{"setWeight": 30}, {"pause": {}}]}}),
    "edit back": lambda handled: handled.set_spec(strategy={"canary": {"steps": STEPS}}),
    "restart": lambda handled: handled.world.restart_pod("shop", "checkout", "stable", 0),
}
RARELY_SCRAPED = {"prometheus": {"scrape_interval": 600, "retention": 3600}}
moments = st.sampled_from([0.0, 0.004, 0.011, 0.05, 0.3, 2.0, 40.0])
GUARDED = ["promote", "release", "scale", "restart", "abort", "retry"]
histories = st.lists(st.tuples(st.sampled_from(sorted(ACTIONS)), moments), max_size=12)


def live(history: list[tuple[str, float]], **rollout: Any) -> Handled:
    argo = {"lose_promotes": 0.2, "lose_aborts": 0.2, "repauses": 0.1}
    handled = Handled({"argo": argo, **RARELY_SCRAPED}, **rollout)
    handled.advance(1)
    act(handled, history)
    return handled


def waits_for_good(handled: Handled) -> bool:
    """Argo never takes back the deadline of an aborted ReplicaSet that has ended, and while a ReplicaSet of neither
    arm has one it lets the progress deadline pass."""
    arms = {handled.status["stableRS"], handled.status["currentPodHash"]}
    others = [one["metadata"] for one in handled.world.store.objects(REPLICA_SETS)]
    return any(
        SCALE_DOWN_DEADLINE in one.get("annotations", {}) for one in others if one["labels"][HASH_LABEL] not in arms
    )


def act(handled: Handled, history: list[tuple[str, float]]) -> None:
    for action, wait in history:
        with contextlib.suppress(ApiError):  # a promote where nothing is paused is refused
            ACTIONS[action](handled)
        handled.advance(wait)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories, st.sampled_from(["nginx", "none"]))
def test_everything_comes_to_rest_and_says_what_is(history: list[tuple[str, float]], routing: str) -> None:
    handled = live(history, routing=routing, spec={"progressDeadlineSeconds": 20})
    handled.set_spec(paused=False)
    handled.set_status(message="nudge")
    handled.advance(200)
    handled.set_status(message="nudge again")
    handled.advance(200)
    revision = handled.world.store.revision
    handled.advance(1000)
    assert handled.world.store.revision == revision
    rollout, status = handled.rollout, handled.status
    assert status["observedGeneration"] == str(rollout["metadata"]["generation"])
    assert status["phase"] in ("Healthy", "Paused", "Degraded", *(["Progressing"] if waits_for_good(handled) else []))
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert 0 <= status["currentStepIndex"] <= len(steps)
    promoted = status["stableRS"] == status["currentPodHash"]
    assert (status["phase"] == "Healthy") is promoted
    if promoted:
        assert status["currentStepIndex"] == len(steps)
    if status["phase"] == "Paused":
        assert status["pauseConditions"]
        # A pause that Argo wrote while the step moved on stays until the step it fell upon is complete.
        unready = status.get("availableReplicas", 0) < rollout["spec"]["replicas"]
        assert "pause" in steps[status["currentStepIndex"]] or unready
    weights = status["canary"].get("weights")
    assert (weights is None) is (routing == "none")
    if weights is not None:
        ingress = handled.world.store.get(INGRESSES, "shop", "checkout-checkout-canary")["metadata"]["annotations"]
        assert ingress["nginx.ingress.kubernetes.io/canary-weight"] == str(weights["canary"]["weight"])
        assert weights["canary"]["weight"] + weights["stable"]["weight"] == 100
        assert weights["canary"]["weight"] == (0 if status["phase"] != "Paused" else handled.app.weight)
    assert len(handled.world.store.objects(PODS)) == status["replicas"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(GUARDED), moments), max_size=12))
def test_guarded_promotes_never_skip_a_step(history: list[tuple[str, float]]) -> None:
    handled = Handled({"argo": {"lose_promotes": 0.2, "repauses": 0.2}, **RARELY_SCRAPED})
    indices: list[tuple[str, int]] = []

    def see(change: Change) -> None:
        status = (change.new or {}).get("status") or {}
        if status.get("stableRS") and status["stableRS"] != status["currentPodHash"]:
            indices.append((status["currentPodHash"], status["currentStepIndex"]))

    handled.world.store.subscribe(ROLLOUTS, see)
    handled.advance(1)
    act(handled, history)
    handled.advance(10)
    for (before, index), (after, later) in itertools.pairwise(indices):
        assert later in (0, index, index + 1) or before != after
