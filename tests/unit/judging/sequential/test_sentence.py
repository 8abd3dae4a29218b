"""The line that is read at three in the morning, for every reason."""

import typing
from collections.abc import Sequence

import pytest
from serinus_contracts.events import Measurement, MetricsCollected, Reason
from serinus_contracts.plan import AnalysisPlan, PlanLimit

from tests.unit.judging.builders import START, distribution, latency, metric, missing, plan, proportion, snapshot
from tests.unit.judging.pods import OVER, gauge, memory, pods, run, settled
from tests.unit.judging.runs import errors, judged, slow, steady

GOOD, BAD = errors(2, 1000, 2, 1000), errors(40, 1000, 2, 1000)
LEANING = errors(6, 1000, 2, 1000)
NARROW = {"ratio": 1.25, "absolute": 0.002}
LIMIT = PlanLimit(name="errors above 0.1", metric="errors", share=0.1)
LOW = PlanLimit(name="conversion below 0.85", metric="conversion", better="higher", share=0.85)
SLOW = PlanLimit(name="latency p95 above 0.5 s", metric="latency", share=0.05, edge=0.5)
GONE = "no canary data since 12:03:00, Prometheus answered, 0 of 3 expected series"


def said(rule: AnalysisPlan, looks: Sequence[MetricsCollected]) -> str:
    return judged(rule, looks)[1].sentence


def after(first: Sequence[MetricsCollected], last: Measurement, name: str = "errors") -> list[MetricsCollected]:
    return [*first, snapshot({name: last}, len(first) + 1)]


def many(looks: int, **metrics: Measurement) -> list[MetricsCollected]:
    return [snapshot(metrics, number) for number in range(1, looks + 1)]


