"""What all judges of rules do alike: the order of the verdict, missing data, an abort that stays."""

import pytest
from serinus_contracts.events import MetricStatus, Pod
from serinus_contracts.judge import JudgeRule, KayentaRule, RecommendationRule, ScorecardRule
from serinus_contracts.plan import AnalysisPlan
from serinus_judging.judges import JUDGES
from serinus_judging.packing import EvidenceError

from tests.unit.judging.builders import (
    START,
    distribution,
    gauge,
    latency,
    metric,
    missing,
    plan,
    proportion,
    snapshot,
    values,
)
from tests.unit.judging.ruled_runs import alike, ruled

RULES: dict[str, JudgeRule] = {
    "scorecard": ScorecardRule(name="scorecard"),
    "recommendation": RecommendationRule(name="recommendation"),
    "kayenta": KayentaRule(name="kayenta"),
}
GOOD, BAD = proportion(2, 1000, 2, 1000), proportion(80, 1000, 2, 1000)


@pytest.fixture(params=RULES)
def rule(request: pytest.FixtureRequest) -> JudgeRule:
    return RULES[request.param]


def simple(rule: JudgeRule, **changes: object) -> AnalysisPlan:
    return plan(metric(), minimum=300, judge=rule).model_copy(update=changes)


def test_the_table_of_judges_has_them_all(rule: JudgeRule) -> None:
    judge, rules = JUDGES[rule.name], simple(rule)
    snapshots = [(rules, judge.start(rules), look) for look in alike(2, errors=GOOD)]
    found = judge.judge(snapshots)
    assert [one.sentence for _, one in found] == [judge.judge([look])[0][1].sentence for look in snapshots]


def test_it_waits_for_the_minimum_then_proceeds_or_aborts(rule: JudgeRule) -> None:
    for counts, verdict in ((GOOD, "proceed"), (BAD, "abort")):
        _, early = ruled(simple(rule), alike(9, errors=counts))
        assert (early.verdict, early.reason) == ("hold", "before_minimum")
        assert early.sentence.startswith("hold: analysing, 4 min 30 s of at least 5 min at 50 %; so far ")
        _, found = ruled(simple(rule), alike(10, errors=counts))
        assert (found.verdict, found.reason) == (verdict, "rule")


def test_an_abort_stays_with_its_counts_and_words(rule: JudgeRule) -> None:
    rules = simple(rule)
    evidence, before = ruled(rules, alike(10, errors=BAD))
    assert (before.verdict, before.regressed) == ("abort", ("errors",))
    _, after = ruled(rules, [*alike(30, first=11, errors=GOOD), *alike(1, first=41, errors=missing())], evidence)
    assert (after.verdict, after.reason, after.sentence, after.score) == (
        "abort",
        "rule",
        before.sentence,
        before.score,
    )
    assert after.metrics[0].run == before.metrics[0].run
    assert after.traffic == before.traffic
    assert after.evaluated_requests == before.evaluated_requests + 30_000


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        ("no_data", "no_data", "no series"),
        ("partial", "no_data", "incomplete data: no series"),
        ("error", "provider_error", "errors cannot be judged since 12:05: no series"),
        ("settling", "settling", "waiting for counts to settle after the change to 50 % at 12:00"),
    ],
)
def test_missing_data_hold_and_are_no_zero_and_no_pass(
    rule: JudgeRule, status: MetricStatus, reason: str, said: str
) -> None:
    snapshots = [*alike(10, errors=GOOD), *alike(1, first=11, errors=missing(status, "no series"))]
    evidence, found = ruled(simple(rule), snapshots)
    assert (found.verdict, found.reason) == ("hold", reason)
    assert found.sentence == f"hold: {said}"
    assert evidence.totals[0].stage == (20, 10_000, 20, 10_000)


def test_an_absent_metric_holds(rule: JudgeRule) -> None:
    _, found = ruled(plan(metric(), metric("calls"), judge=rule), alike(10, errors=GOOD))
    assert (found.reason, found.sentence) == ("no_data", "hold: calls: not measured since the run began at 12:00")
    assert found.missing == ("calls",)


def test_a_window_between_two_scrapes_is_no_fault_once_something_was_counted(rule: JudgeRule) -> None:
    waiting = missing("waiting")
    assert ruled(simple(rule), alike(10, errors=waiting))[1].reason == "settling"
    assert ruled(simple(rule), [*alike(10, errors=GOOD), *alike(1, 11, errors=waiting)])[1].verdict == "proceed"


def test_three_snapshots_without_data_abort_where_the_policy_says_so(rule: JudgeRule) -> None:
    rules = simple(rule, on_no_data="abort")
    assert ruled(rules, [*alike(10, errors=GOOD), *alike(2, 11, errors=missing())])[1].verdict == "hold"
    _, found = ruled(rules, [*alike(10, errors=GOOD), *alike(3, 11, errors=missing())])
    assert (found.verdict, found.reason) == ("abort", "no_data")
    assert (
        found.sentence
        == "abort: no data since 12:05, Prometheus answered, 0 of 4 expected series; 3 snapshots in a row"
    )


def test_requests_that_go_elsewhere_hold(rule: JudgeRule) -> None:
    _, found = ruled(simple(rule), alike(20, errors=proportion(2, 1000, 18, 9000)))
    assert (found.verdict, found.reason) == ("hold", "sample_ratio_mismatch")
    assert "the canary gets 10 % of the requests, not 50 % (20,000 of 200,000 in this stage)" in found.sentence


