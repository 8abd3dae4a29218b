"""What opens a gate never contradicts the evidence on any metric, whatever its weight."""

from collections.abc import Sequence
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_contracts.events import Measurement, MetricsCollected, MetricVerdict
from serinus_contracts.plan import AnalysisPlan, PlanLimit, PlanMetric
from serinus_judging.sequential import combination

from tests.unit.judging.builders import START, latency, metric, only, plan, proportion, snapshot
from tests.unit.judging.laws import lawful
from tests.unit.judging.runs import evaluated, judged, known_noise, slow

LIMIT = PlanLimit(name="errors above 0.005", metric="errors", share=0.005, weight=0.001)


def looks(count: int, **metrics: Measurement) -> list[MetricsCollected]:
    return [snapshot(metrics, number) for number in range(1, count + 1)]


def test_a_gate_holds_while_a_metric_is_worse_by_itself_however_little_it_weighs() -> None:
    rule = plan(metric("errors", 1.25), metric("timeouts", weight=0.01), gate="noRegression")
    bad = looks(6, errors=proportion(2, 1000, 2, 1000), timeouts=proportion(9, 1000, 3, 1000))
    _, found = judged(rule, bad)
    timeouts = only(found.metrics, "timeouts")
    assert found.log_eprocess < combination.log_threshold(rule.false_abort_rate) / 2 < timeouts.log_eprocess
    assert (found.verdict, found.reason, timeouts.label) == ("hold", "insufficient_evidence", "warning")
    assert found.sentence == (
        "hold: a regression of timeouts, too little over all metrics to abort after 3 min at 50 %; "
        "timeouts 0.9 % against 0.3 % on stable (54 of 6,000; 18 of 6,000); worse than allowed"
    )


def test_a_gate_opens_again_when_the_evidence_has_gone() -> None:
    rule = plan(metric("errors", 1.25), metric("timeouts", weight=0.01), gate="noRegression")
    errors = proportion(2, 1000, 2, 1000)
    bad = looks(6, errors=errors, timeouts=proportion(9, 1000, 3, 1000))
    good = [snapshot({"errors": errors, "timeouts": proportion(3, 1000, 3, 1000)}, n) for n in range(7, 60)]
    assert judged(rule, [*bad, *good])[1].reason == "no_regression"


def test_a_proof_of_the_critical_metrics_does_not_outvote_one_that_is_worse_by_itself() -> None:
    rule = plan(metric("errors", 1.25, 0.002, critical=True), metric("timeouts", weight=0.01))
    fine = proportion(2, 1000, 2, 1000)
    errors = looks(40, errors=fine, timeouts=proportion(3, 1000, 3, 1000))
    evidence, shown = judged(rule, errors)
    assert shown.reason == "non_inferior"
    worse = [snapshot({"errors": fine, "timeouts": proportion(7, 1000, 3, 1000)}, n) for n in range(41, 90)]
    reached = False
    for look in worse:
        evidence, found = evaluated(rule, evidence, look)
        if only(found.metrics, "timeouts").label == "warning":
            reached = True
            assert (found.verdict, found.regressed) == ("hold", ())
    assert reached


def test_one_edge_of_a_latency_is_enough_to_hold() -> None:
    rule = plan(metric("errors", 1.25, 0.002, critical=True), latency(ratio=1.2, weight=0.01))
    evidence, held = known_noise(rule), False
    for number in range(1, 31):
        look = {"errors": proportion(2, 1000, 2, 1000), "latency": slow(0.27, n=100, m=100, seed=number)}
        evidence, found = evaluated(rule, evidence, snapshot(look, number))
        slower = only(found.metrics, "latency")
        if max((channel.log_eprocess for channel in slower.run), default=0) >= 4.61 and found.verdict != "abort":
            assert (found.verdict, slower.label) == ("hold", "warning")
            held = True
    assert held


def test_a_spent_time_that_proceeds_does_not_where_a_metric_is_worse_by_itself() -> None:
    rule = plan(metric("errors", critical=True), metric("timeouts", weight=0.01), maximum=120, on_time_spent="proceed")
    _, found = judged(rule, looks(6, errors=proportion(2, 1000, 2, 1000), timeouts=proportion(9, 1000, 3, 1000)))
    assert (found.verdict, found.reason) == ("hold", "time_spent")
    assert "timeouts 0.9 % against 0.3 %" in found.sentence


