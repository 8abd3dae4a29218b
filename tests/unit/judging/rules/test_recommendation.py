"""Every branch of the recommendation on counts that are worked by hand."""

import pytest
from serinus_contracts.events import Measurement
from serinus_contracts.judge import RecommendationRule

from tests.unit.judging.builders import gauge, latency, metric, plan, proportion, values
from tests.unit.judging.ruled_runs import alike, fired, ruled, within

RULE = RecommendationRule(name="recommendation")
CONVERSION = metric("conversion", 0.95, better="higher")
ALL = plan(metric(), CONVERSION, latency(), gauge(), gauge("cpu", rate=True), weights=(50,), minimum=300, judge=RULE)
FINE: dict[str, Measurement] = {
    "errors": proportion(20, 1000, 20, 1000),
    "conversion": proportion(100, 1000, 100, 1000),
    "latency": within({0.2: 94, 0.3: 6}, {0.2: 94, 0.3: 6}),
    "memory": values([0.5]),
    "cpu": values([0.5]),
}


def found_of(**change: Measurement) -> tuple[str, float | None, list[tuple[str, str, float]], str]:
    _, found = ruled(ALL, alike(10, metrics=(FINE | change)))
    return found.verdict, found.score, fired(found.findings), found.sentence


def test_without_a_finding_it_proceeds() -> None:
    verdict, score, findings, sentence = found_of()
    assert (verdict, score, findings) == ("proceed", 100, [])
    assert sentence == (
        "proceed: nothing critical, confidence 100 of 100; "
        "errors 2 % against 2 % on stable (200 of 10,000; 200 of 10,000); 5 min at 50 %"
    )


def test_a_significantly_lower_success_rolls_back() -> None:
    """250 of 10,000 against 200: z 2.38, p 0.017; 0.975 / 0.98 is no warning."""
    verdict, score, findings, sentence = found_of(errors=proportion(25, 1000, 20, 1000))
    assert (verdict, score, findings) == ("abort", 70, [("errors", "critical", 30)])
    assert sentence == (
        "abort: rollback recommended, confidence 70 of 100: errors: success 97.5 %, significantly lower than 98 % on "
        "stable (p 0.017) (-30); 10,000 requests evaluated"
    )


def test_a_lower_success_within_chance_does_not() -> None:
    """230 of 10,000 against 200: z 1.46, p 0.14."""
    assert found_of(errors=proportion(23, 1000, 20, 1000))[0] == "proceed"


def test_a_significantly_higher_success_proceeds() -> None:
    assert found_of(errors=proportion(10, 1000, 20, 1000))[:3] == ("proceed", 100, [])


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        # 94 % on both: under the minimum, and nothing else
        ({"errors": proportion(60, 1000, 60, 1000)}, [("errors", "critical", 25)]),
        # p95 2.2 s on both: over 2 s
        ({"latency": within({2.0: 94, 3.0: 6}, {2.0: 94, 3.0: 6})}, [("latency", "critical", 25)]),
        # p99 9 s on both, p95 under 0.2 s
        ({"latency": within({0.2: 97, 10.0: 3}, {0.2: 97, 10.0: 3})}, [("latency", "critical", 25)]),
        ({"memory": values([0.86])}, [("memory", "critical", 25)]),
        ({"cpu": values([0.81])}, [("cpu", "critical", 25)]),
        # 88 / 100 = 0.88 < 0.9
        ({"conversion": proportion(88, 1000, 100, 1000)}, [("conversion", "critical", 20)]),
    ],
)
def test_a_critical_finding_rolls_back(change: dict[str, Measurement], findings: list[tuple[str, str, float]]) -> None:
    verdict, score, fired_here, _ = found_of(**change)
    assert (verdict, fired_here) == ("abort", findings)
    assert score == 100 - sum(points for *_, points in findings)


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        # 0.94 of stable's
        ({"conversion": proportion(94, 1000, 100, 1000)}, [("conversion", "warning", 10)]),
        # a lower median; 6 of 100 up to 0.4 s: p95 0.3 + 0.1 / 6 = 317 ms against 200 ms: 1.58; p99 383 to 280: 1.37
        (
            {"latency": within({0.1: 20, 0.2: 920, 0.4: 60}, {0.2: 950, 0.3: 50})},
            [("latency", "warning", 10)],
        ),
    ],
)
def test_a_warning_alone_costs_but_proceeds(change: dict[str, Measurement], findings: list[object]) -> None:
    verdict, _, fired_here, sentence = found_of(**change)
    assert fired_here == findings
    assert (verdict, "(-10)" in sentence) == ("proceed", True)


def test_a_stricter_threshold_holds_what_only_warns() -> None:
    strict = ALL.model_copy(update={"judge": RULE.model_copy(update={"hold_below": 95.0})})
    _, found = ruled(strict, alike(10, metrics=(FINE | {"conversion": proportion(94, 1000, 100, 1000)})))
    assert (found.verdict, found.reason, found.score) == ("hold", "rule", 90)
    assert found.sentence.startswith("hold: hold recommended, confidence 90 of 100, 95 needed: conversion 0.94 times")


SLOWER = within(
    {0.2: 40, 0.3: 60}, {0.2: 60, 0.3: 40}
)  # medians 0.3 - 0.1 * 50/60 = 217 ms, 0.1 + 0.1 * 50/60 = 183 ms


def test_slower_beyond_doubt_but_not_by_half_asks_for_a_person() -> None:
    verdict, score, findings, sentence = found_of(latency=SLOWER)
    assert (verdict, score, findings) == ("hold", 100, [])
    assert sentence == (
        "hold: a person should investigate, confidence 100 of 100: latency significantly slower, median 216.7 ms "
        "against 183.3 ms (p below 0.0001); 5 min at 50 %"
    )


def test_slower_by_half_rolls_back() -> None:
    """Medians 350 and 150 ms: 2.33; p95 and p99 2.03: critical twice."""
    verdict, score, findings, _ = found_of(latency=within({0.4: 100}, {0.2: 100}))
    assert (verdict, score) == ("abort", 30)
    assert findings == [("latency", "critical", 30), ("latency", "critical", 20), ("latency", "critical", 20)]


def test_under_a_hundred_durations_nothing_is_tested() -> None:
    few = within({0.2: 4, 0.3: 5}, {0.2: 60, 0.3: 40})
    assert found_of(latency=few)[0] == "proceed"


def test_success_is_critical_far_below_stables() -> None:
    """0.93 / 0.99 = 0.939: tested, under the minimum, and compared: 30 + 25 + 20."""
    verdict, score, findings, _ = found_of(errors=proportion(70, 1000, 10, 1000))
    assert (verdict, score) == ("abort", 25)
    assert findings == [("errors", "critical", 30), ("errors", "critical", 25), ("errors", "critical", 20)]


def test_the_guides_own_example() -> None:
    """Success 94 against 96 %, p95 1.5 against 1.2 s, conversion 12 against 13 %: the guide assumed 1,000 and 10,000
    requests and rolls back for the minimum (25), the test (30) and a warning of 0.923 for conversion (10)."""
    rules = plan(metric(), CONVERSION, weights=(9,), minimum=30, judge=RULE)
    look = alike(1, weight=9, errors=proportion(60, 1000, 400, 10_000), conversion=proportion(120, 1000, 1300, 10_000))
    _, found = ruled(rules, look)
    assert (found.verdict, found.score) == ("abort", 25)
    assert fired(found.findings) == [
        ("errors", "critical", 30),
        ("errors", "critical", 25),
        ("errors", "warning", 10),  # 0.94 / 0.96 = 0.979
        ("conversion", "warning", 10),
    ]