def test_before_the_first_change_of_weight_it_waits(rule: JudgeRule) -> None:
    _, found = ruled(simple(rule), [snapshot({"errors": GOOD}, 1, stage=-1, weight=0)])
    assert (found.reason, found.sentence) == ("settling", "hold: waiting for the first change of weight")


def test_a_stage_is_judged_on_its_own_counts(rule: JudgeRule) -> None:
    rules = plan(metric(), weights=(50, 50), minimum=300, judge=rule)
    bad_then_good = [
        *alike(9, errors=BAD),
        *(snapshot({"errors": GOOD}, number, 1, START + 270_000) for number in range(10, 20)),
    ]
    evidence, found = ruled(rules, bad_then_good)
    assert evidence.totals[0].stage == (20, 10_000, 20, 10_000)
    assert evidence.totals[0].run == (740, 19_000, 38, 19_000)
    assert (found.verdict, found.metrics[0].run[0].canary.events) == ("proceed", 740)


def test_a_metric_without_a_rule_is_said_and_alone_holds() -> None:
    for name in ("scorecard", "recommendation"):
        calls = metric("calls", count="rate")
        rules = plan(calls, minimum=300, judge=RULES[name], on_time_spent="proceed")
        _, found = ruled(rules, alike(10, calls=proportion(2, 1, 2, 1)))
        assert found.sentence == f"hold: no rule of {name} is for any metric of this policy; 5 min at 50 %"
        _, spent = ruled(rules, alike(120, calls=proportion(2, 1, 2, 1)))
        assert (spent.verdict, spent.reason) == ("hold", "time_spent")
        both = plan(metric(), calls, minimum=300, judge=RULES[name])
        _, found = ruled(both, alike(10, errors=GOOD, calls=proportion(2, 1, 2, 1)))
        assert found.verdict == "proceed"
        assert f"no rule of {name} is for calls" in [one.text for one in found.findings]


def test_changed_buckets_are_an_error(rule: JudgeRule) -> None:
    snapshots = [
        *alike(9, latency=distribution((0.1, 0.2), (90, 5, 5), (90, 5, 5))),
        *alike(1, first=10, latency=distribution((0.15, 0.3), (90, 5, 5), (90, 5, 5))),
    ]
    _, found = ruled(plan(latency(), minimum=60, judge=rule), snapshots)
    assert (found.reason, found.sentence) == (
        "provider_error",
        "hold: latency cannot be judged since 12:04: bucket edges changed during the run",
    )


def test_a_gauge_without_pods_of_the_canary_is_no_data(rule: JudgeRule) -> None:
    _, found = ruled(plan(metric(), gauge(), judge=rule), alike(10, errors=GOOD, memory=values([])))
    assert (found.reason, found.sentence) == (
        "no_data",
        "hold: memory: no pod of the canary since the run began at 12:00",
    )


def test_a_pod_that_is_warming_up_is_left_out_of_gauges() -> None:
    rules = plan(metric(), gauge(), minimum=30, judge=RULES["scorecard"])
    look = alike(1, errors=GOOD, memory=values([0.97, 0.5]))[0]
    for young, verdict, reason in (((0,), "proceed", "rule"), ((0, 1), "hold", "settling"), ((1,), "abort", "rule")):
        pods = tuple(Pod(name=f"cart-new-{i}", arm="canary", started=look.end - 1000) for i in young)
        _, found = ruled(rules, [look.model_copy(update={"pods": pods})])
        assert (found.verdict, found.reason) == (verdict, reason)


def test_numbers_are_published_for_every_metric(rule: JudgeRule) -> None:
    rules = plan(metric(), latency(), gauge(), minimum=300, judge=rule)
    buckets = distribution((0.1, 0.2), (90, 6, 4), (90, 6, 4))
    _, found = ruled(rules, alike(10, errors=GOOD, latency=buckets, memory=values([0.5])))
    errors, slow, memory = found.metrics
    assert [one.label for one in found.metrics] == ["ok"] * 3
    assert (errors.run[0].canary.events, errors.run[0].canary.trials) == (20, 10_000)
    assert (slow.run[0].canary_edge, slow.run[0].canary.events, slow.run[0].canary.trials) == (0.2, 40, 1000)
    assert memory.run == ()


def test_evidence_of_another_plan_judge_or_version_is_refused(rule: JudgeRule) -> None:
    judge = JUDGES[rule.name]
    with pytest.raises(EvidenceError, match="1 metrics does not fit"):
        judge.judge([(plan(metric(), metric("b"), judge=rule), judge.start(simple(rule)), alike(1, errors=GOOD)[0])])
    for packed in (b"", b"\x01rest", b'{"kind": "other/1", "totals": []}', b'{"totals": []}'):
        with pytest.raises(EvidenceError):
            judge.load(packed)


def test_evidence_is_small(rule: JudgeRule) -> None:
    names = ("errors", "timeouts", "retries", "conversion")
    rules = plan(*(metric(name) for name in names), latency(), gauge(), judge=rule)
    edges = tuple(0.005 * 1.2**i for i in range(40))
    buckets = distribution(edges, [12345] * 41, [123456] * 41)
    counts = {name: proportion(1234, 123456, 12345, 1234567) for name in names}
    evidence, _ = ruled(rules, alike(300, metrics=counts, latency=buckets, memory=values([0.51234567])))
    assert len(evidence.pack()) <= 8192
