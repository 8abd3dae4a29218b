"""What runs beside every judge: what it decides, in which order, and what it only says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serinus_contracts.events import Gauge, Measurement, MetricsCollected, Proportion
from serinus_contracts.plan import PlanLimit

from tests.unit.judging.builders import START, distribution, latency, metric, missing, plan
from tests.unit.judging.laws import lawful
from tests.unit.judging.pods import QUIET, gauge, memory, of_kind, others, own, pods, run, seen, settled, shares
from tests.unit.judging.runs import EDGES

COUNTS = plan(metric(ratio=1.25, absolute=0.01), gate="noRegression")


MAY = plan(metric(ratio=1.25, absolute=0.01), memory(may_abort=True), gate="noRegression")


BAD = shares([(40, 500)] * 2, [(1, 500)] * 4)


def growing(per_look: float, stable: float = 0.0) -> list[MetricsCollected]:
    """Twenty looks at memory that grows on the canary's pods; those of stable differ a little."""
    random = np.random.default_rng(0)

    def metrics(number: int) -> dict[str, Measurement]:
        canary = [0.4 * (1 + per_look) ** number * random.lognormal(0, 0.0005) for _ in range(3)]
        others = [0.4 * (1 + stable) ** number * random.lognormal(0, 0.0005) for _ in range(9)]
        return {"memory": gauge(canary, others)}

    return run(metrics, 20, pods(3, 9))


def test_a_pod_beyond_a_limit_at_two_snapshots_in_a_row_aborts() -> None:
    snapshots = run(lambda number: {"memory": gauge([0.5, 0.97 if number >= 3 else 0.5])}, 4)
    assert settled(QUIET, snapshots[:3])[1].verdict == "proceed"
    _, found = settled(QUIET, snapshots)
    assert (found.verdict, found.reason, found.regressed) == ("abort", "limit", ("memory above 0.95",))
    assert found.sentence == (
        "abort: memory 0.97 on cart-new-1, over the limit of 0.95 in two snapshots in a row, the last at 12:02; "
        "4,000 requests evaluated"
    )
    (finding,) = of_kind(found.findings, "threshold")
    assert finding.decides
    assert found.metrics[-1].label == "worse"


def test_two_pods_in_turn_do_not_abort() -> None:
    snapshots = run(lambda number: {"memory": gauge([0.97, 0.5] if number % 2 else [0.5, 0.97])}, 6)
    assert settled(QUIET, snapshots)[1].verdict == "proceed"


def test_pods_of_stable_do_not_abort() -> None:
    snapshots = run(lambda _: {"memory": gauge([0.5, 0.5], [0.97] * 4)}, 6)
    assert settled(QUIET, snapshots)[1].verdict == "proceed"


def test_a_snapshot_without_the_gauge_is_none_of_the_two() -> None:
    def metrics(number: int) -> dict[str, Measurement]:
        return {"memory": missing("error", "timeout") if number == 3 else gauge([0.97 if number > 1 else 0.5, 0.5])}

    snapshots = run(metrics, 4)
    assert settled(QUIET, snapshots[:3])[1].reason == "provider_error"
    assert settled(QUIET, snapshots)[1].reason == "limit"


def test_a_limit_from_below_is_a_limit() -> None:
    low = PlanLimit(name="free below 0.1", metric="free", better="higher", share=0.1)
    rule = plan(metric(), memory(name="free", better="higher"), limits=[low])
    _, found = settled(rule, run(lambda _: {"free": gauge([0.05, 0.5])}, 2))
    assert "free 0.05 on cart-new-0, under the limit of 0.1 in two snapshots in a row" in found.sentence


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_is_beyond_no_limit(value: float) -> None:
    measured = Gauge.model_construct(kind="gauge", status="ok", canary={"cart-new-0": value}, stable={}, detail="",
                                     resets=0, newest=None, series=1, window=None)  # fmt: skip
    snapshots = [
        snapshot.model_copy(update={"metrics": {**snapshot.metrics, "memory": measured}})
        for snapshot in run(lambda _: {}, 4)
    ]
    assert settled(QUIET, snapshots)[1].verdict == "proceed"


def test_an_abort_by_a_limit_comes_first_and_stays() -> None:
    snapshots = run(lambda number: {"memory": gauge([0.97 if number < 6 else 0.5]), "errors": BAD}, 8)
    _, found = settled(QUIET, snapshots)
    assert (found.verdict, found.reason) == ("abort", "limit")
    assert "the last at 12:01" in found.sentence