def test_a_proceed_names_the_worst_metric_that_its_gate_did_not_wait_for() -> None:
    rule = plan(
        metric("errors", 1.25, 0.002, critical=True),
        metric("timeouts", 1.5),
        metric("conversion", 0.9, better="higher"),
    )
    fine = proportion(2, 1000, 2, 1000)
    _, found = judged(
        rule, looks(40, errors=fine, timeouts=proportion(5, 1000, 3, 1000), conversion=proportion(300, 1000, 300, 1000))
    )
    assert found.reason == "non_inferior"
    assert "; inconclusive, and not critical: timeouts 0.5 % against 0.3 % on stable" in found.sentence


# Any plan, any history.

factors = st.sampled_from([1.2, 2.0, 4.0])
SLOW = {(s, i): slow(0.2 * s**0.5, seed=2 * i) for s in (1.0, 1.2, 2.0, 4.0) for i in range(4)}
weights = st.sampled_from([0.001, 0.05, 1.0, 50.0])
gates: st.SearchStrategy[Literal["noRegression", "nonInferiority"]] = st.sampled_from(
    ["noRegression", "nonInferiority"]
)


@st.composite
def runs(draw: st.DrawFn) -> tuple[AnalysisPlan, list[MetricsCollected]]:
    """A plan of four metrics of any weights and a limit, and a run in which one or two are worse for a while."""
    metrics: list[PlanMetric] = [
        metric("errors", 1.25, 0.001, critical=draw(st.booleans()), weight=draw(weights)),
        metric("busy", 1.1, critical=draw(st.booleans()), weight=draw(weights)),
        metric("conversion", 0.95, better="higher", critical=draw(st.booleans()), weight=draw(weights)),
        latency(critical=draw(st.booleans()), weight=draw(weights)),
    ]
    rule = plan(
        *metrics,
        weights=(50, 50),
        gate=draw(gates),
        minimum=30,
        maximum=draw(st.sampled_from([120, 3600])),
        limits=draw(st.sampled_from([(), (LIMIT,)])),
        on_time_spent=draw(st.sampled_from(["hold", "proceed"])),
    )
    size, turn, until = draw(st.integers(2, 16)), draw(st.integers(1, 16)), draw(st.integers(1, 16))
    bad = draw(st.dictionaries(st.integers(0, 3), factors, min_size=1, max_size=2))
    errors, busy, conversion, slower = (bad.get(i, 1.0) for i in range(4))
    found = []
    for number in range(1, size + 1):
        worse = number <= until
        x, y, z, s = (factor if worse else 1.0 for factor in (errors, busy, conversion, slower))
        stage = int(number >= turn)
        measured: dict[str, Measurement] = {
            "errors": proportion(round(4 * x), 1000, 4, 1000),
            "busy": proportion(round(200 * y), 1000, 200, 1000),
            "conversion": proportion(round(600 / z), 1000, 600, 1000),
            "latency": SLOW[s, number % 4],
        }
        begun = START + (turn - 1) * 30_000 if stage else START
        found.append(snapshot(measured, number, stage=stage, stage_started=begun))
    return rule, found


def contradicts(one: MetricVerdict, threshold: float) -> bool:
    """Whether the evidence on a metric or limit is past its own bar, or an interval of it wholly beyond the margin."""
    falling = one.better == "higher" and not one.limit
    return any(
        channel.log_eprocess >= threshold
        or (channel.high is not None and channel.high <= 1 if falling else channel.low is not None and channel.low >= 1)
        for channel in one.run
    )


@settings(lawful, max_examples=60)
@given(runs())
def test_proceed_contradicts_the_evidence_on_no_metric_whatever_its_weight(
    case: tuple[AnalysisPlan, Sequence[MetricsCollected]],
) -> None:
    rule, chain = case
    threshold = combination.log_threshold(rule.false_abort_rate)
    evidence = known_noise(rule)
    for look in chain:
        evidence, found = evaluated(rule, evidence, look)
        contradicted = [one.name for one in found.metrics if contradicts(one, threshold)]
        assert found.verdict != "proceed" or not contradicted
        assert not any(one.label == "ok" for one in found.metrics if one.name in contradicted)
