from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serinus_simulator.kubernetes.kinds import PODS, Object
from serinus_simulator.world.cluster import is_running

from tests.unit.simulator.worlds import Handled

TRAFFIC = {"requests_per_second": 1000}
QUICK: dict[str, Any] = {"back_off": "2s", "longest": "4s", "every": "10s"}


def world(**failing: Any) -> Handled:
    handled = Handled(replicas=8, traffic=TRAFFIC, failing=[failing])
    handled.advance(2)
    handled.release()
    return handled


def pods(handled: Handled, arm: str = "canary") -> Iterator[Object]:
    for state in handled.app.pods.values():
        obj = handled.world.store.peek(PODS, "shop", state.name)
        if obj is not None and handled.app.arm(state) == arm:
            yield obj


def restarts(handled: Handled, arm: str = "canary") -> int:
    return sum(state.restarts for state in handled.app.pods.values() if handled.app.arm(state) == arm)


def test_a_canary_begins_to_crash_in_a_stage_and_its_restarts_are_counted() -> None:
    handled = world(when={"weight": 25}, **QUICK)
    handled.advance(60)
    assert restarts(handled) == 0
    handled.promote()
    seen = set()
    for _ in range(240):
        handled.advance(0.5)
        for pod in pods(handled):
            (container,) = pod["status"]["containerStatuses"]
            seen.add((container["ready"], *container["state"], "lastState" in container))
            assert is_running(pod) or container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert {(True, "running", False), (False, "waiting", True)} <= seen
    assert restarts(handled) >= 6
    assert restarts(handled, "stable") == 0
    assert handled.status["phase"] == "Paused"


def test_the_requests_of_a_pod_that_is_down_go_to_the_others_of_its_arm() -> None:
    handled = world(when={"weight": 25}, every="5s", back_off="1h", longest="1h")
    handled.promote()
    while sum(state.answers for state in handled.app.pods.values() if handled.app.arm(state) == "canary") > 1:
        handled.advance(0.1)
    (left,) = (one for one in handled.app.pods.values() if handled.app.arm(one) == "canary" and one.answers)
    assert left.load is not None
    assert left.load.rate == 250.0
    assert handled.app.weight == 25


def test_back_off_doubles_up_to_its_longest() -> None:
    handled = Handled(replicas=1, failing=[{"arm": "stable", "every": "1ms", "back_off": "2s", "longest": "5s"}])
    downs, down_since, was_down = [], 0.0, False
    for _ in range(3000):
        handled.advance(0.01)
        now = handled.world.agenda.now
        for pod in pods(handled, "stable"):
            down = not is_running(pod) and "containerStatuses" in pod["status"]
            if down and not was_down:
                down_since = now
            if was_down and not down:
                downs.append(round(now - down_since, 1))
            was_down = down
    assert downs[:4] == [2.0, 4.0, 5.0, 5.0]


def test_pods_made_from_a_moment_on_never_get_ready() -> None:
    handled = world(effect="never-ready", when={"weight": 5})
    handled.promote(30)
    ready = [state.answers for state in handled.app.pods.values() if handled.app.arm(state) == "canary"]
    assert sorted(ready) == [False, True]
    assert handled.status["phase"] == "Progressing"
    assert handled.app.weight == 5


def test_pods_whose_probe_fails_are_unready_until_the_run_ends() -> None:
    handled = world(effect="unready", when={"after": "10s"})
    handled.advance(5)
    assert all(state.answers for state in handled.app.pods.values())
    handled.advance(10)
    assert [state.answers for state in handled.app.pods.values() if handled.app.arm(state) == "canary"] == [False]
    assert restarts(handled) == 0
    assert handled.app.weight == 0
    handled.set_status(abort=True)
    handled.advance(2)
    assert [state.answers for state in handled.app.pods.values() if handled.app.arm(state) == "canary"] == [True]


def test_pods_get_ready_one_after_another_within_the_spread() -> None:
    handled = Handled({"pods": {"ready_after": 1, "ready_spread": 4}}, replicas=10)
    handled.advance(10)
    born = handled.world.agenda.start
    since = sorted(state.ready_since - born for state in handled.app.pods.values() if state.ready_since is not None)
    assert 1.0 < since[0] < 2.0
    assert 4.0 < since[-1] < 5.1
    assert len(set(since)) == 10
