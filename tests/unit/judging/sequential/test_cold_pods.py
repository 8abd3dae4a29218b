"""Counts of pods that are warming up are left out, and the verdict says so."""

import pytest
from serinus_contracts.events import MetricsCollected, Pod, Proportion
from serinus_contracts.plan import AnalysisPlan
from serinus_judging.sequential.evidence import Evidence

from tests.unit.judging.builders import START, metric, plan, snapshot
from tests.unit.judging.runs import JUDGE, evaluated, known_noise
from tests.unit.judging.told import Told

RULE = plan(metric()).model_copy(update={"warmup": 120.0})
Counts = dict[str, tuple[int, int]]


def look(
    number: int, canary: Counts, stable: Counts, started: dict[str, int], stage_started: int = START
) -> MetricsCollected:
    """Pods that started so many seconds after the run began; others are old."""
    arms = dict.fromkeys(canary, "canary") | dict.fromkeys(stable, "stable")
    names = {**arms, **{name: "canary" for name in started if name not in arms}}
    pods = tuple(
        Pod(name=name, arm="canary" if arm == "canary" else "stable", started=START + 1000 * started.get(name, -9999))
        for name, arm in names.items()
        if name
    )
    counts = Proportion(status="ok", canary=canary, stable=stable, series=2)
    return snapshot({"errors": counts}, number, stage_started=stage_started, pods=pods)


def judged(rule: AnalysisPlan, *looks: MetricsCollected) -> tuple[Evidence, Told]:
    evidence = known_noise(rule)
    for one in looks:
        evidence, found = evaluated(rule, evidence, one)
    return evidence, found


OLD = {"old-0": (2, 1000), "old-1": (2, 1000)}


def test_a_young_pods_counts_are_left_out_of_its_arm() -> None:
    canary = {"new-0": (2, 1000), "new-1": (300, 1000)}
    evidence, found = judged(RULE, *(look(n, canary, OLD, {"new-1": 0}) for n in (1, 2, 3)))
    channel = found.metrics[0].run[0]
    assert (channel.canary.events, channel.canary.trials) == (6, 3000)
    assert found.evaluated_requests == 3000
    assert found.metrics[0].detail == "pods younger than 2 min left out: 1"
    assert evidence.log_eprocess < 1


def test_a_pod_counts_from_the_first_window_on_that_begins_when_it_is_warm() -> None:
    canary = {"new-0": (2, 1000), "new-1": (2, 1000)}
    trials = []
    for number in range(1, 8):
        _, found = judged(RULE, look(number, canary, OLD, {"new-1": 0}))
        trials.append(found.metrics[0].run[0].canary.trials)
    assert trials == [1000] * 4 + [2000] * 3  # the fifth begins after 120 s


def test_the_split_of_the_traffic_is_held_against_all_requests() -> None:
    """Of four canary pods three are cold: their requests are part of the canary's share all the same."""
    canary = {f"new-{i}": (1, 500) for i in range(4)}
    cold = {f"new-{i}": 0 for i in range(3)}
    _, found = judged(RULE, *(look(n, canary, OLD, cold) for n in range(1, 5)))
    share = found.traffic
    assert share is not None
    assert (share.canary, share.stable) == (8000, 8000)


@pytest.mark.parametrize("arm", ["canary", "stable"])
def test_an_arm_of_young_pods_alone_settles(arm: str) -> None:
    young = {"new-0": 0} if arm == "canary" else {"old-0": 0, "old-1": 0}
    evidence, found = judged(RULE, *(look(n, {"new-0": (300, 1000)}, OLD, young) for n in (1, 2, 3)))
    assert (found.verdict, found.reason) == ("hold", "settling")
    whose = "the canary's" if arm == "canary" else "stable's"
    assert found.metrics[0].detail == f"{whose} pods are younger than 2 min"
    assert found.sentence == f"hold: errors: {whose} pods are younger than 2 min"
    assert evidence.log_eprocess == 0


def test_where_the_source_knows_no_pods_a_stage_waits_while_its_new_pods_are_cold() -> None:
    canary, stable = {"": (300, 1000)}, {"": (4, 2000)}
    held = [judged(RULE, look(n, canary, stable, {"new-0": 0}))[1] for n in range(1, 7)]
    assert [one.reason == "settling" for one in held] == [True] * 4 + [False] * 2
    assert held[0].metrics[0].detail == "the canary has pods younger than 2 min"
    # pods that come later in a stage cannot be left out, and do not stop the judgement
    late = look(9, canary, stable, {"new-0": 200})
    assert judged(RULE, late)[1].reason != "settling"
    assert judged(RULE, look(1, canary, stable, {}))[1].reason != "settling"


