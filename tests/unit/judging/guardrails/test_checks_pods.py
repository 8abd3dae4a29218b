"""Pods unlike the others, and which are followed."""

import numpy as np
from serinus_contracts.events import Measurement, MetricsCollected

from tests.unit.judging.builders import START, metric, plan
from tests.unit.judging.pods import QUIET, gauge, memory, of_kind, pods, run, seen, settled, shares


def unlike(canary: float, stable: float = 0.4, count: int = 5) -> list[MetricsCollected]:
    """Ten looks at pods whose memory differs by a tenth; the canary's use more."""
    random = np.random.default_rng(0)
    own = canary * random.lognormal(0, 0.05, count)
    there = stable * random.lognormal(0, 0.05, 10)
    return run(lambda _: {"memory": gauge([*own], [*there])}, 10, pods(count, 10))


# Limits on gauges.


def test_pods_unlike_the_others_hold_what_would_proceed() -> None:
    _, found = settled(QUIET, unlike(0.8))
    assert (found.verdict, found.reason) == ("hold", "anomaly")
    assert found.sentence.startswith(
        "hold: the canary's pods are unlike stable's, mostly in memory (5 of 15 pods, distance "
    )
    (finding,) = of_kind(found.findings, "anomaly")
    assert finding.decides
    assert finding.values["p"] <= finding.values["level"]


def test_a_little_more_memory_is_no_anomaly() -> None:
    assert settled(QUIET, unlike(0.45))[1].verdict == "proceed"
    _, found = settled(QUIET, unlike(0.2))
    assert found.verdict == "proceed"
    assert of_kind(found.findings, "anomaly")[0].text.startswith("no metric is worse")


def test_too_few_pods_for_a_p_value_are_said_and_do_not_hold() -> None:
    _, found = settled(QUIET, unlike(0.8, count=1))
    assert found.verdict == "proceed"
    (finding,) = of_kind(found.findings, "anomaly")
    assert not finding.decides
    assert finding.text.endswith("1 of 11 pods can give no p below 0.091, so it only describes")


def test_anomalies_never_abort() -> None:
    rule = plan(metric(ratio=5.0), memory(), gate="noRegression", maximum=240, on_time_spent="proceed")
    assert settled(rule, unlike(5.0))[1].verdict == "hold"


def test_cpu_is_compared_per_request() -> None:
    """The canary's two pods serve three times as many requests each, and use three times the CPU."""
    rule = plan(metric(ratio=2.0), memory(name="cpu", rate=True), gate="noRegression")
    random = np.random.default_rng(0)
    canary, stable = 0.6 * random.lognormal(0, 0.02, 5), 0.2 * random.lognormal(0, 0.02, 10)
    cpu, errors = gauge([*canary], [*stable]), shares([(3, 1500)] * 5, [(1, 500)] * 10)
    snapshots = run(lambda _: {"cpu": cpu, "errors": errors}, 8, pods(5, 10))
    assert settled(rule, snapshots)[1].verdict == "proceed"
    fewer: dict[str, Measurement] = {"cpu": cpu, "errors": shares([(1, 500)] * 5, [(1, 500)] * 10)}
    assert settled(rule, run(lambda _: fewer, 8, pods(5, 10)))[1].reason == "anomaly"


def test_a_stage_that_is_entered_again_gets_no_more_checks() -> None:
    rule = plan(metric(ratio=1.25, absolute=0.01), memory(), weights=(50, 60), gate="noRegression")
    steady = {"memory": gauge([0.5, 0.5])}
    first = [seen(n, steady) for n in range(1, 9)]
    second = [seen(n, steady, stage=1, started=START + 240_000) for n in range(9, 17)]
    again = [seen(n, steady, stage=0, started=START + 480_000) for n in range(17, 25)]
    assert settled(rule, first)[0].checks == 2
    assert settled(rule, [*first, *second])[0].checks == 2
    assert settled(rule, [*first, *second, *again])[0].checks == -1


# Descriptions.


def test_of_five_hundred_pods_some_are_followed() -> None:
    random = np.random.default_rng(0)
    canary, stable = 0.8 * random.lognormal(0, 0.05, 250), 0.4 * random.lognormal(0, 0.05, 250)
    snapshots = run(lambda _: {"memory": gauge([*canary], [*stable])}, 8, pods(250, 250))
    kept, found = settled(QUIET, snapshots)
    assert (kept.samples.own, len(kept.samples.pods)) == (6, 16)
    assert found.reason == "anomaly"


def test_a_pod_that_is_gone_makes_room_for_another() -> None:
    snapshots = [seen(n, {"memory": gauge([0.5] * (8 if n < 4 else 2), [0.5] * 12)}, pods(8, 12)) for n in range(1, 6)]
    before, _ = settled(QUIET, snapshots[:3])
    after, _ = settled(QUIET, snapshots)
    assert before.samples.own == 6
    assert after.samples.own == 2
    assert len(after.samples.pods) == 14
    assert set(after.samples.pods[2:].tolist()) >= set(before.samples.pods[6:].tolist())


# The state.
