from __future__ import annotations

import dataclasses

import pytest
from serinus_simulator.kubernetes.kinds import INGRESSES
from serinus_simulator.world.states import Served

from tests.unit.simulator.worlds import Handled

TRAFFIC = {"requests_per_second": 10_000, "error_rate": 0.002}


def exposed(handled: Handled) -> tuple[int, int]:
    """Requests and errors that the released revision has served."""
    served = handled.app.served().get(handled.status["currentPodHash"], Served())
    return served.requests, served.errors


def test_before_anything_is_ready_nobody_is_served() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(0.1)
    assert set(handled.app.served().values()) == {Served()}
    handled.advance(0.9)
    assert handled.app.unserved == pytest.approx(10_000 * 0.22, rel=0.2)


def test_all_requests_of_a_stable_rollout_are_spread_evenly_over_its_pods() -> None:
    handled = Handled(traffic=TRAFFIC, replicas=5)
    handled.advance(20)
    handled.app.served()
    counts = [state.counters.total.requests for state in handled.app.pods.values()]
    assert len(counts) == 5
    assert counts == pytest.approx([2000 * 19.75] * 5, rel=0.05)


def test_the_canary_gets_the_share_that_its_ingress_gives_it() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(2)
    handled.release()
    assert handled.status["currentStepIndex"] == 1
    before = exposed(handled)[0]
    total = sum(one.requests for one in handled.app.served().values())
    handled.advance(100)
    served = exposed(handled)[0] - before
    assert served == pytest.approx(0.05 * 10_000 * 100, rel=0.05)
    whole = sum(one.requests for one in handled.app.served().values()) - total
    assert whole == pytest.approx(10_000 * 100, rel=0.01)


def test_counts_before_a_change_of_weight_are_drawn_under_the_old_one() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(2)
    handled.release()
    handled.advance(100)
    name = "checkout-checkout-canary"
    weight = "nginx.ingress.kubernetes.io/canary-weight"
    before = {state.name: state.counted_to for state in handled.app.pods.values()}
    handled.world.store.modify(
        INGRESSES,
        "shop",
        name,
        lambda old: old | {"metadata": old["metadata"] | {"annotations": {weight: "50"}}},
    )
    assert all(state.counted_to > before[state.name] for state in handled.app.pods.values())
    drawn = sum(
        s.counters.total.requests for s in handled.app.pods.values() if s.hash == handled.status["currentPodHash"]
    )
    assert drawn == pytest.approx(0.05 * 10_000 * 100, rel=0.05)
    assert handled.app.weight == 50


def test_without_routing_the_share_is_that_of_the_pods() -> None:
    handled = Handled(traffic=TRAFFIC, routing="none")
    handled.advance(2)
    handled.release()
    before = exposed(handled)[0]
    handled.advance(50)
    assert exposed(handled)[0] - before == pytest.approx(10_000 * 50 / 5, rel=0.05)


def test_after_an_abort_the_canary_is_served_nothing_more() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(2)
    handled.release()
    handled.set_status(abort=True)
    handled.advance(1)
    before = exposed(handled)[0]
    handled.advance(60)
    assert exposed(handled)[0] == before > 0


def test_a_change_from_a_weight_on_does_nothing_below_it() -> None:
    handled = Handled(traffic=TRAFFIC, canary=[{"from": {"weight": 25}, "error_rate": 0.05}])
    handled.advance(2)
    handled.release()
    handled.advance(60)
    requests, errors = exposed(handled)
    assert errors / requests == pytest.approx(0.002, abs=0.001)
    handled.promote()
    handled.advance(60)
    later_requests, later_errors = exposed(handled)
    assert (later_errors - errors) / (later_requests - requests) == pytest.approx(0.05, rel=0.05)


def test_a_change_counts_from_the_start_of_the_run_or_of_the_world() -> None:
    handled = Handled(
        traffic=TRAFFIC,
        canary=[{"from": {"after": "30s"}, "error_rate": 0.05}, {"from": {"at": "90s"}, "error_rate": 0.2}],
    )
    handled.advance(2)
    handled.release()
    handled.advance(28)
    first = exposed(handled)
    handled.advance(30)
    second = exposed(handled)
    handled.advance(60)
    third = exposed(handled)
    assert first[1] / first[0] < 0.01
    assert (second[1] - first[1]) / (second[0] - first[0]) == pytest.approx(0.05, rel=0.1)
    assert (third[1] - second[1]) / (third[0] - second[0]) == pytest.approx(0.125, rel=0.1)


def test_a_change_can_be_bound_to_an_image_so_that_the_next_one_is_good() -> None:
    handled = Handled(traffic=TRAFFIC, canary=[{"image": ":v2$", "error_rate": 0.5}])
    handled.advance(2)
    handled.release("v2", seconds=30)
    bad = exposed(handled)
    handled.release("v3", seconds=30)
    good = exposed(handled)
    assert bad[1] / bad[0] == pytest.approx(0.5, rel=0.1)
    assert good[1] / good[0] < 0.01


