"""The default judge: what it decides, in which order, and what changes nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_analyzer.domain import ledger
from serinus_analyzer.domain.evidence import Evidence, EvidenceError
from serinus_analyzer.domain.judges import JUDGES, sequential
from serinus_contracts.events import (
    Distribution,
    Measurement,
    MetricsCollected,
    MetricStatus,
    MetricVerdict,
    Proportion,
)
from serinus_contracts.plan import AnalysisPlan, PlanLimit, PlanStage
from serinus_contracts.policy import Budget

from tests.unit.analyzer.domain.builders import (
    START,
    distribution,
    latency,
    metric,
    missing,
    plan,
    proportion,
    snapshot,
)
from tests.unit.analyzer.domain.laws import lawful
from tests.unit.analyzer.domain.runs import EDGES, durations, errors, judged, slow, steady

GOOD, BAD = errors(2, 1000, 2, 1000), errors(40, 1000, 2, 1000)
LIMIT = PlanLimit(name="errors above 0.1", metric="errors", share=0.1)


def only(metrics: tuple[MetricVerdict, ...], name: str = "errors") -> MetricVerdict:
    return next(metric for metric in metrics if metric.name == name)


def test_the_table_of_judges_has_it() -> None:
    judge = JUDGES["sequential"]
    evidence, assessment = judge.look(plan(), judge.open(plan()), snapshot(GOOD(), 1))
    assert assessment.reason == "awaiting_baseline"
    assert judge.unpack(evidence.pack()).pack() == evidence.pack()


# The order of the verdict.


def test_a_canary_that_is_worse_is_aborted_even_before_the_minimum() -> None:
    _, found = judged(plan(minimum=600), steady(BAD, 3))
    assert (found.verdict, found.reason, found.blame) == ("abort", "evidence", ("errors",))
    assert only(found.metrics).label == "worse"


def test_an_abort_stays_with_its_numbers_whatever_comes_after() -> None:
    evidence, before = judged(plan(), steady(BAD, 5))
    after, later = judged(plan(), steady(errors(0, 10**6, 2000, 10**6), 20, first=6), evidence)
    assert (later.verdict, later.reason, later.log_abort) == ("abort", "evidence", before.log_abort)
    assert later.metrics[0].run == before.metrics[0].run
    assert after.exposed == 5_000 + 20 * 10**6
    _, missed = judged(plan(), [snapshot({"errors": missing()}, 26)], after)
    assert missed.verdict == "abort"


def test_a_canary_that_is_not_worse_is_shown_after_the_minimum_and_not_before() -> None:
    rule = plan(metric(ratio=1.25, absolute=0.002), minimum=1200)
    _, early = judged(rule, steady(GOOD, 39))
    assert (early.verdict, early.reason) == ("hold", "before_minimum")
    assert only(early.metrics).label == "ok"
    _, found = judged(rule, steady(GOOD, 40))
    assert (found.verdict, found.reason) == ("proceed", "shown")


def test_a_quiet_gate_opens_after_the_minimum_without_proof() -> None:
    rule = plan(gate="quiet", minimum=120)
    assert judged(rule, steady(GOOD, 3))[1].reason == "before_minimum"
    _, found = judged(rule, steady(GOOD, 4))
    assert (found.verdict, found.reason) == ("proceed", "quiet")


def test_a_quiet_gate_stays_shut_while_evidence_is_half_way_to_an_abort() -> None:
    evidence, found = judged(plan(gate="quiet"), steady(errors(6, 1000, 2, 1000), 5))
    assert ledger.bar(0.01) / 2 <= found.log_abort < ledger.bar(0.01)
    assert (found.verdict, found.reason) == ("hold", "insufficient_evidence")
    assert evidence.log_abort == found.log_abort


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
    assert judged(rule, steady(GOOD, 60, first=11), evidence)[1].reason == "shown"
    assert judged(rule, steady(BAD, 5, first=11), evidence)[1].verdict == "abort"


def test_without_enough_evidence_it_holds() -> None:
    _, found = judged(plan(), steady(GOOD, 10))
    assert (found.verdict, found.reason) == ("hold", "insufficient_evidence")
    assert only(found.metrics).label == "unclear"


# Data.


def test_the_first_look_only_sets_the_baseline() -> None:
    _, found = judged(plan(), steady(BAD, 1))
    assert (found.verdict, found.reason, found.log_abort) == ("hold", "awaiting_baseline", 0.0)
    assert found.exposed == 1000


@pytest.mark.parametrize(
    ("status", "reason"),
    [("error", "provider_error"), ("no_data", "no_data"), ("partial", "no_data"), ("settling", "settling")],
)
def test_faults_of_the_data_hold_and_change_no_evidence(status: str, reason: str) -> None:
    rule = plan(gate="quiet")
    evidence, _ = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, [snapshot({"errors": missing(status)}, 6)], evidence)  # type: ignore[arg-type]
    assert (found.verdict, found.reason, found.missing) == ("hold", reason, ("errors",))
    assert (after.state.rows == evidence.state.rows).all()
    assert (after.state.past == evidence.state.past).all()
    assert (after.state.clock == evidence.state.clock).all()


def test_between_two_scrapes_the_verdict_stays() -> None:
    rule = plan(gate="quiet")
    evidence, before = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, [snapshot({"errors": missing("waiting")}, 6)], evidence)
    assert (found.verdict, found.reason, found.missing) == (before.verdict, before.reason, ())
    assert (after.state.rows == evidence.state.rows).all()


def test_a_stage_without_a_scrape_yet_is_settling() -> None:
    rule = plan(weights=(10, 50), gate="quiet", minimum=0)
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
    rule = plan(gate="quiet", weights=(10,))
    evidence, _ = judged(rule, steady(GOOD, 5))
    after, found = judged(rule, steady(errors(*counts), 1, first=6), evidence)
    assert (found.verdict, found.reason) == ("hold", "no_data")
    assert after.missing == 0


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
    assert (found.verdict, found.reason, found.log_abort, found.exposed) == ("hold", "settling", 0.0, 0)


def test_requests_that_go_elsewhere_hold() -> None:
    rule = plan(weights=(10,))
    looks = [snapshot(GOOD(), number, weight=10) for number in range(1, 20)]
    _, found = judged(rule, looks)
    assert (found.verdict, found.reason) == ("hold", "traffic_mismatch")
    assert found.traffic is not None
    assert (found.traffic.canary, found.traffic.stable, found.traffic.expected) == (19_000, 19_000, 0.1)


def test_a_new_stage_forgives_the_traffic_of_the_last() -> None:
    rule = plan(weights=(10, 50), gate="quiet", minimum=0)
    evidence, _ = judged(rule, [snapshot(GOOD(), number, weight=10) for number in range(1, 20)])
    look = snapshot(GOOD(), 20, stage=1, stage_started=START + 570_000, weight=50)
    assert judged(rule, [look], evidence)[1].reason == "quiet"


# Stages.


def two_stages(gate: str = "proof") -> AnalysisPlan:
    return plan(metric(ratio=1.25, absolute=0.002), weights=(50, 50), gate=gate, minimum=0)  # type: ignore[arg-type]


def test_proof_begins_anew_at_each_stage_and_abort_evidence_goes_on() -> None:
    rule = two_stages()
    evidence, before = judged(rule, steady(GOOD, 40))
    assert before.reason == "shown"
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
    cash = evidence.state.cash[0]
    back = [snapshot(GOOD(), n, stage=0, stage_started=START + 180_000) for n in (7, 8)]
    evidence, _ = judged(rule, back, evidence)
    assert evidence.state.cash[0] == cash
    assert evidence.state.clock[:, 0].tolist() == [0, 1, 0]
    evidence, _ = judged(rule, [snapshot(GOOD(), 9, stage=1, stage_started=START + 240_000)], evidence)
    assert evidence.state.cash[0] == cash


def test_a_stage_that_starts_again_starts_its_proof_again() -> None:
    rule = two_stages()
    evidence, _ = judged(rule, steady(GOOD, 40))
    _, found = judged(rule, [snapshot(GOOD(), 41, stage_started=START + 1_200_000)], evidence)
    assert found.metrics[0].stage[0].trials == 1000
    assert found.reason == "insufficient_evidence"


def test_stages_may_have_different_gates() -> None:
    first = PlanStage(weight=50, first_step=0, gates=(1,), minimum=60, maximum=900, gate="quiet")
    last = first.model_copy(update={"gate": "proof"})
    rule = plan().model_copy(update={"stages": (first, last)})
    evidence, found = judged(rule, steady(GOOD, 4))
    assert found.reason == "quiet"
    looks = [snapshot(GOOD(), n, stage=1, stage_started=START + 120_000) for n in range(5, 9)]
    assert judged(rule, looks, evidence)[1].reason == "insufficient_evidence"


# Several metrics.


def test_a_proof_gate_wants_every_critical_metric_and_only_those() -> None:
    wide = {"ratio": 1.25, "absolute": 0.002}
    rule = plan(metric("errors", critical=True, **wide), metric("extra"))  # type: ignore[arg-type]
    looks = [snapshot({**GOOD(), "extra": proportion(2, 1000, 2, 1000)}, n) for n in range(1, 41)]
    assert judged(rule, looks)[1].reason == "shown"
    rule = plan(metric("errors", **wide), metric("extra"))  # type: ignore[arg-type]
    assert judged(rule, looks)[1].reason == "insufficient_evidence"


def test_one_budget_covers_all_metrics() -> None:
    many = plan(*(metric(name) for name in "abcdef"))
    alone = plan(metric("a"))
    quiet = {name: proportion(2, 1000, 2, 1000) for name in "bcdef"}
    looks = [snapshot({"a": proportion(7, 1000, 2, 1000), **quiet}, n) for n in range(1, 6)]
    _, shared = judged(many, looks)
    _, own = judged(alone, [look.model_copy(update={"metrics": {"a": look.metrics["a"]}}) for look in looks])
    assert own.verdict == "abort"
    assert shared.verdict == "hold"
    assert only(shared.metrics, "a").label == "warning"
    assert only(shared.metrics, "a").log_abort == only(own.metrics, "a").log_abort


def test_the_weight_of_a_metric_is_its_share_of_the_budget() -> None:
    _, found = judged(plan(metric("a", weight=3), metric("b"), limits=[]), [snapshot({}, 1)])
    assert [one.share for one in found.metrics] == [0.75, 0.25]
    rule = plan(metric("errors"), limits=[LIMIT])
    assert [one.share for one in judged(rule, steady(GOOD, 1))[1].metrics] == pytest.approx([1 / 1.1, 0.1 / 1.1])


def test_a_metric_that_is_missing_keeps_its_evidence() -> None:
    rule = plan(metric("a"), metric("b"))
    both = {"a": proportion(7, 1000, 2, 1000), "b": proportion(2, 1000, 2, 1000)}
    evidence, before = judged(rule, [snapshot(both, n) for n in range(1, 6)])
    _, after = judged(rule, [snapshot({**both, "a": missing()}, 6)], evidence)
    assert only(after.metrics, "a").log_abort == only(before.metrics, "a").log_abort
    assert only(after.metrics, "a").label == "no_data"


# Directions, limits, latency.


def test_where_higher_is_better_a_drop_aborts_and_a_rise_is_shown() -> None:
    rule = plan(metric("conversion", 0.95, better="higher"))
    _, worse = judged(rule, [snapshot({"conversion": proportion(240, 1000, 300, 1000)}, n) for n in range(1, 12)])
    assert (worse.verdict, worse.blame) == ("abort", ("conversion",))
    high = worse.metrics[0].run[0].high
    assert high is not None
    assert high <= 1
    _, fine = judged(rule, [snapshot({"conversion": proportion(330, 1000, 300, 1000)}, n) for n in range(1, 12)])
    assert fine.reason == "shown"
    low = fine.metrics[0].run[0].low
    assert low is not None
    assert low >= 1


def test_a_limit_aborts_alone_and_says_so() -> None:
    rule = plan(metric("errors", ratio=100), limits=[LIMIT])
    evidence, found = judged(rule, steady(errors(150, 1000, 2, 1000), 8))
    assert (found.verdict, found.reason, found.blame) == ("abort", "limit", ("errors above 0.1",))
    assert found.metrics[1].limit
    _, below = judged(rule, steady(errors(80, 1000, 2, 1000), 60))
    assert below.verdict != "abort"
    assert evidence.shape[2] == 2


def test_a_limit_from_below_is_the_complements_limit_from_above() -> None:
    low = PlanLimit(name="conversion below 0.85", metric="conversion", better="higher", share=0.85)
    rule = plan(metric("conversion", 0.5, better="higher"), limits=[low])
    _, found = judged(rule, [snapshot({"conversion": proportion(800, 1000, 900, 1000)}, n) for n in range(1, 12)])
    assert (found.verdict, found.reason) == ("abort", "limit")
    assert found.metrics[1].run[0].canary.events == 11 * 800 or found.metrics[1].run[0].canary.events % 800 == 0
    _, fine = judged(rule, [snapshot({"conversion": proportion(860, 1000, 900, 1000)}, n) for n in range(1, 40)])
    assert fine.verdict != "abort"


def test_a_rate_may_have_limits_from_both_sides() -> None:
    calls = metric("calls", 2.0, count="rate")
    top = PlanLimit(name="top", metric="calls", share=0.9)
    bottom = PlanLimit(name="bottom", metric="calls", better="higher", share=0.2)
    rule = plan(calls, limits=[top, bottom])
    _, much = judged(rule, [snapshot({"calls": proportion(1500, 1000, 1500, 1000)}, n) for n in range(1, 8)])
    assert much.blame == ("top",)
    _, little = judged(rule, [snapshot({"calls": proportion(100, 1000, 100, 1000)}, n) for n in range(1, 8)])
    assert little.blame == ("bottom",)


def test_more_events_than_trials_are_no_fault_where_events_follow_later() -> None:
    rule = plan(metric("conversion", 0.95, better="higher", lag=180))
    _, found = judged(rule, [snapshot({"conversion": proportion(105, 100, 110, 100)}, n) for n in range(1, 5)])
    assert found.reason == "insufficient_evidence"
    _, worse = judged(rule, [snapshot({"conversion": proportion(50, 100, 110, 100)}, n) for n in range(1, 9)])
    assert worse.verdict == "abort"


def test_slower_durations_abort_and_equal_ones_are_shown() -> None:
    rule = plan(latency(), gate="proof")
    _, worse = judged(rule, [snapshot({"latency": slow(0.3, seed=2 * n)}, n) for n in range(1, 8)])
    assert (worse.verdict, worse.reason) == ("abort", "evidence")
    _, fine = judged(rule, [snapshot({"latency": slow(0.2, seed=2 * n)}, n) for n in range(1, 40)])
    assert fine.reason == "shown"
    channels = fine.metrics[0].run
    assert [channel.quantile for channel in channels] == [q for q in (0.5, 0.75, 0.9, 0.95, 0.99) for _ in range(2)]
    assert all((channel.log_proceed is None) == (i % 2 == 0) for i, channel in enumerate(channels))
    assert channels[0].stable_edge is not None
    assert channels[0].canary_edge is not None
    assert channels[0].canary_edge >= 1.2 * channels[0].stable_edge


def test_coarse_buckets_are_tested_at_one_edge_and_say_so() -> None:
    edges = (0.1, 0.25, 0.5, 1.0)
    look = {"latency": distribution(edges, (500, 300, 150, 40, 10), (500, 300, 150, 40, 10))}
    _, found = judged(plan(latency()), [snapshot(look, n) for n in range(1, 4)])
    channels = found.metrics[0].run
    assert all(channel.canary_edge == channel.stable_edge for channel in channels)
    assert all("too coarse" in channel.detail for channel in channels)
    assert {(c.margin.ratio, c.margin.absolute) for c in channels} == {(1.5, 0.005)}


def test_a_latency_limit_uses_the_next_edge_and_one_beyond_the_histogram_says_so() -> None:
    slow_limit = PlanLimit(name="p95 above 0.5 s", metric="latency", share=0.05, edge=0.5)
    rule = plan(latency(ratio=100), limits=[slow_limit])
    _, found = judged(rule, [snapshot({"latency": slow(0.4, seed=2 * n)}, n) for n in range(1, 12)])
    assert found.reason == "limit"
    far = PlanLimit(name="p95 above 60 s", metric="latency", share=0.05, edge=60.0)
    rule = plan(latency(), limits=[far])
    _, found = judged(rule, [snapshot({"latency": slow(0.2, seed=2 * n)}, n) for n in range(1, 4)])
    assert found.metrics[1].detail == "the histogram has no edge at or beyond 60 s"
    assert found.metrics[1].log_abort == 0.0


def test_buckets_that_change_in_mid_run_are_an_error_of_the_data() -> None:
    rule = plan(latency())
    evidence, _ = judged(rule, [snapshot({"latency": slow(0.2)}, n) for n in range(1, 4)])
    other = distribution((0.1, 0.3), (5, 3, 1), (50, 30, 10))
    _, found = judged(rule, [snapshot({"latency": other}, 4)], evidence)
    assert found.reason == "provider_error"
    assert found.metrics[0].detail == "bucket edges changed during the run"


def test_sixty_buckets_and_500_pods_are_judged() -> None:
    edges = tuple(0.001 * 1.15**i for i in range(60))
    buckets = tuple(range(61))
    pods = {f"pod-{i}": (1, 500) for i in range(500)}
    crowd = Proportion(status="ok", canary=dict(list(pods.items())[:50]), stable=pods, series=550)
    durations = Distribution(status="ok", edges=edges, canary=buckets, stable=buckets)
    look: dict[str, Measurement] = {"errors": crowd, "latency": durations}
    _, found = judged(plan(metric("errors"), latency()), [snapshot(look, n) for n in range(1, 4)])
    assert only(found.metrics).run[0].stable.trials == 3 * 250_000


def test_counts_of_10_to_the_12_are_judged() -> None:
    n = 10**12
    _, found = judged(plan(metric(ratio=1.25)), steady(errors(2 * n // 1000, n, 2 * n // 1000, n), 5))
    assert found.reason == "shown"
    _, found = judged(plan(metric(ratio=1.25)), steady(errors(3 * n // 1000, n, 2 * n // 1000, n), 5))
    assert found.verdict == "abort"


def test_one_pod_and_one_request_are_judged() -> None:
    _, found = judged(plan(), steady(errors(1, 1, 0, 1), 5))
    assert found.verdict == "hold"


# What changes nothing.


counts = st.tuples(st.integers(0, 40), st.integers(40, 4000), st.integers(0, 40), st.integers(40, 4000))
often: list[MetricStatus] = ["ok", "ok", "ok", "ok", "no_data", "error", "settling", "waiting"]
statuses = st.sampled_from(often)


def mixed() -> AnalysisPlan:
    low = PlanLimit(name="low", metric="conversion", better="higher", share=0.01)
    return plan(
        metric("errors", 1.25, 0.001, critical=True),
        metric("conversion", 0.9, better="higher"),
        latency(),
        weights=(5, 50),
        limits=[LIMIT, low],
        budget=Budget(false_abort=0.01, false_proceed=0.05),
    )


@st.composite
def looks(draw: st.DrawFn) -> list[MetricsCollected]:
    found = []
    size = draw(st.integers(1, 8))
    turn = draw(st.integers(1, 8))
    for number in range(1, size + 1):
        first, second = draw(counts), draw(counts)
        metrics: dict[str, Measurement] = {
            "errors": proportion(*first) if draw(statuses) == "ok" else missing(draw(statuses), "why"),
            "conversion": proportion(*second) if draw(statuses) == "ok" else missing("no_data"),
            "latency": slow(draw(st.sampled_from([0.2, 0.25])), seed=number),
        }
        stage = int(number >= turn)
        begun = START + (turn - 1) * 30_000 if stage else START
        found.append(snapshot(metrics, number, stage=stage, stage_started=begun, weight=(5, 50)[stage]))
    return found


@lawful
@given(looks())
def test_evidence_survives_packing_and_a_look_after_it_says_the_same(chain: list[MetricsCollected]) -> None:
    rule = mixed()
    kept = packed = sequential.open(rule)
    for look in chain:
        kept, one = sequential.look(rule, kept, look)
        packed, other = sequential.look(rule, Evidence.unpack(packed.pack()), look)
        assert (one, one.metrics, one.traffic) == (other, other.metrics, other.traffic)
        assert kept.pack() == packed.pack() == Evidence.unpack(packed.pack()).pack()


@lawful
@given(looks())
def test_the_order_of_metrics_in_a_snapshot_changes_nothing(chain: list[MetricsCollected]) -> None:
    rule = mixed()
    forth = back = sequential.open(rule)
    for look in chain:
        turned = look.model_copy(update={"metrics": dict(reversed(look.metrics.items()))})
        forth, one = sequential.look(rule, forth, look)
        back, other = sequential.look(rule, back, turned)
        assert (one, one.metrics, one.traffic) == (other, other.metrics, other.traffic)
        assert forth.pack() == back.pack()


@lawful
@given(looks(), st.sampled_from(["no_data", "error", "waiting", "settling", "partial"]))
def test_looks_of_no_data_change_no_evidence(chain: list[MetricsCollected], status: str) -> None:
    rule = mixed()
    evidence = sequential.open(rule)
    for look in chain:
        evidence, _ = sequential.look(rule, evidence, look)
    last = chain[-1]
    blank = {name: missing(status) for name in last.metrics}  # type: ignore[arg-type]
    empty = last.model_copy(update={"metrics": blank, "follows": last.end, "end": last.end + 30_000})
    after, _ = sequential.look(rule, evidence, empty)
    for field in ("past", "clock", "rows", "cash", "run", "stage"):
        assert (getattr(after.state, field) == getattr(evidence.state, field)).all()
    assert after.log_abort == evidence.log_abort


@lawful
@given(looks())
def test_the_interval_agrees_with_the_verdict(chain: list[MetricsCollected]) -> None:
    rule = mixed()
    evidence = sequential.open(rule, sequential.uniform_noise(rule))
    for look in chain:
        evidence, found = sequential.look(rule, evidence, look)
        for one in found.metrics:
            blamed = found.verdict == "abort" and one.name in found.blame
            if blamed:
                strongest = max(one.run, key=lambda channel: channel.log_abort)
                falling = one.better == "higher" and not one.limit
                bound = strongest.high if falling else strongest.low
                assert bound is not None
                assert bound <= 1 if falling else bound >= 1
            elif one.label == "ok" and not one.limit and found.verdict != "abort":
                for channel in one.run:
                    if channel.log_proceed is not None:
                        bound = channel.low if one.better == "higher" else channel.high
                        assert bound is not None
                        assert bound >= 1 if one.better == "higher" else bound <= 1


@settings(lawful, max_examples=40)
@given(st.lists(looks(), min_size=1, max_size=4))
def test_many_runs_at_once_are_judged_as_one_by_one(chains: list[list[MetricsCollected]]) -> None:
    rule = mixed()
    alone = together = [sequential.open(rule) for _ in chains]
    for step in range(max(map(len, chains))):
        now = [i for i, chain in enumerate(chains) if step < len(chain)]
        cases = [(rule, together[i], chains[i][step]) for i in now]
        results = dict(zip(now, sequential.look_all(cases), strict=True))
        singles = {i: sequential.look(rule, alone[i], chains[i][step]) for i in now}
        for i in now:
            one, other = results[i][1], singles[i][1]
            assert (one.verdict, one.reason, one.sentence) == (other.verdict, other.reason, other.sentence)
            assert one.log_abort == pytest.approx(other.log_abort, abs=1e-9)
        together = [results[i][0] if i in results else together[i] for i in range(len(chains))]
        alone = [singles[i][0] if i in singles else alone[i] for i in range(len(chains))]


# Evidence.


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
    look["latency"] = slow(0.2)
    evidence, _ = judged(rule, [snapshot(look, n) for n in range(1, 4)])
    assert len(evidence.pack()) <= 8192


@pytest.mark.parametrize("broken", [b"", b"\x00", b"\x63" * 100])
def test_bytes_that_are_no_evidence_are_refused(broken: bytes) -> None:
    with pytest.raises(EvidenceError):
        Evidence.unpack(broken)


def test_evidence_that_is_cut_or_too_long_is_refused() -> None:
    packed = sequential.open(plan()).pack()
    for broken in (packed[:-1], packed + b"\x00", packed[:50]):
        with pytest.raises(EvidenceError):
            Evidence.unpack(broken)


def test_evidence_of_another_plan_is_refused() -> None:
    evidence, _ = judged(plan(), steady(GOOD, 2))
    with pytest.raises(EvidenceError):
        sequential.look(plan(metric("a"), metric("b")), evidence, snapshot({}, 3))


def test_given_noise_is_published_and_kept() -> None:
    rule = plan()
    evidence = sequential.open(rule, sequential.uniform_noise(rule, phi=2.0, kappa=0.25))
    _, found = judged(rule, steady(GOOD, 2), evidence)
    assert (found.calibrated, found.metrics[0].phi, found.metrics[0].kappa) == (True, 2.0, 0.25)
    _, found = judged(rule, steady(GOOD, 2), sequential.open(rule))
    assert (found.calibrated, found.metrics[0].phi, found.metrics[0].kappa) == (False, 3.0, 0.5)


def test_more_noise_means_less_evidence() -> None:
    rule = plan()
    known, unknown = sequential.open(rule, sequential.uniform_noise(rule)), sequential.open(rule)
    chain = steady(errors(6, 1000, 2, 1000), 4)
    assert judged(rule, chain, known)[1].log_abort > judged(rule, chain, unknown)[1].log_abort > 0


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
    assert found.exposed == total[1]
