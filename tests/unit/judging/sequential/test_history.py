"""What the first look's history gives a run: baseline, edges, noise."""

import numpy as np
import pytest
from serinus_contracts.events import History, MetricsCollected
from serinus_contracts.plan import PlanLimit
from serinus_judging.sequential.evidence import Evidence

from tests.unit.judging.builders import START, latency, metric, plan, proportion, snapshot
from tests.unit.judging.runs import EDGES, JUDGE, evaluated, slow

PODS = tuple(f"cart-old-{i}" for i in range(6))


def past(blocks: int = 100, noise: float = 0.0, pods: tuple[str, ...] = PODS) -> History:
    """Errors at 1 % of 600 requests per pod and block."""
    random = np.random.default_rng(2)
    level = random.gamma(1 / noise, noise, (blocks, len(pods))) if noise else np.ones((blocks, len(pods)))
    counts = random.binomial(600, np.minimum(0.01 * level, 1))
    ends = tuple(START - 300_000 * (blocks - i - 1) for i in range(blocks))
    return History(pods=pods, ends=ends, blocks=tuple(tuple((int(x), 600) for x in row) for row in counts))


def durations_past(blocks: int = 100) -> History:
    random = np.random.default_rng(3)
    rows = []
    for _ in range(blocks):
        row = []
        for _ in PODS:
            places = np.searchsorted(EDGES, random.lognormal(np.log(0.2), 0.5, 200))
            row.append(tuple(int(v) for v in np.bincount(places, minlength=len(EDGES) + 1)))
        rows.append(tuple(row))
    ends = tuple(START - 300_000 * (blocks - i - 1) for i in range(blocks))
    return History(pods=PODS, ends=ends, blocks=tuple(rows), edges=EDGES)


def first_look(history: dict[str, History]) -> MetricsCollected:
    metrics = {"errors": proportion(10, 1000, 10, 1000), "latency": slow(0.2)}
    return snapshot(metrics, 1, history=history)


def test_with_history_the_first_look_counts() -> None:
    rule = plan(metric())
    _, found = evaluated(rule, JUDGE.start(rule), first_look({"errors": past()}))
    assert found.reason == "before_minimum"
    assert found.log_eprocess != 0.0


def test_the_baseline_is_of_the_last_ten_minutes() -> None:
    rule = plan(metric())
    history = past()
    evidence, _ = evaluated(rule, JUDGE.start(rule), first_look({"errors": history}))
    recent = sum(cell[0] for row in history.blocks[-2:] for cell in row if cell)
    fade = 2 ** (-30 / 600)
    assert evidence.state.past[0, 0] == pytest.approx(recent * fade + 10)
    assert evidence.state.past[1, 0] == pytest.approx(2 * 6 * 600 * fade + 1000)


def test_noise_is_measured_and_told() -> None:
    rule = plan(metric(), weights=(10, 50))
    _, calm = evaluated(rule, JUDGE.start(rule), first_look({"errors": past()}))
    _, noisy = evaluated(rule, JUDGE.start(rule), first_look({"errors": past(noise=0.5)}))
    assert calm.calibrated
    assert noisy.calibrated
    quiet, loud = calm.metrics[0], noisy.metrics[0]
    assert quiet.dispersion is not None
    assert loud.dispersion is not None
    assert 1 <= quiet.dispersion < 1.6
    assert loud.dispersion > 2
    assert loud.correlation is not None
    assert quiet.correlation is not None
    assert loud.correlation > quiet.correlation


