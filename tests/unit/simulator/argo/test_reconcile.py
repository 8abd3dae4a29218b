from __future__ import annotations

from typing import Any

import pytest
from serinus_simulator.argo.view import seconds
from serinus_simulator.kubernetes.kinds import INGRESSES, PODS, ROLLOUTS, SERVICES
from serinus_simulator.kubernetes.objects import Change

from tests.unit.simulator.worlds import Handled


@pytest.mark.parametrize(
    ("duration", "expected"),
    [(3, 3.0), ("3", 3.0), ("3s", 3.0), ("1m30s", 90.0), ("1h", 3600.0), ("1500ms", 1.0), ("3 s", -1.0), ("x", -1.0)],
)
def test_pauses_last_a_number_of_seconds_or_what_their_units_say(duration: int | str, expected: float) -> None:
    assert seconds(duration) == expected


def test_a_whole_release_goes_step_by_step_and_rests_at_weight_zero() -> None:
    handled = Handled()
    handled.advance(2)
    assert handled.status["phase"] == "Healthy"
    handled.release()
    seen = []
    for _ in range(3):
        seen.append((handled.status["currentStepIndex"], handled.status["canary"]["weights"]["canary"]["weight"]))
        assert handled.status["phase"] == "Paused"
        handled.promote()
    assert seen == [(1, 5), (3, 25), (5, 50)]
    assert handled.status["phase"] == "Healthy"
    assert handled.status["stableRS"] == handled.status["currentPodHash"]
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 0
    assert len(handled.world.store.objects(PODS)) == 8
    handled.advance(35)
    assert len(handled.world.store.objects(PODS)) == 4


def test_the_ingress_has_its_weight_before_the_status_says_so() -> None:
    handled, order = Handled(), list[tuple[str, int]]()
    handled.advance(2)

    def of_ingress(change: Change) -> None:
        annotations = change.last["metadata"].get("annotations") or {}
        order.append(("ingress", int(annotations["nginx.ingress.kubernetes.io/canary-weight"])))

    def of_status(change: Change) -> None:
        order.append(("status", change.last["status"]["canary"]["weights"]["canary"]["weight"]))

    handled.world.store.subscribe(INGRESSES, of_ingress)
    handled.world.store.subscribe(ROLLOUTS, of_status)
    handled.release()
    assert order.index(("ingress", 5)) < order.index(("status", 5))


def test_a_promotion_while_argo_only_scales_makes_one_step_and_no_second_pause() -> None:
    """Argo's passes are as long as their `delay`: each tenth of one is tried, so that one falls into the scaling."""
    for tenths in range(30):
        handled = Handled({"argo": {"delay": 0.1}})
        handled.advance(4)
        handled.release(seconds=4)
        started = handled.status["pauseConditions"][0]["startTime"]
        handled.set_spec(replicas=6)
        handled.advance(tenths / 100)
        assert handled.status["pauseConditions"][0]["startTime"] == started
        handled.promote(seconds=8)
        assert (handled.status["phase"], handled.status["currentStepIndex"]) == ("Paused", 3), tenths


def test_a_retry_brings_the_old_hash_back() -> None:
    handled = Handled()
    handled.advance(2)
    handled.release()
    released = handled.status["currentPodHash"]
    handled.set_status(abort=True)
    handled.advance(1)
    assert (handled.status["phase"], handled.status["currentStepIndex"]) == ("Degraded", 0)
    handled.set_status(abort=False)
    handled.advance(1)
    assert handled.status["currentPodHash"] == released
    assert handled.status["abort"] is False
    assert (handled.status["phase"], handled.status["currentStepIndex"]) == ("Paused", 1)


def test_pods_that_break_during_a_pause_take_the_weight_to_zero_but_not_the_pause_away() -> None:
    handled = Handled()
    handled.advance(2)
    handled.release()
    handled.world.restart_pod("shop", "checkout", "canary", 0)
    handled.advance(0.5)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 0
    assert (handled.status["phase"], handled.status["currentStepIndex"]) == ("Paused", 1)
    handled.advance(2)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 5


def test_without_steps_a_new_image_is_promoted_at_once() -> None:
    handled = Handled(steps=[])
    handled.advance(2)
    handled.release(seconds=3)
    assert handled.status["phase"] == "Healthy"
    assert "currentStepIndex" not in handled.status


def test_with_no_delay_at_all_everything_still_comes_to_rest() -> None:
    pods = {"ready_after": 0, "terminate_after": 0, "restart_takes": 0}
    handled = Handled({"argo": {"delay": 0}, "pods": pods})
    handled.advance(0)
    assert handled.status["phase"] == "Healthy"
    handled.release(seconds=0)
    for _ in range(3):
        assert handled.status["phase"] == "Paused"
        handled.promote(seconds=0)
    assert handled.status["phase"] == "Healthy"
    handled.release("v3", seconds=0)
    handled.set_status(abort=True)
    handled.advance(0)
    assert handled.status["phase"] == "Degraded"


@pytest.mark.parametrize(
    ("canary", "part"),
    [
        (
            {"steps": [{"setCanaryScale": {}}]},
            "steps[0]: the simulator knows setWeight, pause, analysis",
        ),
        ({"steps": [{"setWeight": 5, "pause": {}}]}, "steps[0]"),
        ({"trafficRouting": {"istio": {}}}, "knows nginx and istio only"),
        ({"stableService": "missing"}, 'service "missing" not found'),
        ({"trafficRouting": {"nginx": {"stableIngress": "missing"}}}, 'ingress "missing" not found'),
        ({"steps": [{"setWeight": 150}]}, "Invalid value: 150: SetWeight needs to be between 0 and 100"),
        ({"dynamicStableScale": True}, "dynamicStableScale: the simulator does not know it"),
    ],
)
def test_what_it_does_not_know_is_an_invalid_spec_and_heals_when_it_is_taken_back(
    canary: dict[str, Any], part: str
) -> None:
    handled = Handled()
    handled.advance(2)
    before = handled.rollout["spec"]["strategy"]["canary"]
    handled.set_spec(strategy={"canary": {"trafficRouting": None} | canary})
    handled.advance(1)
    assert handled.status["phase"] == "Degraded"
    assert handled.status["message"].startswith('InvalidSpec: The Rollout "checkout" is invalid: ')
    assert part in handled.status["message"]
    handled.set_spec(strategy={"canary": None})
    handled.set_spec(strategy={"canary": before})
    handled.advance(2)
    assert handled.status["phase"] == "Healthy"