# Liveness.


def test_a_crash_loop_holds_until_ten_minutes_have_passed() -> None:
    rule = COUNTS
    snapshots = [seen(n, of=pods(restarts=min(n, 3))) for n in range(1, 26)]
    _, found = settled(rule, snapshots[:4])
    assert (found.verdict, found.reason) == ("hold", "liveness")
    assert found.sentence == (
        "hold: cart-new-0 (1 of 2 canary pods) restarted 3 times, last seen at 12:01; "
        "a canary that does not serve hides its errors"
    )
    (finding,) = of_kind(found.findings, "liveness")
    assert (finding.pods, finding.decides) == (("cart-new-0",), True)
    assert settled(rule, snapshots[:22])[1].reason == "liveness"
    assert settled(rule, snapshots[:23])[1].verdict == "proceed"


def test_one_restart_is_no_loop() -> None:
    assert settled(COUNTS, [seen(n, of=pods(restarts=1)) for n in range(1, 6)])[1].verdict == "proceed"


def test_a_pod_that_is_not_ready_for_long_holds() -> None:
    snapshots = [seen(n, of=pods(ready=False)) for n in range(1, 8)]
    assert settled(COUNTS, snapshots[:2])[1].reason != "liveness"
    _, found = settled(COUNTS, snapshots)
    assert found.sentence == (
        "hold: cart-new-0 (1 of 2 canary pods) not ready for 3 min; a canary that does not serve hides its errors"
    )
    assert settled(COUNTS, [*snapshots, seen(8)])[1].verdict == "proceed"


def test_a_canary_without_pods_holds() -> None:
    _, found = settled(COUNTS, [seen(n, of=pods(canary=0)) for n in range(1, 6)])
    assert found.sentence == ("hold: none of 4 pods is of the canary; a canary that does not serve hides its errors")


def test_where_no_pods_are_known_nothing_is_said_of_them() -> None:
    assert settled(COUNTS, [seen(n, of=()) for n in range(1, 6)])[1].verdict == "proceed"


def test_an_abort_of_the_judge_stands_above_liveness() -> None:
    _, found = settled(COUNTS, [seen(n, {"errors": BAD}, pods(restarts=n)) for n in range(1, 8)])
    assert (found.verdict, found.reason) == ("abort", "evidence")


def test_many_crashing_pods_are_counted_not_listed() -> None:
    crashing = tuple(pod.model_copy(update={"restarts": 4}) for pod in pods(canary=500))
    kept, found = settled(COUNTS, [seen(n, of=crashing) for n in range(1, 4)])
    assert "cart-new-0 and" not in found.sentence
    assert "497 more (500 of 500 canary pods) restarted 4 times" in found.sentence
    assert len(kept.troubles) == 16


# Growth.


def test_memory_that_grows_holds_what_would_proceed() -> None:
    _, found = settled(QUIET.model_copy(update={"limits": ()}), growing(0.01))
    assert (found.verdict, found.reason) == ("hold", "anomaly")
    assert found.sentence.startswith("hold: memory grows 23")
    assert "% an hour on the canary's pods, " in found.sentence
    assert "on stable's (3 and 9 pods, p below 0.0001)" in found.sentence
    assert [one.decides for one in of_kind(found.findings, "trend")] == [True]
    assert found.metrics[-1].label == "warning"


def test_memory_that_grows_alike_on_both_arms_is_no_growth() -> None:
    _, found = settled(QUIET, growing(0.01, 0.01))
    assert found.verdict == "proceed"
    (finding,) = of_kind(found.findings, "trend")
    assert (finding.decides, finding.severity) == (False, "none")


def test_growth_aborts_where_the_policy_lets_it_and_stays() -> None:
    _, found = settled(MAY, growing(0.01))
    assert (found.verdict, found.reason, found.regressed) == ("abort", "evidence", ("memory",))
    assert found.sentence.startswith("abort: memory grows ")
    assert found.sentence.endswith(", at a false-abort rate of 0.1 %; 20,000 requests evaluated")


