"""The default judge: what it decides, in which order, and what changes nothing."""

import pytest
from serinus_contracts.plan import AnalysisPlan, PlanStage
from serinus_judging.judges import JUDGES
from serinus_judging.sequential import combination

from tests.unit.judging.builders import START, metric, missing, only, plan, proportion, snapshot
from tests.unit.judging.runs import BAD, GOOD, LIMIT, errors, judged, steady


def test_the_table_of_judges_has_it() -> None:
    judge = JUDGES["sequential"]
    evidence, assessment = judge.judge([(plan(), judge.start(plan()), snapshot(GOOD(), 1))])[0]
    assert assessment.reason == "awaiting_baseline"
    assert judge.load(evidence.pack()).pack() == evidence.pack()


# The order of the verdict.


def test_a_canary_that_is_worse_is_aborted_even_before_the_minimum() -> None:
    _, found = judged(plan(minimum=600), steady(BAD, 3))
    assert (found.verdict, found.reason, found.regressed) == ("abort", "evidence", ("errors",))
    assert only(found.metrics).label == "worse"


def test_an_abort_stays_with_its_numbers_whatever_comes_after() -> None:
    evidence, before = judged(plan(), steady(BAD, 5))
    after, later = judged(plan(), steady(errors(0, 10**6, 2000, 10**6), 20, first=6), evidence)
    assert (later.verdict, later.reason, later.log_eprocess) == ("abort", "evidence", before.log_eprocess)
    assert later.metrics[0].run == before.metrics[0].run
    assert after.progress.evaluated_requests == 5_000 + 20 * 10**6
    _, missed = judged(plan(), [snapshot({"errors": missing()}, 26)], after)
    assert missed.verdict == "abort"


def test_a_canary_that_is_not_worse_is_shown_after_the_minimum_and_not_before() -> None:
    rule = plan(metric(ratio=1.25, absolute=0.002), minimum=1200)
    _, early = judged(rule, steady(GOOD, 39))
    assert (early.verdict, early.reason) == ("hold", "before_minimum")
    assert only(early.metrics).label == "ok"
    _, found = judged(rule, steady(GOOD, 40))
    assert (found.verdict, found.reason) == ("proceed", "non_inferior")


def test_a_quiet_gate_opens_after_the_minimum_without_proof() -> None:
    rule = plan(gate="noRegression", minimum=120)
    assert judged(rule, steady(GOOD, 3))[1].reason == "before_minimum"
    _, found = judged(rule, steady(GOOD, 4))
    assert (found.verdict, found.reason) == ("proceed", "no_regression")


def test_a_quiet_gate_stays_shut_while_evidence_is_half_way_to_an_abort() -> None:
    evidence, found = judged(plan(gate="noRegression"), steady(errors(6, 1000, 2, 1000), 5))
    assert combination.log_threshold(0.01) / 2 <= found.log_eprocess < combination.log_threshold(0.01)
    assert (found.verdict, found.reason) == ("hold", "insufficient_evidence")
    assert evidence.log_eprocess == found.log_eprocess


@pytest.mark.parametrize(("rule", "verdict"), [("hold", "hold"), ("abort", "abort"), ("proceed", "proceed")])
def test_what_happens_when_the_time_is_spent_is_the_policys_choice(rule: str, verdict: str) -> None:
    spent = plan(metric(), maximum=300).model_copy(update={"on_time_spent": rule})
    _, found = judged(spent, steady(GOOD, 10))
    assert (found.verdict, found.reason) == (verdict, "time_spent")


def test_spent_time_does_not_promote_what_leans_towards_an_abort() -> None:
    spent = plan(metric(), maximum=180, on_time_spent="proceed")
    _, found = judged(spent, steady(errors(6, 1000, 2, 1000), 6))
    assert (found.verdict, found.reason) == ("hold", "time_spent")


def test_after_the_time_is_spent_evidence_goes_on() -> None:
    rule = plan(metric(ratio=1.25, absolute=0.001), maximum=180)
    evidence, found = judged(rule, steady(GOOD, 10))
    assert found.reason == "time_spent"
    assert judged(rule, steady(GOOD, 60, first=11), evidence)[1].reason == "non_inferior"
    assert judged(rule, steady(BAD, 5, first=11), evidence)[1].verdict == "abort"