def test_an_ingress_has_the_rollouts_own_prefix_and_annotations() -> None:
    handled = Handled()
    handled.advance(2)
    nginx = {"annotationPrefix": "my.nginx", "additionalIngressAnnotations": {"canary-by-header": "X-Canary"}}
    handled.set_spec(strategy={"canary": {"trafficRouting": {"nginx": nginx}}})
    handled.advance(1)
    handled.release()
    annotations = handled.world.store.get(INGRESSES, "shop", "checkout-checkout-canary")["metadata"]["annotations"]
    assert annotations["my.nginx/canary-by-header"] == "X-Canary"
    assert annotations["my.nginx/canary-weight"] == "5"
    assert handled.app.weight == 5


def test_an_aborted_canarys_service_goes_back_to_stable_and_stays_there() -> None:
    handled = Handled()
    handled.advance(2)
    handled.release()
    handled.set_status(abort=True)
    handled.advance(1)
    before = handled.world.store.revision
    handled.advance(20)
    selector = handled.world.store.get(SERVICES, "shop", "checkout-canary")["spec"]["selector"]
    assert selector["rollouts-pod-template-hash"] == handled.status["stableRS"]
    assert handled.world.store.revision == before


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_promotes_are_lost_as_often_as_is_set(probability: float) -> None:
    steps = [{"setWeight": 5}, *({"pause": {}} for _ in range(60))]
    handled = Handled({"argo": {"lose_promotes": probability}}, steps=steps)
    handled.advance(2)
    handled.release()
    lost = 0
    for _ in range(50):
        before = handled.status["currentStepIndex"]
        handled.promote(seconds=2)
        if handled.status["currentStepIndex"] == before:
            lost += 1
            handled.set_status(message=f"nudge {lost}")
            handled.advance(2)
        assert handled.status["currentStepIndex"] == before + 1
    assert lost == pytest.approx(50 * probability, abs=10 * (0 < probability < 1))


def test_a_broken_canary_after_an_aborted_one_that_has_ended_never_comes_to_its_deadline() -> None:
    """As in Argo: the deadline of the aborted ReplicaSet stays on it, and is waited for."""
    handled = Handled(spec={"progressDeadlineSeconds": 20})
    handled.advance(2)
    handled.release()
    handled.set_status(abort=True)
    handled.advance(60)
    handled.release("v3-never-ready", 600)
    assert handled.status["phase"] == "Progressing"
    fresh = Handled(spec={"progressDeadlineSeconds": 20})
    fresh.advance(2)
    fresh.release("v3-never-ready", 600)
    assert fresh.status["phase"] == "Degraded"


def lacking_its_canary_service() -> tuple[Handled, Any]:
    """A run at 5 % in which nobody has noticed yet that the Service is gone, and what it was."""
    handled = Handled()
    handled.advance(2)
    handled.release()
    gone = handled.world.store.get(SERVICES, "shop", "checkout-canary")
    handled.world.store.delete(SERVICES, "shop", "checkout-canary")
    handled.advance(1)
    return handled, gone


def give_back(handled: Handled, selector: dict[str, str]) -> None:
    service = {"metadata": {"name": "checkout-canary"}, "spec": {"selector": selector}}
    handled.world.store.create(SERVICES, "shop", service)


def test_while_its_canary_service_is_missing_nothing_is_done_and_then_a_standing_abort() -> None:
    handled, gone = lacking_its_canary_service()
    handled.set_status(abort=True)
    handled.advance(60)
    assert handled.status["phase"] == "Degraded"
    assert handled.status["message"].startswith("InvalidSpec: ")
    assert (handled.status["currentStepIndex"], handled.status["abort"]) == (1, True)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 5
    give_back(handled, gone["spec"]["selector"])
    handled.advance(1)
    assert handled.status["message"].startswith("RolloutAborted: ")
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 0


def test_a_service_that_goes_or_comes_back_without_a_hash_is_seen_when_the_rollout_is_next_looked_at() -> None:
    handled, gone = lacking_its_canary_service()
    assert handled.status["phase"] == "Paused"
    handled.set_status(abort=True)
    handled.advance(1)
    assert handled.status["message"].startswith("InvalidSpec: ")
    give_back(handled, {key: value for key, value in gone["spec"]["selector"].items() if key == "app"})
    handled.advance(15)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 5
    handled.advance(5)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 0


def test_an_ingress_that_comes_back_is_seen_at_once() -> None:
    handled = Handled()
    handled.advance(2)
    handled.release()
    gone = handled.world.store.get(INGRESSES, "shop", "checkout")
    handled.world.store.delete(INGRESSES, "shop", "checkout")
    handled.set_status(abort=True)
    handled.advance(1)
    assert handled.status["message"].startswith("InvalidSpec: ")
    handled.world.store.create(INGRESSES, "shop", {"metadata": {"name": "checkout"}, "spec": gone["spec"]})
    handled.advance(1)
    assert handled.status["canary"]["weights"]["canary"]["weight"] == 0
