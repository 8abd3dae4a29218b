"""What is kept of a run: its bytes, its noise, its edges."""

import numpy as np
import pytest
from serinus_contracts.events import (
    Measurement,
)
from serinus_contracts.plan import AnalysisPlan, PlanLimit
from serinus_judging.packing import EvidenceError
from serinus_judging.sequential.evidence import Evidence

from tests.unit.judging.builders import distribution, latency, metric, plan, proportion, snapshot
from tests.unit.judging.runs import (
    EDGES,
    GOOD,
    JUDGE,
    LIMIT,
    durations,
    errors,
    evaluated,
    judged,
    known_noise,
    slow,
    steady,
)


def six_metrics() -> AnalysisPlan:
    return plan(
        metric("errors", 1.25, 0.001, critical=True),
        metric("timeouts", 1.25, 0.001),
        metric("retries", 1.25),
        metric("rejections", 1.25),
        metric("conversion", 0.95, better="higher"),
        latency(),
        weights=(1, 5, 10, 25, 50),
        limits=[
            LIMIT,
            PlanLimit(name="p95 above 5 s", metric="latency", share=0.05, edge=1.0),
            PlanLimit(name="conversion below 0.2", metric="conversion", better="higher", share=0.2),
        ],
    )


def test_evidence_of_six_metrics_with_latency_and_limits_fits_8_kib() -> None:
    rule = six_metrics()
    look: dict[str, Measurement] = {one.name: proportion(5, 1000, 5, 1000) for one in rule.metrics}
    stable = {f"cart-old-{i}": (1, 100) for i in range(40)}
    look = {name: one.model_copy(update={"stable": stable}) for name, one in look.items()}
    look["latency"] = slow(0.2)
    evidence, _ = judged(rule, [snapshot(look, n) for n in range(1, 4)])
    assert len(evidence.pack()) <= 8192


@pytest.mark.parametrize("broken", [b"", b"\x00", b"\x63" * 100])
def test_bytes_that_are_no_evidence_are_refused(broken: bytes) -> None:
    with pytest.raises(EvidenceError):
        Evidence.unpack(broken)


def test_evidence_that_is_cut_or_too_long_is_refused() -> None:
    packed = JUDGE.start(plan()).pack()
    for broken in (packed[:-1], packed + b"\x00", packed[:50]):
        with pytest.raises(EvidenceError):
            Evidence.unpack(broken)


def test_evidence_of_another_plan_is_refused() -> None:
    evidence, _ = judged(plan(), steady(GOOD, 2))
    with pytest.raises(EvidenceError):
        evaluated(plan(metric("a"), metric("b")), evidence, snapshot({}, 3))


def test_given_noise_is_published_and_kept() -> None:
    rule = plan()
    evidence = known_noise(rule, phi=2.0, kappa=0.25)
    _, found = judged(rule, steady(GOOD, 2), evidence)
    assert (found.calibrated, found.metrics[0].dispersion, found.metrics[0].correlation) == (True, 2.0, 0.25)
    _, found = judged(rule, steady(GOOD, 2), JUDGE.start(rule))
    assert (found.calibrated, found.metrics[0].correlation) == (False, 0.5)
    assert found.metrics[0].dispersion == pytest.approx(3 * (1 + 0.5**0.5))  # little is known: more than is assumed


def test_more_noise_means_less_evidence() -> None:
    rule = plan()
    known, unknown = known_noise(rule), JUDGE.start(rule)
    chain = steady(errors(6, 1000, 2, 1000), 4)
    assert judged(rule, chain, known)[1].log_eprocess > judged(rule, chain, unknown)[1].log_eprocess > 0


def test_edges_are_fixed_at_the_first_look_and_remembered() -> None:
    rule = plan(latency())
    evidence, _ = judged(rule, [snapshot({"latency": slow(0.2)}, 1)])
    assert evidence.pairs[0] is not None
    assert [pair.quantile for pair in evidence.pairs[0]] == [0.5, 0.75, 0.9, 0.95, 0.99]
    after, _ = judged(rule, [snapshot({"latency": slow(0.5, 0.5)}, 2)], evidence)
    assert after.pairs == evidence.pairs


def test_a_first_look_without_stable_requests_leaves_edges_open() -> None:
    rule = plan(latency())
    empty = distribution(EDGES, durations(0.2, 100), (0,) * (len(EDGES) + 1))
    evidence, found = judged(rule, [snapshot({"latency": empty}, 1)])
    assert evidence.pairs == (None,)
    assert found.reason == "no_data"
    evidence, _ = judged(rule, [snapshot({"latency": slow(0.2)}, 2)], evidence)
    assert evidence.pairs[0] is not None


def test_counts_reach_the_verdict_as_they_were() -> None:
    random = np.random.default_rng(3)
    chain, total = [], np.zeros(4, dtype=int)
    for number in range(1, 8):
        counts = random.integers(1, 50, 4) * np.array([1, 40, 1, 40])
        total += counts
        x, n, y, m = (int(v) for v in counts)
        chain.append(snapshot({"errors": proportion(min(x, n), n, min(y, m), m)}, number))
    _, found = judged(plan(metric(ratio=50)), chain)
    channel = found.metrics[0].run[0]
    counted = [channel.canary.events, channel.canary.trials, channel.stable.events, channel.stable.trials]
    assert counted[1::2] == total.tolist()[1::2]
    assert found.evaluated_requests == total[1]