def test_without_warmup_nothing_is_left_out() -> None:
    rule = RULE.model_copy(update={"warmup": 0.0})
    _, found = judged(rule, look(1, {"new-0": (2, 1000)}, OLD, {"new-0": 0}))
    assert found.metrics[0].run[0].canary.trials == 1000
    assert found.metrics[0].detail == ""


def replaced(number: int, stable: Counts) -> MetricsCollected:
    """A canary whose only pod is replaced before it is warm, each time; half of its requests fail."""
    return look(number, {f"new-{number // 2}": (500, 1000)}, stable, {f"new-{number // 2}": 30 * number - 45})


def test_a_canary_whose_pods_are_never_warm_is_counted_whole_in_the_end() -> None:
    evidence, found = JUDGE.start(RULE), []
    for number in range(1, 41):
        evidence, one = evaluated(RULE, evidence, replaced(number, {"old-0": (10, 9000)}))
        found.append(one)
        if one.verdict == "abort":
            break
    assert [one.reason == "settling" for one in found[:13]] == [True] * 12 + [False]  # the 13th begins after 6 min
    told = "the canary's pods are younger than 2 min, and counted since none was older for 6 min"
    assert found[12].metrics[0].detail == told
    assert found[-1].verdict == "abort"


def test_a_canary_whose_only_pod_is_replaced_once_late_in_a_stage_settles() -> None:
    evidence = known_noise(RULE)
    for number in range(1, 30):
        evidence, found = evaluated(RULE, evidence, look(number, {"new-0": (2, 1000)}, OLD, {}))
    _, found = evaluated(RULE, evidence, look(30, {"new-1": (300, 1000)}, OLD, {"new-1": 860}))
    assert (found.verdict, found.reason) == ("hold", "settling")


def test_of_two_arms_one_of_which_is_all_cold_the_others_cold_pods_are_left_out_still() -> None:
    one = look(20, {"new-0": (500, 1000)}, {**OLD, "old-2": (90, 1000)}, {"new-0": 560, "old-2": 560})
    _, found = judged(RULE, one)
    assert found.metrics[0].run[0].canary.trials == 1000
    assert found.metrics[0].run[0].stable.trials == 2000
    assert found.metrics[0].detail.endswith("for 6 min; pods younger than 2 min left out: 1")


def test_cold_pods_of_stable_teach_no_noise() -> None:
    """Two that an autoscaler adds, with ten times the errors, are as if they were not there yet."""
    old = {f"old-{i}": (10 + i, 1000) for i in range(4)}
    cold = {"old-8": (100, 1000), "old-9": (80, 1000)}
    started = dict.fromkeys(cold, 0)
    with_cold, found = judged(RULE, *(look(n, {"new-0": (10, 1000)}, old | cold, started) for n in (1, 2, 3)))
    without, _ = judged(RULE, *(look(n, {"new-0": (10, 1000)}, old, {}) for n in (1, 2, 3)))
    assert found.metrics[0].detail == "pods younger than 2 min left out: 2"
    assert with_cold.followed == without.followed
    assert (with_cold.state.dispersion == without.state.dispersion).all()
    assert (with_cold.state.pods == without.state.pods).all()


def test_cold_errors_abort_nobody() -> None:
    """Ten times the errors for two minutes, of new pods at each of three stages."""
    rule = plan(metric(), weights=(10, 25, 50)).model_copy(update={"warmup": 120.0})
    evidence = JUDGE.start(rule)
    number = 0
    for stage, pods in enumerate((1, 2, 4)):
        began = START + 30_000 * number
        for age in range(12):
            number += 1
            canary = {f"new-{i}": (20 if age < 4 and i >= pods // 2 else 2, 1000) for i in range(pods)}
            old = {f"old-{i}": (2, 1000) for i in range(4)}
            started = {f"new-{i}": 30 * (number - 1 - age) for i in range(pods // 2, pods)}
            one = look(number, canary, old, started, began).model_copy(update={"stage": stage})
            evidence, found = evaluated(rule, evidence, one)
            assert found.verdict != "abort"
    assert found.metrics[0].run[0].canary.events == 2 * found.metrics[0].run[0].canary.trials // 1000