def test_where_gauges_may_abort_counts_keep_nine_tenths_of_the_false_abort_rate() -> None:
    snapshots = run(lambda _: {"memory": gauge([0.5, 0.5]), "errors": BAD}, 6)
    assert ", at a false-abort rate of 0.9 %; " in settled(MAY, snapshots)[1].sentence
    assert ", at a false-abort rate of 1 %; " in settled(QUIET, snapshots)[1].sentence
    _, found = settled(MAY, snapshots)
    assert [round(one.share, 3) for one in found.metrics] == [1.0, 0.1]


# Data of gauges.


@pytest.mark.parametrize(
    ("measured", "reason", "words"),
    [
        (missing("no_data", "no pod has a value"), "no_data", "hold: memory: no pod has a value"),
        (missing("error", "timeout"), "provider_error", "hold: memory cannot be judged: measured as proportion"),
        (Gauge(status="error", detail="timeout"), "provider_error", "hold: memory cannot be judged: timeout"),
        (Gauge(status="ok", stable={"a": 1.0}), "no_data", "hold: memory: no canary pod has a value"),
        (None, "no_data", "hold: memory: not measured"),
    ],
    ids=lambda case: "",
)
def test_a_gauge_without_values_holds(measured: Measurement | None, reason: str, words: str) -> None:
    snapshots = run(lambda _: {} if measured is None else {"memory": measured}, 6)
    _, found = settled(QUIET, snapshots)
    assert (found.verdict, found.reason, found.missing) == ("hold", reason, ("memory",))
    assert found.sentence.startswith(words)


def test_faults_of_counts_are_told_before_those_of_gauges() -> None:
    snapshots = run(lambda n: {"errors": missing("no_data", "gone")} if n == 6 else {"memory": gauge([0.5])}, 6)
    _, found = settled(QUIET, snapshots)
    assert (found.sentence, found.missing) == ("hold: gone", ("errors", "memory"))


def test_a_gauge_that_waits_for_its_scrape_is_no_fault() -> None:
    snapshots = run(lambda n: {"memory": Gauge(status="waiting") if n == 6 else gauge([0.5, 0.5])}, 6)
    assert settled(QUIET, snapshots)[1].verdict == "proceed"


def test_young_pods_are_left_out_and_the_verdict_says_so() -> None:
    late = tuple(
        pod.model_copy(update={"started": START + 150_000}) if pod.name == "cart-new-1" else pod for pod in pods()
    )
    snapshots = run(lambda _: {"memory": gauge([0.5, 0.97])}, 6, late)
    _, found = settled(QUIET, snapshots)
    assert found.verdict == "proceed"
    (finding,) = of_kind(found.findings, "liveness")
    assert (finding.text, finding.pods, finding.decides) == (
        "1 pod younger than 1 min left out of memory",
        ("cart-new-1",),
        False,
    )
    warm = [snapshot.model_copy(update={"end": snapshot.end + 120_000}) for snapshot in snapshots]
    assert settled(QUIET, warm)[1].reason == "limit"


def test_of_counts_each_metric_says_itself_what_was_left_out() -> None:
    late = tuple(
        pod.model_copy(update={"started": START + 150_000}) if pod.name == "cart-new-1" else pod for pod in pods()
    )
    _, found = settled(COUNTS, run(lambda _: {}, 6, late))
    assert not of_kind(found.findings, "liveness")
    assert found.metrics[0].detail == "pods younger than 1 min left out: 1"


def test_a_canary_of_young_pods_alone_is_settling() -> None:
    snapshots = run(lambda _: {"memory": gauge([0.97, 0.97])}, 6, pods(started=START + 170_000))
    _, found = settled(QUIET, snapshots)
    assert (found.reason, found.sentence) == (
        "settling",
        "hold: errors: the canary's pods are younger than 1 min",
    )


# Anomalies.


def test_every_metric_is_described_and_no_description_decides() -> None:
    rule = plan(
        metric(ratio=1.25, absolute=0.01), metric("conversion", 0.9, better="higher"), latency(), gate="noRegression"
    )
    buckets = [10] * (len(EDGES) + 1)
    snapshots = run(
        lambda _: {
            "conversion": shares([(150, 500)] * 2, [(160, 500)] * 4),
            "latency": distribution(EDGES, buckets, buckets),
        },
        6,
    )
    _, found = settled(rule, snapshots)
    assert not any(one.decides for one in found.findings)
    assert [(one.kind, one.metric) for one in found.findings] == [
        ("anomaly", ""),
        ("statistics", "errors"),
        ("statistics", "conversion"),
        ("business", "conversion"),
        ("statistics", "latency"),
    ]
    assert found.findings[2].text.startswith("conversion 30 % against 32 % on stable")
    assert "(1,800 of 6,000; 3,840 of 12,000)" in found.findings[2].text