SENTENCES: list[tuple[Reason, AnalysisPlan, Sequence[MetricsCollected], str]] = [
    (
        "evidence",
        plan(),
        steady(BAD, 4),
        "abort: errors 4 % against 0.2 % on stable (80 of 2,000; 4 of 2,000); "
        "at least 3× the allowed rate, at a false-abort rate of 1 %; 4,000 requests evaluated",
    ),
    (
        "evidence",
        plan(metric("conversion", 0.95, better="higher")),
        many(9, conversion=proportion(150, 1000, 300, 1000)),
        "abort: conversion 15 % against 30 % on stable (300 of 2,000; 600 of 2,000); "
        "at most 0.85× the allowed rate, at a false-abort rate of 1 %; 9,000 requests evaluated",
    ),
    (
        "evidence",
        plan(metric("calls", count="rate")),
        many(7, calls=proportion(2500, 1000, 1500, 1000)),
        "abort: calls 2.5 against 1.5 on stable (5,000 of 2,000; 3,000 of 2,000); "
        "at least 1.2× the allowed rate, at a false-abort rate of 1 %; 7,000 requests evaluated",
    ),
    (
        "evidence",
        plan(latency()),
        many(9, latency=distribution((0.1, 0.25, 0.5, 1.0), (400, 200, 250, 140, 10), (500, 300, 150, 40, 10))),
        "abort: latency 15 % over 500 ms against 9.9 % over 416.7 ms on stable (450 of 3,000; 297 of 3,000); "
        "worse than allowed, at a false-abort rate of 1 %; 9,000 requests evaluated",
    ),
    (
        "limit",
        plan(metric("errors", ratio=100), limits=[LIMIT]),
        steady(errors(150, 1000, 2, 1000), 8),
        "abort: errors 15 %, over the limit of 10 % (300 of 2,000); beyond it, "
        "at a false-abort rate of 1 %; 8,000 requests evaluated",
    ),
    (
        "limit",
        plan(metric("conversion", 0.5, better="higher"), limits=[LOW]),
        many(8, conversion=proportion(600, 1000, 900, 1000)),
        "abort: conversion 60 %, under the limit of 85 % (1,200 of 2,000); "
        "at least 2 times as many fail as the limit allows, at a false-abort rate of 1 %; 8,000 requests evaluated",
    ),
    (
        "limit",
        plan(metric("conversion", 0.5, better="higher"), limits=[LOW]),
        many(8, conversion=proportion(600, 1000, 610, 1000)),
        "abort: conversion 60 %, under the limit of 85 % (1,200 of 2,000), as is stable with 61 %; "
        "at least 2 times as many fail as the limit allows, at a false-abort rate of 1 %; 8,000 requests evaluated",
    ),
    (
        "limit",
        plan(latency(ratio=100), limits=[SLOW]),
        many(5, latency=slow(0.4)),
        "abort: latency 30 % over 500 ms, over the limit of 5 % (598 of 2,000); "
        "at least 3 times the limit, at a false-abort rate of 1 %; 5,000 requests evaluated",
    ),
    (
        "non_inferior",
        plan(metric(**NARROW)),  # type: ignore[arg-type]
        steady(GOOD, 40),
        "proceed: errors 0.2 % against 0.2 % on stable (80 of 40,000; 80 of 40,000); "
        "at most 0.7× the allowed rate, at 95 % confidence",
    ),
    (
        "non_inferior",
        plan(metric("errors", **NARROW), metric("timeouts", **NARROW)),  # type: ignore[arg-type]
        many(60, errors=proportion(2, 1000, 2, 1000), timeouts=proportion(3, 1000, 3, 1000)),
        "proceed: timeouts 0.3 % against 0.3 % on stable (180 of 60,000; 180 of 60,000); "
        "at most 0.7× the allowed rate on both metrics, at 95 % confidence",
    ),
    (
        "non_inferior",
        plan(metric("errors", critical=True, **NARROW), metric("timeouts")),  # type: ignore[arg-type]
        many(40, errors=proportion(2, 1000, 2, 1000), timeouts=proportion(3, 1000, 3, 1000)),
        "proceed: errors 0.2 % against 0.2 % on stable (80 of 40,000; 80 of 40,000); "
        "at most 0.7× the allowed rate, at 95 % confidence; "
        "inconclusive, and not critical: timeouts 0.3 % against 0.3 % on stable (120 of 40,000; 120 of 40,000), "
        "between 0.5 and 2× the allowed rate",
    ),
    (
        "no_regression",
        plan(gate="noRegression", minimum=120),
        steady(GOOD, 4),
        "proceed: 2 min at 50 %, no regression seen; errors 0.2 % against 0.2 % on stable (8 of 4,000; 8 of 4,000)",
    ),
    (
        "no_regression",
        plan(gate="noRegression", minimum=120),
        steady(LEANING, 4),
        "proceed: 2 min at 50 %, a slight regression, too little to hold; "
        "errors 0.6 % against 0.2 % on stable (24 of 4,000; 8 of 4,000)",
    ),
    (
        "insufficient_evidence",
        plan(),
        steady(GOOD, 10),
        "hold: inconclusive after 5 min at 50 %; errors 0.2 % against 0.2 % on stable "
        "(20 of 10,000; 20 of 10,000), between 0.2 and 3× the allowed rate",
    ),
    (
        "insufficient_evidence",
        plan(),
        steady(LEANING, 5),
        "hold: possible regression, inconclusive after 2 min 30 s at 50 %; "
        "errors 0.6 % against 0.2 % on stable (30 of 5,000; 10 of 5,000)",
    ),
    (
        "awaiting_baseline",
        plan(),
        steady(GOOD, 1),
        "hold: the first snapshot sets the baseline of errors (1,000 requests on stable), the next one is evaluated",
    ),
    (
        "settling",
        plan(),
        many(1, errors=missing("settling")),
        "hold: waiting for counts to settle after the change to 50 % at 12:00",
    ),
    (
        "settling",
        plan(metric("a"), metric("b")),
        many(1, a=missing("settling"), b=proportion(1, 10, 1, 10)),
        "hold: waiting for counts of a to settle after the change to 50 % at 12:00",
    ),
    ("settling", plan(), [snapshot(GOOD(), 1, stage=-1)], "hold: waiting for the first change of weight"),
    (
        "before_minimum",
        plan(minimum=600),
        steady(GOOD, 4),
        "hold: analysing, 2 min of at least 10 min at 50 %, no regression so far; "
        "errors 0.2 % against 0.2 % on stable (8 of 4,000; 8 of 4,000)",
    ),
    (
        "before_minimum",
        plan(minimum=600),
        steady(LEANING, 4),
        "hold: analysing, 2 min of at least 10 min at 50 %, weak signs of a regression; "
        "errors 0.6 % against 0.2 % on stable (24 of 4,000; 8 of 4,000)",
    ),
    (
        "before_minimum",
        plan(minimum=600),
        steady(LEANING, 5),
        "hold: analysing, 2 min 30 s of at least 10 min at 50 %, possible regression; "
        "errors 0.6 % against 0.2 % on stable (30 of 5,000; 10 of 5,000)",
    ),
    ("no_data", plan(), after(steady(GOOD, 6), missing("no_data", GONE)), f"hold: {GONE}"),
    (
        "no_data",
        plan(),
        after(steady(GOOD, 6), missing("no_data")),
        "hold: no data since 12:03, Prometheus answered, 0 of 4 expected series",
    ),
    (
        "no_data",
        plan(),
        many(1, errors=missing("no_data")),
        "hold: no data since the run began at 12:00, Prometheus answered, no series known",
    ),
    (
        "no_data",
        plan(metric("a"), metric("b")),
        many(1, a=missing("no_data", GONE), b=proportion(1, 10, 1, 10)),
        f"hold: a: {GONE}",
    ),
    ("no_data", plan(), [*steady(GOOD, 6), snapshot({}, 7)], "hold: not measured since 12:03"),
    ("no_data", plan(), after(steady(GOOD, 6), proportion(0, 0, 1, 9)), "hold: no requests on the canary since 12:03"),
    (
        "no_data",
        plan(),
        after(steady(GOOD, 6), missing("partial", "2 of 3 pods")),
        "hold: incomplete data: 2 of 3 pods",
    ),
    (
        "no_data",
        plan(on_no_data="abort"),
        [*steady(GOOD, 6), *(snapshot({"errors": missing("no_data", GONE)}, n) for n in (7, 8, 9))],
        f"abort: {GONE}; 3 snapshots in a row",
    ),
    (
        "provider_error",
        plan(),
        after(steady(GOOD, 6), missing("error", "connection refused")),
        "hold: errors cannot be judged since 12:03: connection refused",
    ),
    (
        "provider_error",
        plan(),
        after(steady(GOOD, 6), proportion(12, 10, 1, 10)),
        "hold: errors cannot be judged since 12:03: more events than trials on the canary (12 of 10)",
    ),
    (
        "time_spent",
        plan(maximum=300),
        steady(GOOD, 10),
        "hold: 5 min at 50 % without a conclusion; errors 0.2 % against 0.2 % on stable "
        "(20 of 10,000; 20 of 10,000), between 0.2 and 3× the allowed rate",
    ),
    (
        "time_spent",
        plan(maximum=300, on_time_spent="abort"),
        steady(GOOD, 10),
        "abort: 5 min at 50 % without a conclusion, then the policy aborts; errors 0.2 % against 0.2 % on stable "
        "(20 of 10,000; 20 of 10,000), between 0.2 and 3× the allowed rate",
    ),
    (
        "time_spent",
        plan(maximum=300, on_time_spent="proceed"),
        steady(GOOD, 10),
        "proceed: 5 min at 50 % without a conclusion, then the policy proceeds; errors 0.2 % against 0.2 % on stable "
        "(20 of 10,000; 20 of 10,000), between 0.2 and 3× the allowed rate",
    ),
    (
        "sample_ratio_mismatch",
        plan(weights=(10,)),
        [snapshot(GOOD(), number, weight=10) for number in range(1, 20)],
        "hold: the canary gets 50 % of the requests, not 10 % (19,000 of 38,000 in this stage)",
    ),
]