def test_without_enough_evidence_it_holds() -> None:
    _, found = judged(plan(), steady(GOOD, 10))
    assert (found.verdict, found.reason) == ("hold", "insufficient_evidence")
    assert only(found.metrics).label == "unclear"


# Data.


def test_the_first_look_only_sets_the_baseline() -> None:
    _, found = judged(plan(), steady(BAD, 1))
    assert (found.verdict, found.reason, found.log_eprocess) == ("hold", "awaiting_baseline", 0.0)
    assert found.evaluated_requests == 1000


@pytest.mark.parametrize(
    ("status", "reason"),
    [("error", "provider_error"), ("no_data", "no_data"), ("partial", "no_data"), ("settling", "settling")],
)
def test_faults_of_the_data_hold_and_change_no_evidence(status: str, reason: str) -> None:
    rule = plan(gate="noRegression")
    evidence, _ = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, [snapshot({"errors": missing(status)}, 6)], evidence)  # type: ignore[arg-type]
    assert (found.verdict, found.reason, found.missing) == ("hold", reason, ("errors",))
    assert (after.state.rows == evidence.state.rows).all()
    assert (after.state.past == evidence.state.past).all()
    assert (after.state.clock == evidence.state.clock).all()


def test_between_two_scrapes_the_verdict_stays() -> None:
    rule = plan(gate="noRegression")
    evidence, before = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, [snapshot({"errors": missing("waiting")}, 6)], evidence)
    assert (found.verdict, found.reason, found.missing) == (before.verdict, before.reason, ())
    assert (after.state.rows == evidence.state.rows).all()


def test_a_stage_without_a_scrape_yet_is_settling() -> None:
    rule = plan(weights=(10, 50), gate="noRegression", minimum=0)
    evidence, _ = judged(rule, steady(GOOD, 5))
    look = snapshot({"errors": missing("waiting")}, 6, stage=1, stage_started=START + 150_000)
    assert judged(rule, [look], evidence)[1].reason == "settling"


def test_the_worst_fault_is_told_first() -> None:
    rule = plan(metric("a"), metric("b"))
    look = snapshot({"a": missing("no_data"), "b": missing("error")}, 1)
    assert judged(rule, [look])[1].reason == "provider_error"


def test_a_metric_that_is_not_in_the_snapshot_is_missing() -> None:
    _, found = judged(plan(metric("a"), metric("b")), [snapshot({"a": proportion(1, 10, 1, 10)}, 1)])
    assert (found.reason, found.missing) == ("no_data", ("b",))


@pytest.mark.parametrize("counts", [(12, 10, 1, 10), (1, 10, 12, 10), (-1, 10, 1, 10), (1, -10, 1, 10)], ids=str)
def test_impossible_counts_are_an_error_of_the_data(counts: tuple[int, int, int, int]) -> None:
    evidence, _ = judged(plan(), steady(GOOD, 5))
    after, found = judged(plan(), steady(errors(*counts), 1, first=6), evidence)
    assert found.reason == "provider_error"
    assert (after.state.rows == evidence.state.rows).all()


@pytest.mark.parametrize("counts", [(0, 0, 1, 10), (1, 10, 0, 0), (0, 0, 0, 0)], ids=str)
def test_an_arm_without_requests_holds_a_quiet_gate(counts: tuple[int, int, int, int]) -> None:
    rule = plan(gate="noRegression", weights=(10,))
    evidence, _ = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, steady(errors(*counts), 1, first=6), evidence)
    assert (found.verdict, found.reason) == ("hold", "no_data")
    assert after.progress.missing == 0


def test_missing_data_abort_only_if_the_policy_says_so_and_after_three_looks_in_a_row() -> None:
    gone = [snapshot({"errors": missing()}, number) for number in (6, 7, 8)]
    rule = plan(on_no_data="abort")
    evidence, _ = judged(rule, steady(GOOD, 5))
    assert judged(rule, gone[:2], evidence)[1].verdict == "hold"
    _, found = judged(rule, gone, evidence)
    assert (found.verdict, found.reason) == ("abort", "no_data")
    assert judged(plan(), gone, evidence)[1].verdict == "hold"
    interrupted = [*gone[:2], *steady(GOOD, 1, first=8), snapshot({"errors": missing()}, 9)]
    assert judged(rule, interrupted, evidence)[1].verdict == "hold"