def test_a_latency_is_told_in_seconds_of_this_stage() -> None:
    counts = {"latency": distribution((0.1, 0.2, 0.4), (0, 50, 50, 0), (50, 50, 0, 0))}
    early = {"latency": distribution((0.1, 0.2, 0.4), (100, 0, 0, 0), (100, 0, 0, 0))}
    snapshots = [
        seen(1, early),
        seen(2, early),
        *[seen(n, counts, stage=1, started=START + 60_000) for n in range(3, 5)],
    ]
    _, found = settled(plan(latency(), weights=(50, 60)), snapshots)
    told = found.metrics[0]
    assert told.allowed_slowdown == 1.2
    assert [one.quantile for one in told.durations] == [0.5, 0.95, 0.99]
    assert [one.canary for one in told.durations] == pytest.approx([0.2, 0.38, 0.396])
    assert [one.stable for one in told.durations] == pytest.approx([0.1, 0.19, 0.198])


def test_descriptions_are_of_this_stage() -> None:
    rule = plan(metric(), weights=(50, 60))
    first = [seen(n) for n in range(1, 5)]
    second = [seen(n, stage=1, started=START + 120_000) for n in range(5, 7)]
    _, found = settled(rule, [*first, *second])
    assert "(4 of 2,000; 8 of 4,000)" in found.findings[0].text


# Answers for what is odd.


def test_no_history_no_metrics_and_one_pod_are_answered() -> None:
    _, found = settled(QUIET, [seen(1, of=pods(canary=1, stable=0)).model_copy(update={"metrics": {}})])
    assert (found.verdict, found.findings) == ("hold", ())
    _, found = settled(plan(memory(), metric()), run(lambda _: {"memory": gauge([0.5], [])}, 8, pods(1, 0)))
    assert found.verdict == "hold"


ODD = [0.0, -1.0, 0.5, 0.5001, 1e-300, 1e-9, 1e12, 1e150, 1e300, -1e300, 1.7976931348623157e308]


@settings(lawful, max_examples=40)
@given(st.integers(0, 10**6), st.integers(5, 9))
def test_whatever_values_a_gauge_has_there_is_a_verdict(seed: int, snapshots: int) -> None:
    values = np.random.default_rng(seed).choice(ODD, size=(snapshots, 7)).tolist()
    _, found = settled(MAY, run(lambda n: {"memory": gauge(values[n - 1][:2], values[n - 1][2:])}, snapshots))
    assert found.sentence
    assert all(one.text for one in found.findings)
    assert len(found.metrics) == 2


def test_counts_of_a_million_millions_are_described() -> None:
    huge = Proportion(status="ok", canary={"": (10**9, 10**12)}, stable={"": (10**9, 10**12)})
    _, found = settled(plan(), [seen(n, {"errors": huge}) for n in range(1, 4)])
    assert "(3,000,000,000 of 3,000,000,000,000; " in found.findings[0].text


@pytest.mark.parametrize("odd", [shares([(9, 8)], [(1, 9)]), shares([(-1, 8)], [(1, 9)]), shares([(0, 0)], [(0, 0)])])
def test_of_impossible_counts_nothing_is_described(odd: Proportion) -> None:
    _, found = settled(plan(), [seen(n, {"errors": odd}) for n in range(1, 4)])
    assert found.verdict == "hold"
    assert found.findings == ()


def test_names_of_the_builders_are_those_of_the_pods() -> None:
    assert {pod.name for pod in pods(2, 3)} == {*own(2), *others(3)}


def test_why_the_split_of_the_traffic_is_not_tested_is_said_with_each_verdict() -> None:
    mirrored = [snapshot.model_copy(update={"routes": ("mirror",)}) for snapshot in run(lambda _: {}, 2)]
    (finding,) = of_kind(settled(COUNTS, mirrored)[1].findings, "traffic")
    assert (finding.severity, finding.decides) == ("info", False)
    assert finding.text == (
        "the split of the traffic is not tested: requests are mirrored to the canary beside its weight; "
        "the source's exclude can leave them out (docs/how-to/sources.md)"
    )
    assert of_kind(settled(COUNTS, run(lambda _: {}, 2))[1].findings, "traffic") == []