@pytest.mark.parametrize(
    ("reason", "rule", "looks", "sentence"), SENTENCES, ids=[f"{case[0]}-{i}" for i, case in enumerate(SENTENCES)]
)
def test_a_verdict_is_one_line(
    reason: Reason, rule: AnalysisPlan, looks: Sequence[MetricsCollected], sentence: str
) -> None:
    _, found = judged(rule, looks)
    assert (found.reason, found.sentence) == (reason, sentence)


BESIDE = [
    ("limit", "abort: memory 0.97 on cart-new-0, over the limit of 0.95 in two snapshots in a row, the last at 12:01; "
              "2,000 requests evaluated"),
    ("liveness", "hold: cart-new-0 (1 of 2 canary pods) restarted 3 times, last seen at 12:00; "
                 "a canary that does not serve hides its errors"),
    ("anomaly", "hold: the canary's pods are unlike stable's, mostly in memory "
                "(5 of 15 pods, distance 1.3, p 0.00033)"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "sentence"), BESIDE)
def test_what_is_found_beside_the_judge_is_one_line_too(reason: Reason, sentence: str) -> None:
    rule = plan(metric(ratio=1.25, absolute=0.01), memory(), gate="noRegression", limits=[OVER])
    looks: dict[str, Sequence[MetricsCollected]] = {
        "limit": run(lambda _: {"memory": gauge([0.97, 0.5])}, 2),
        "liveness": run(lambda _: {"memory": gauge([0.5, 0.5])}, 4, pods(restarts=3)),
        "anomaly": run(
            lambda _: {"memory": gauge([0.9, 0.91, 0.92, 0.93, 0.94], [0.5 + i / 100 for i in range(10)])},
            8,
            pods(5, 10),
        ),
    }
    _, found = settled(rule, looks[reason])
    assert (found.reason, found.sentence) == (reason, sentence)


