"""What a verdict carries, and when: snapshots of one run evaluated in a row."""

from collections.abc import Sequence

import pytest
from serinus_contracts import AnalysisPlan, MetricsCollected, VerdictReached
from serinus_judging.evaluation import Evaluation, evaluate
from serinus_judging.run_record import RunRecord

from tests.unit.judging.builders import metric, plan, proportion
from tests.unit.judging.pods import pods, run, seen

PROOF = plan(metric(ratio=1.25, absolute=0.01), gate="nonInferiority", maximum=36_000)
QUIET = plan(metric(ratio=1.25, absolute=0.01), gate="noRegression")


def verdicts(rule: AnalysisPlan, snapshots: Sequence[MetricsCollected]) -> list[VerdictReached]:
    state, told = RunRecord(), []
    for snapshot in snapshots:
        ((state, verdict),) = evaluate([Evaluation(state, rule, snapshot)])
        told.append(VerdictReached.model_validate(verdict))
    return told


def describes(verdict: VerdictReached) -> bool:
    return any(finding.kind == "statistics" for finding in verdict.findings)


def few(snapshots: int) -> list[MetricsCollected]:
    """Too few requests to show anything."""
    return run(lambda _: {"errors": proportion(1, 10, 1, 10)}, snapshots)


def test_a_hold_that_goes_on_is_described_at_every_tenth_evaluation() -> None:
    told = verdicts(PROOF, few(45))
    assert {verdict.verdict for verdict in told} == {"hold"}
    steady = [verdict.evaluation for verdict in told if not verdict.changed and verdict.described]
    assert steady == [10, 20, 30, 40]


def test_a_verdict_says_whether_it_is_described() -> None:
    assert all(describes(verdict) == verdict.described for verdict in verdicts(PROOF, few(45)))


def test_a_change_is_described() -> None:
    told = [verdict for verdict in verdicts(PROOF, few(6)) if verdict.changed]
    assert [verdict.reason for verdict in told] == ["awaiting_baseline", "insufficient_evidence"]
    assert all(describes(verdict) for verdict in told)


@pytest.mark.parametrize(("verdict", "counts"), [("proceed", (1, 500, 1, 500)), ("abort", (400, 500, 1, 500))])
def test_a_verdict_that_acts_is_described_at_first_and_at_every_tenth_evaluation(
    verdict: str, counts: tuple[int, int, int, int]
) -> None:
    told = verdicts(QUIET, run(lambda _: {"errors": proportion(*counts)}, 25))
    acts = [one for one in told if one.verdict == verdict]
    assert acts[0].changed
    assert all(describes(one) for one in acts if one.changed)
    steady = [one.evaluation for one in acts if not one.changed and describes(one)]
    assert steady == [snapshot for snapshot in (10, 20) if snapshot > acts[0].evaluation]


def test_a_reason_to_hold_is_found_at_every_evaluation() -> None:
    told = verdicts(PROOF, [seen(number, of=pods(ready=False)) for number in range(1, 30)])
    held = [one for one in told if one.reason == "liveness"]
    assert not all(one.described for one in held)
    assert all([finding.decides for finding in one.findings if finding.kind == "liveness"] == [True] for one in held)