def test_missing_data_of_a_metric_that_is_not_critical_never_aborts() -> None:
    rule = plan(metric("errors", critical=True), metric("extra"), on_no_data="abort")
    looks = [snapshot({**GOOD(), "extra": missing()}, number) for number in range(1, 10)]
    _, found = judged(rule, looks)
    assert (found.verdict, found.reason) == ("hold", "no_data")


def test_before_the_first_change_of_weight_nothing_is_judged() -> None:
    _, found = judged(plan(), [snapshot(BAD(), number, stage=-1, weight=0) for number in range(1, 9)])
    assert (found.verdict, found.reason, found.log_eprocess, found.evaluated_requests) == ("hold", "settling", 0.0, 0)


def test_requests_that_go_elsewhere_hold() -> None:
    rule = plan(weights=(10,))
    looks = [snapshot(GOOD(), number, weight=10) for number in range(1, 20)]
    _, found = judged(rule, looks)
    assert (found.verdict, found.reason) == ("hold", "sample_ratio_mismatch")
    assert found.traffic is not None
    assert (found.traffic.canary, found.traffic.stable, found.traffic.expected) == (19_000, 19_000, 0.1)


def test_a_new_stage_forgives_the_traffic_of_the_last() -> None:
    rule = plan(weights=(10, 50), gate="noRegression", minimum=0)
    evidence, _ = judged(rule, [snapshot(GOOD(), number, weight=10) for number in range(1, 20)])
    look = snapshot(GOOD(), 20, stage=1, stage_started=START + 570_000, weight=50)
    assert judged(rule, [look], evidence)[1].reason == "no_regression"


# Stages.


def two_stages(gate: str = "nonInferiority") -> AnalysisPlan:
    return plan(metric(ratio=1.25, absolute=0.002), weights=(50, 50), gate=gate, minimum=0)  # type: ignore[arg-type]


def test_proof_begins_anew_at_each_stage_and_abort_evidence_goes_on() -> None:
    rule = two_stages()
    evidence, before = judged(rule, steady(GOOD, 40))
    assert before.reason == "non_inferior"
    look = snapshot(GOOD(), 41, stage=1, stage_started=START + 1_200_000)
    after, found = judged(rule, [look], evidence)
    assert found.reason == "insufficient_evidence"
    assert found.metrics[0].stage[0].trials == 1000
    assert found.metrics[0].run[0].canary.trials == 41_000
    assert after.state.clock[:, 0].tolist() == [1, 1, 1]


def test_a_stage_that_is_entered_again_gets_no_new_onset_weight() -> None:
    rule = two_stages()
    evidence, _ = judged(rule, steady(GOOD, 5))
    evidence, _ = judged(rule, [snapshot(GOOD(), 6, stage=1, stage_started=START + 150_000)], evidence)
    cash = evidence.state.unspent_prior[0]
    back = [snapshot(GOOD(), n, stage=0, stage_started=START + 180_000) for n in (7, 8)]
    evidence, _ = judged(rule, back, evidence)
    assert evidence.state.unspent_prior[0] == cash
    assert evidence.state.clock[:, 0].tolist() == [0, 1, 0]
    evidence, _ = judged(rule, [snapshot(GOOD(), 9, stage=1, stage_started=START + 240_000)], evidence)
    assert evidence.state.unspent_prior[0] == cash


def test_a_stage_that_starts_again_starts_its_proof_again() -> None:
    rule = two_stages()
    evidence, _ = judged(rule, steady(GOOD, 40))
    _, found = judged(rule, [snapshot(GOOD(), 41, stage_started=START + 1_200_000)], evidence)
    assert found.metrics[0].stage[0].trials == 1000
    assert found.reason == "insufficient_evidence"