def test_every_reason_has_its_sentence() -> None:
    """`rule` is a reason of judges of rules, which say it themselves."""
    found = {case[0] for case in SENTENCES} | {case[0] for case in BESIDE}
    assert found == set(typing.get_args(Reason)) - {"rule"}


def test_one_request_is_singular() -> None:
    rule = plan(metric(ratio=1.0), minimum=0)
    _, found = judged(rule, steady(errors(1, 1, 0, 10**6), 1))
    assert "1 request " not in found.sentence
    assert "(1,000,000 requests on stable)" in found.sentence


def test_others_that_are_worse_are_named() -> None:
    rule = plan(metric("errors"), metric("timeouts"), metric("retries"))
    both = proportion(40, 1000, 2, 1000)
    assert "; timeouts and retries are worse too; " in said(rule, many(4, errors=both, timeouts=both, retries=both))
    rule = plan(metric("errors"), metric("timeouts"))
    assert "; timeouts is worse too; " in said(rule, many(4, errors=both, timeouts=both))


def test_counts_are_of_this_stage_if_it_shows_the_harm() -> None:
    """The service's errors fell tenfold between the stages: rates of the whole run would compare day with night."""
    rule = plan(weights=(10, 50))
    first = [snapshot(errors(20, 1000, 180, 9000)(), n, weight=10) for n in range(1, 9)]
    second = [snapshot(errors(20, 5000, 10, 5000)(), n, stage=1, stage_started=START + 240_000) for n in range(9, 20)]
    text = said(rule, [*first, *second])
    assert text.startswith("abort: errors 0.4 % against 0.2 % on stable (")
    assert "since the start" not in text


def test_counts_are_of_the_run_if_this_stage_has_just_begun() -> None:
    rule = plan(weights=(10, 50))
    first = [snapshot(errors(5, 1000, 18, 9000)(), n, weight=10) for n in range(1, 7)]
    last = snapshot(errors(5, 500, 1, 500)(), 7, stage=1, stage_started=START + 180_000)
    assert said(rule, [*first, last]) == (
        "abort: errors 0.54 % against 0.2 % on stable (35 of 6,500; 109 of 54,500 since the start); "
        "worse than allowed, at a false-abort rate of 1 %; 6,500 requests evaluated"
    )
