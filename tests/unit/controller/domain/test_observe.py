from typing import Any

from serinus_contracts import Pod, RolloutObserved
from serinus_contracts.base import Arm
from serinus_controller.domain.observe import Observation, observe, outcome_of
from serinus_rollouts.rollout import RolloutView

from tests.support import RUN, plan
from tests.unit.rollouts.objects import ABORTED, UNPAUSING, at, step

PODS = [Pod(name="checkout-new-1", arm="canary", ready=True), Pod(name="checkout-old-1", arm="stable", ready=True)]


def seen(view: RolloutView, before: RolloutObserved | None = None, at_ms: int = 1_000_500, **how: Any) -> Observation:
    consistent = how.pop("consistent", at_ms)
    pods = how.pop("pods", PODS)
    return observe(view, RUN, plan(), pods, "7", before, seen=at_ms, consistent=consistent, **how)


def test_a_weight_in_force_is_known_up_to_the_start_of_a_consistent_read() -> None:
    found = seen(at(), consistent=1_000_400)
    assert found.constant_until == 1_000_400
    assert (found.event.steady, found.event.stage, found.event.set_weight, found.event.actual_weight) == (True, 0, 5, 5)


def test_a_watch_event_alone_does_not_say_that_the_weight_still_holds() -> None:
    assert seen(at(), consistent=None).constant_until is None


def test_while_a_weight_is_being_set_nothing_is_known_of_it() -> None:
    setting = at(status={"currentStepIndex": 2, "pauseConditions": None})
    assert seen(setting).constant_until is None
    lagging = at(status={"canary": {"weights": {"canary": {"weight": 5, "podTemplateHash": "older"}}}})
    assert seen(lagging).constant_until is None
    assert lagging.step == 1
    broken = at(status={"canary": {"weights": {"canary": {"weight": 0, "podTemplateHash": "new"}}}})
    assert seen(broken).constant_until is None


def test_a_stage_keeps_its_start_while_its_weight_holds() -> None:
    first = seen(at()).event
    later = seen(at(status=UNPAUSING), first, 1_050_000)
    assert later.event.stage_started == first.stage_started


def test_a_change_of_weight_starts_another_stage() -> None:
    first = seen(at()).event
    between = seen(at(status={"currentStepIndex": 2, "pauseConditions": None}), first, 1_040_000).event
    after = seen(step(3, 25, status={"pauseConditions": None}), between, 1_050_000).event
    assert (after.stage, after.stage_started) == (1, 1_050_000)


def test_a_controller_that_was_away_learns_from_the_pause_since_when_the_weight_holds() -> None:
    assert seen(at(), None, 5_000_000).event.stage_started == 1_000_000


def test_a_weight_that_was_lost_for_a_while_starts_the_stage_anew_when_it_is_back() -> None:
    """A canary whose pods break while paused: the weight goes to 0, the phase stays Paused at its index."""
    paused = {"pauseConditions": None}
    first = seen(at(status=paused)).event
    broken = seen(
        at(status={**paused, "canary": {"weights": {"canary": {"weight": 0, "podTemplateHash": "new"}}}}), first
    )
    back = seen(at(status=paused), broken.event, 1_090_000).event
    assert back.stage_started == 1_090_000


def test_another_pause_at_the_same_step_means_that_the_run_was_elsewhere_in_between() -> None:
    first = seen(at()).event
    again = {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "1970-01-01T00:20:00Z"}]}
    opened = seen(at(status=UNPAUSING), first, 1_100_000).event
    for before in (first, opened):
        assert seen(at(status=again), before, 1_300_000).event.stage_started == 1_201_000


def test_a_step_that_was_seen_before_its_first_pause_keeps_the_start_of_its_stage() -> None:
    early = seen(at(status=UNPAUSING), None, 999_000).event
    assert seen(at(), early).event.stage_started == 999_000


def test_without_traffic_routing_the_share_of_ready_pods_is_the_weight() -> None:
    bare = at(spec={"strategy": {"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}}}, status={"canary": {}})
    pods = [Pod(name=f"p{i}", arm="stable", ready=True) for i in range(3)]
    found = seen(bare, pods=[*pods, Pod(name="c", arm="canary", ready=True)]).event
    assert (found.set_weight, found.actual_weight, found.steady) == (25, 25, True)
    assert not seen(bare, pods=[*pods, Pod(name="c", arm="canary", ready=False)]).event.steady


def test_a_run_ends_promoted_aborted_or_superseded() -> None:
    assert outcome_of(RUN, at()) is None
    assert outcome_of(RUN, at(status={"stableRS": "new"})) == "promoted"
    assert outcome_of(RUN, at(status=ABORTED)) == "aborted"
    assert outcome_of(RUN, at(status={"currentPodHash": "newer"})) == "superseded"
    assert outcome_of(RUN, at(status={"currentPodHash": "old"})) == "superseded"


def test_what_an_arm_runs_is_known_also_while_it_has_no_pods() -> None:
    both: dict[Arm, tuple[str, ...]] = {"canary": ("shop:v2",), "stable": ("shop:v1",)}
    first = seen(at(), images=both).event
    assert first.images == both
    assert seen(at(), first, images={"stable": ("shop:v1",)}).event.images == both


BARE = at(spec={"strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}]}}}, status={"canary": {}})


def bare_pods(canary: int, stable: int) -> list[Pod]:
    arms: list[tuple[Arm, int]] = [("canary", canary), ("stable", stable)]
    return [Pod(name=f"{arm}-{i}", arm=arm, ready=True) for arm, count in arms for i in range(count)]


def test_a_pod_more_in_the_same_stage_is_another_split_since_then() -> None:
    first = seen(BARE, pods=bare_pods(1, 4)).event
    assert (first.set_weight, first.actual_weight, first.split_since) == (5, 20, None)
    still = seen(BARE, first, 1_020_000, pods=bare_pods(1, 4)).event
    scaled = seen(BARE, still, 1_050_000, pods=bare_pods(1, 7)).event
    later = seen(BARE, scaled, 1_090_000, pods=bare_pods(1, 7)).event
    assert (still.split_since, scaled.actual_weight, scaled.split_since) == (None, 12.5, 1_050_000)
    assert (later.stage_started, later.split_since) == (first.stage_started, 1_050_000)


def test_a_mirror_that_ends_in_a_stage_is_another_split_since_then() -> None:
    match = [{"method": {"exact": "GET"}}]
    steps: list[dict[str, Any]] = [
        {"setMirrorRoute": {"name": "m", "match": match}}, {"setWeight": 5}, {"pause": {}},
        {"setMirrorRoute": {"name": "m"}}, {"pause": {}},
    ]  # fmt: skip
    spec = {"strategy": {"canary": {"steps": steps, "trafficRouting": {"istio": {}}}}}
    mirrored = seen(at(spec=spec, status={"currentStepIndex": 2})).event
    after = seen(at(spec=spec, status={"currentStepIndex": 4}), mirrored, 1_050_000).event
    assert (mirrored.routes, mirrored.steady, mirrored.split_since) == (("mirror",), True, None)
    assert (after.routes, after.split_since) == ((), 1_050_000)


def test_while_an_experiment_gets_traffic_the_split_is_of_what_is_left() -> None:
    weights = {
        "canary": {"weight": 5, "podTemplateHash": "new"},
        "stable": {"weight": 45},
        "additional": [{"weight": 50}],
    }
    found = seen(at(status={"canary": {"weights": weights}})).event
    assert (found.actual_weight, found.split, found.steady) == (5, 10, True)