def test_stages_may_have_different_gates() -> None:
    first = PlanStage(weight=50, first_step=0, gates=(1,), minimum=60, maximum=900, gate="noRegression")
    last = first.model_copy(update={"gate": "nonInferiority"})
    rule = plan().model_copy(update={"stages": (first, last)})
    evidence, found = judged(rule, steady(GOOD, 4))
    assert found.reason == "no_regression"
    looks = [snapshot(GOOD(), n, stage=1, stage_started=START + 120_000) for n in range(5, 9)]
    assert judged(rule, looks, evidence)[1].reason == "insufficient_evidence"


# Several metrics.


def test_a_proof_gate_wants_every_critical_metric_and_only_those() -> None:
    wide = {"ratio": 1.25, "absolute": 0.002}
    rule = plan(metric("errors", critical=True, **wide), metric("extra"))  # type: ignore[arg-type]
    looks = [snapshot({**GOOD(), "extra": proportion(2, 1000, 2, 1000)}, n) for n in range(1, 41)]
    assert judged(rule, looks)[1].reason == "non_inferior"
    rule = plan(metric("errors", **wide), metric("extra"))  # type: ignore[arg-type]
    assert judged(rule, looks)[1].reason == "insufficient_evidence"


def test_one_false_abort_rate_covers_all_metrics() -> None:
    many = plan(*(metric(name) for name in "abcdef"))
    alone = plan(metric("a"))
    quiet = {name: proportion(2, 1000, 2, 1000) for name in "bcdef"}
    looks = [snapshot({"a": proportion(8, 1000, 2, 1000), **quiet}, n) for n in range(1, 6)]
    _, shared = judged(many, looks)
    _, own = judged(alone, [look.model_copy(update={"metrics": {"a": look.metrics["a"]}}) for look in looks])
    assert own.verdict == "abort"
    assert shared.verdict == "hold"
    assert only(shared.metrics, "a").label == "warning"
    assert only(shared.metrics, "a").log_eprocess == only(own.metrics, "a").log_eprocess


def test_the_weight_of_a_metric_is_its_share_of_the_false_abort_rate() -> None:
    _, found = judged(plan(metric("a", weight=3), metric("b"), limits=[]), [snapshot({}, 1)])
    assert [one.share for one in found.metrics] == [0.75, 0.25]
    rule = plan(metric("errors"), limits=[LIMIT])
    assert [one.share for one in judged(rule, steady(GOOD, 1))[1].metrics] == pytest.approx([1 / 1.1, 0.1 / 1.1])


def test_requests_are_held_against_the_actual_share_not_the_one_that_is_asked_for() -> None:
    """Without traffic routing one pod of two gets half of the requests, whatever the steps say."""
    rule = plan(weights=(10,))
    _, found = judged(rule, [snapshot(GOOD(), number, weight=10, split=50) for number in range(1, 20)])
    assert found.reason != "sample_ratio_mismatch"
    assert found.traffic is not None
    assert (found.traffic.expected, found.traffic.canary, found.traffic.stable) == (0.5, 19_000, 19_000)
    _, wrong = judged(rule, [snapshot(GOOD(), number, weight=50, split=20) for number in range(1, 20)])
    assert wrong.reason == "sample_ratio_mismatch"
    assert "the canary gets 50 % of the requests, not 20 % (" in wrong.sentence


def test_windows_in_which_the_share_changed_are_no_evidence_against_it() -> None:
    looks = [snapshot(GOOD(), number, weight=10, split=10, split_changed=True) for number in range(1, 20)]
    _, found = judged(plan(weights=(10,)), looks)
    assert found.reason != "sample_ratio_mismatch"


@pytest.mark.parametrize("route", ["mirror", "header"])
def test_requests_that_come_beside_the_weight_are_not_tested_unless_the_source_leaves_them_out(route: str) -> None:
    looks = [snapshot(GOOD(), number, weight=10, routes=(route,)) for number in range(1, 20)]
    _, found = judged(plan(weights=(10,)), looks)
    assert (found.reason != "sample_ratio_mismatch", found.traffic) == (True, None)
    without = metric().model_copy(update={"excluding": True})
    _, tested = judged(plan(without, weights=(10,)), looks)
    assert tested.reason == "sample_ratio_mismatch"
