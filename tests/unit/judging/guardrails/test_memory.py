"""What is remembered beside the evidence."""

import pytest
from serinus_contracts.events import Measurement
from serinus_judging.guardrails import checks
from serinus_judging.guardrails.memory import GuardrailMemory
from serinus_judging.sequential.evidence import Evidence

from tests.unit.judging.builders import distribution, latency, metric, plan
from tests.unit.judging.pods import QUIET, gauge, memory, pods, run, settled, shares
from tests.unit.judging.runs import EDGES, JUDGE, evaluated


def six_metrics_and_pods() -> tuple[Evidence, GuardrailMemory]:
    """Five proportions, latency with 60 buckets; 30 pods, many looks."""
    names = ("errors", "timeouts", "retries", "rejections")
    rule = plan(*(metric(name) for name in names), metric("conversion", 0.9, better="higher"), latency())
    edges = [0.01 * 1.1**i for i in range(60)]
    buckets = [10] * 61
    each = shares([(1, 500)] * 10, [(2, 500)] * 20)
    everything = dict.fromkeys((*names, "conversion"), each)
    snapshots = run(lambda _: {**everything, "latency": distribution(edges, buckets, buckets)}, 40, pods(10, 20))
    evidence, kept = JUDGE.start(rule), GuardrailMemory.start(rule)
    for snapshot in snapshots:
        evidence, _ = evaluated(rule, evidence, snapshot)
        kept, _ = checks.evaluate(rule, kept, snapshot)
    return evidence, kept


def test_evidence_and_memory_of_six_metrics_fit_into_eight_kibibytes() -> None:
    evidence, kept = six_metrics_and_pods()
    assert len(evidence.pack()) + len(kept.pack()) <= 8192


def test_with_a_gauge_among_six_metrics_they_fit_too() -> None:
    names = ("errors", "timeouts", "retries")
    rule = plan(*(metric(name) for name in names), metric("conversion", 0.9, better="higher"), latency(), memory())
    each = shares([(1, 500)] * 10, [(2, 500)] * 20)
    buckets = [10] * (len(EDGES) + 1)
    everything: dict[str, Measurement] = dict.fromkeys((*names, "conversion"), each)
    everything |= {"latency": distribution(EDGES, buckets, buckets), "memory": gauge([0.5] * 10, [0.5] * 20)}
    evidence, kept = JUDGE.start(rule), GuardrailMemory.start(rule)
    for snapshot in run(lambda _: everything, 40, pods(10, 20)):
        evidence, _ = evaluated(rule, evidence, snapshot)
        kept, _ = checks.evaluate(rule, kept, snapshot)
    assert len(evidence.pack()) + len(kept.pack()) <= 8192


def test_memory_of_another_version_is_learnt_anew() -> None:
    kept, _ = settled(QUIET, run(lambda _: {"memory": gauge([0.5])}, 2))
    assert GuardrailMemory.unpack(b"") is None
    assert GuardrailMemory.unpack(b"\x63" + kept.pack()[1:]) is None


@pytest.mark.parametrize("length", [1, 20, 60, -1])
def test_memory_that_is_cut_off_is_an_error(length: int) -> None:
    kept, _ = settled(QUIET, run(lambda _: {"memory": gauge([0.5])}, 2))
    with pytest.raises(ValueError, match="cannot be read"):
        GuardrailMemory.unpack(kept.pack()[:length])