def test_what_noise_was_measured_without_is_told_in_every_verdict() -> None:
    rule = plan(metric(), latency(), limits=[PlanLimit(name="errors above 0.1", metric="errors", share=0.1)])
    history = past(blocks=140)
    rows = list(history.blocks)
    for i in range(100, 106):
        rows[i] = (*rows[i][:2], (200, 600), *rows[i][3:])
    bad = history.model_copy(update={"blocks": tuple(rows)})
    _, calm = evaluated(rule, JUDGE.start(rule), first_look({"errors": history}))
    evidence, first = evaluated(rule, JUDGE.start(rule), first_look({"errors": bad}))
    later = snapshot({"errors": proportion(10, 1000, 10, 1000)}, 2)
    _, second = evaluated(rule, Evidence.unpack(evidence.pack()), later)
    told = "noise measured without 30 min of the day before, in which cart-old-2 differed most from stable's other pods"
    assert [one.left_out for one in first.metrics] == [one.left_out for one in second.metrics] == [told, "", ""]
    assert [one.left_out for one in calm.metrics] == ["", "", ""]
    quiet, trimmed = calm.metrics[0].dispersion, first.metrics[0].dispersion
    assert quiet is not None
    assert trimmed == pytest.approx(quiet, rel=0.1)


def test_too_little_history_gives_a_baseline_but_no_noise() -> None:
    rule = plan(metric())
    evidence, found = evaluated(rule, JUDGE.start(rule), first_look({"errors": past(blocks=59)}))
    assert not found.calibrated
    assert found.metrics[0].dispersion == pytest.approx(3 * (1 + 0.5**0.5))
    assert found.metrics[0].correlation == 0.5
    assert found.reason == "before_minimum"
    assert evidence.state.past[1, 0] > 1000


def test_one_pod_of_stable_cannot_be_its_own_placebo() -> None:
    rule = plan(metric())
    _, found = evaluated(rule, JUDGE.start(rule), first_look({"errors": past(pods=PODS[:1])}))
    assert not found.calibrated


def test_a_verdict_is_calibrated_only_if_every_metric_is() -> None:
    rule = plan(metric(), latency())
    _, found = evaluated(rule, JUDGE.start(rule), first_look({"errors": past()}))
    assert not found.calibrated
    assert [one.calibrated for one in found.metrics] == [True, False]
    both = {"errors": past(), "latency": durations_past()}
    _, found = evaluated(rule, JUDGE.start(rule), first_look(both))
    assert found.calibrated


def test_latency_edges_come_from_the_whole_history() -> None:
    rule = plan(latency())
    evidence, found = evaluated(rule, JUDGE.start(rule), first_look({"latency": durations_past()}))
    assert found.reason == "before_minimum"
    assert evidence.pairs[0] is not None
    assert [pair.quantile for pair in evidence.pairs[0]] == [0.5, 0.75, 0.9, 0.95, 0.99]
    assert found.metrics[0].calibrated


def test_limits_are_calibrated_with_their_metrics() -> None:
    low = PlanLimit(name="low", metric="errors", better="higher", share=0.001)
    slow_limit = PlanLimit(name="slow", metric="latency", share=0.05, edge=0.5)
    rule = plan(metric(), latency(), limits=[low, slow_limit])
    both = {"errors": past(), "latency": durations_past()}
    _, found = evaluated(rule, JUDGE.start(rule), first_look(both))
    assert [one.calibrated for one in found.metrics] == [True] * 4


@pytest.mark.parametrize(
    "broken",
    [
        History(pods=(), ends=(), blocks=()),
        History(pods=PODS, ends=(START,), blocks=()),
        History(pods=PODS, ends=(START,), blocks=((None,) * 6,)),
        History(pods=PODS, ends=(START,), blocks=(((5,), (9, 1), (-1, 10), (1, 10, 3), (0, 0), None),)),
        History(pods=PODS, ends=(START,), blocks=(((1, 10),),)),
        History(pods=PODS, ends=(START,), blocks=(((1, 2, 3),) * 6,), edges=(0.1, 0.2)),
    ],
)
def test_a_history_without_use_changes_nothing(broken: History) -> None:
    rule = plan(metric())
    _, found = evaluated(rule, JUDGE.start(rule), first_look({"errors": broken}))
    assert not found.calibrated
    assert found.verdict == "hold"


def test_history_in_a_later_look_is_too_late() -> None:
    rule = plan(metric())
    evidence, _ = evaluated(rule, JUDGE.start(rule), first_look({}))
    later = snapshot({"errors": proportion(10, 1000, 10, 1000)}, 2, history={"errors": past()})
    _, found = evaluated(rule, evidence, later)
    assert not found.calibrated