def test_a_promoted_revision_stays_as_bad_as_it_was() -> None:
    handled = Handled(traffic=TRAFFIC, canary=[{"from": {"weight": 50}, "error_rate": 0.3}])
    handled.advance(2)
    handled.release()
    handled.set_status(promoteFull=True)
    handled.advance(2)
    before = exposed(handled)
    handled.advance(10)
    after = exposed(handled)
    assert (after[1] - before[1]) / (after[0] - before[0]) == pytest.approx(0.3, rel=0.1)


def test_cold_pods_are_slow_and_fail_only_in_their_first_seconds() -> None:
    handled = Handled(traffic=TRAFFIC, cold={"seconds": 10, "error_rate": 0.1, "latency_factor": 5})
    handled.advance(10)
    served = handled.app.served()
    cold = next(iter(served.values()))
    handled.advance(60)
    warm = next(iter(handled.app.served().values()))
    later = warm - cold
    assert cold.errors / cold.requests == pytest.approx(0.1, rel=0.05)
    assert later.errors / later.requests == pytest.approx(0.002, abs=0.001)


def test_a_retry_is_another_run_of_the_same_hash_and_a_rollback_ends_it() -> None:
    handled = Handled(traffic=TRAFFIC)
    handled.advance(2)
    assert handled.app.run is None
    handled.release()
    first = handled.app.run
    handled.set_status(abort=True)
    handled.advance(1)
    handled.set_status(abort=False)
    handled.advance(1)
    second = handled.app.run
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)
    assert first.hash == second.hash
    handled.release("v1")
    assert handled.app.run is None


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    def counts(seed: int) -> list[int]:
        handled = Handled({"seed": seed}, traffic=TRAFFIC)
        handled.advance(10)
        handled.app.served()
        return [state.counters.total.requests for state in handled.app.pods.values()]

    assert counts(7) == counts(7) != counts(8)


def test_a_conversion_is_counted_by_its_sessions_arm_though_the_weight_has_changed() -> None:
    sessions = {"per_request": 0.1, "conversion": 1.0, "lag": "20s", "law": "fixed"}
    handled = Handled(traffic=TRAFFIC, sessions=sessions)
    handled.advance(2)
    handled.release(seconds=15)
    canary = handled.status["currentPodHash"]
    handled.set_status(abort=True)
    handled.advance(1)
    served = handled.app.served()[canary]
    assert (handled.app.weight, served.conversions) == (0, 0)
    handled.advance(20)
    later = handled.app.served()[canary]
    assert later == dataclasses.replace(served, conversions=served.sessions)
    assert later.conversions > 0


def test_conversions_of_a_pod_that_went_are_counted_by_another_of_its_revision() -> None:
    sessions = {"per_request": 0.5, "conversion": 1.0, "lag": "100s", "law": "fixed"}
    handled = Handled(traffic=TRAFFIC, sessions=sessions, replicas=4)
    handled.advance(50)
    handled.world.cluster.terminate("shop", next(iter(handled.app.pods)))
    handled.advance(1)
    (total,) = handled.app.served().values()
    assert (total.conversions, handled.app.lost_conversions) == (0, 0)
    handled.advance(100)
    (later,) = handled.app.served().values()
    assert total.sessions <= later.conversions <= later.sessions


def test_conversions_that_nobody_is_left_to_count_are_lost_and_said_to_be() -> None:
    sessions = {"per_request": 0.5, "conversion": 1.0, "lag": "1h"}
    handled = Handled(traffic=TRAFFIC, sessions=sessions)
    handled.advance(2)
    handled.release()
    canary = handled.status["currentPodHash"]
    handled.set_status(abort=True)
    handled.advance(60)
    total = handled.app.served()[canary]
    assert total.conversions + handled.app.lost_conversions == total.sessions
    assert handled.app.lost_conversions > 0


def test_the_canary_may_convert_less() -> None:
    handled = Handled(
        traffic=TRAFFIC, sessions={"conversion": 0.9}, canary=[{"from": {"weight": 25}, "conversion": 0.7}]
    )
    handled.advance(2)
    handled.release()
    handled.promote(0.5)
    before = handled.app.served()
    handled.advance(60)
    shares = {
        pod_hash: (total - before[pod_hash]).conversions / (total - before[pod_hash]).sessions
        for pod_hash, total in handled.app.served().items()
    }
    assert shares == {
        handled.status["stableRS"]: pytest.approx(0.9, abs=0.01),
        handled.status["currentPodHash"]: pytest.approx(0.7, abs=0.02),
    }
