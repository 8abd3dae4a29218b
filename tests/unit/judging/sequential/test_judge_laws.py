"""Laws of whole runs of the judge."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_contracts.events import (
    Measurement,
    MetricsCollected,
    MetricStatus,
)
from serinus_contracts.plan import AnalysisPlan, PlanLimit
from serinus_judging.sequential.evidence import Evidence

from tests.unit.judging.builders import START, latency, metric, missing, plan, proportion, snapshot
from tests.unit.judging.laws import lawful
from tests.unit.judging.runs import JUDGE, LIMIT, evaluated, known_noise, slow

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
    kept = packed = JUDGE.start(rule)
    for look in chain:
        kept, one = evaluated(rule, kept, look)
        packed, other = evaluated(rule, Evidence.unpack(packed.pack()), look)
        assert (one, one.metrics, one.traffic) == (other, other.metrics, other.traffic)
        assert kept.pack() == packed.pack() == Evidence.unpack(packed.pack()).pack()


@lawful
@given(looks())
def test_the_order_of_metrics_in_a_snapshot_changes_nothing(chain: list[MetricsCollected]) -> None:
    rule = mixed()
    forth = back = JUDGE.start(rule)
    for look in chain:
        turned = look.model_copy(update={"metrics": dict(reversed(look.metrics.items()))})
        forth, one = evaluated(rule, forth, look)
        back, other = evaluated(rule, back, turned)
        assert (one, one.metrics, one.traffic) == (other, other.metrics, other.traffic)
        assert forth.pack() == back.pack()


@lawful
@given(looks(), st.sampled_from(["no_data", "error", "waiting", "settling", "partial"]))
def test_looks_of_no_data_change_no_evidence(chain: list[MetricsCollected], status: str) -> None:
    rule = mixed()
    evidence = JUDGE.start(rule)
    for look in chain:
        evidence, _ = evaluated(rule, evidence, look)
    last = chain[-1]
    blank = {name: missing(status) for name in last.metrics}  # type: ignore[arg-type]
    empty = last.model_copy(update={"metrics": blank, "follows": last.end, "end": last.end + 30_000})
    after, _ = evaluated(rule, evidence, empty)
    for field in ("past", "clock", "rows", "unspent_prior", "run", "stage"):
        assert (getattr(after.state, field) == getattr(evidence.state, field)).all()
    assert after.log_eprocess == evidence.log_eprocess


@lawful
@given(looks())
def test_the_interval_agrees_with_the_verdict(chain: list[MetricsCollected]) -> None:
    rule = mixed()
    evidence = known_noise(rule)
    for look in chain:
        evidence, found = evaluated(rule, evidence, look)
        for one in found.metrics:
            blamed = found.verdict == "abort" and one.name in found.regressed
            if blamed:
                strongest = max(one.run, key=lambda channel: channel.log_eprocess)
                falling = one.better == "higher" and not one.limit
                bound = strongest.high if falling else strongest.low
                assert bound is not None
                assert bound <= 1 if falling else bound >= 1
            elif one.label == "ok" and not one.limit and found.verdict != "abort":
                for channel in one.run:
                    if channel.log_eprocess_non_inferior is not None:
                        bound = channel.low if one.better == "higher" else channel.high
                        assert bound is not None
                        assert bound >= 1 if one.better == "higher" else bound <= 1


@settings(lawful, max_examples=40)
@given(st.lists(looks(), min_size=1, max_size=4))
def test_many_runs_at_once_are_judged_as_one_by_one(chains: list[list[MetricsCollected]]) -> None:
    rule = mixed()
    alone = together = [JUDGE.start(rule) for _ in chains]
    for step in range(max(map(len, chains))):
        now = [i for i, chain in enumerate(chains) if step < len(chain)]
        cases = [(rule, together[i], chains[i][step]) for i in now]
        results = dict(zip(now, JUDGE.judge(cases), strict=True))
        singles = {i: evaluated(rule, alone[i], chains[i][step]) for i in now}
        for i in now:
            one, other = results[i][1], singles[i][1]
            assert (one.verdict, one.reason, one.sentence) == (other.verdict, other.reason, other.sentence)
            assert one.log_eprocess == pytest.approx(other.log_eprocess, abs=1e-9)
        together = [results[i][0] if i in results else together[i] for i in range(len(chains))]
        alone = [singles[i][0] if i in singles else alone[i] for i in range(len(chains))]


# Evidence.
