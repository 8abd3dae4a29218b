"""Every rule of the scorecard on counts that are worked by hand."""

import pytest
from serinus_contracts.events import Measurement
from serinus_contracts.judge import ScorecardRule

from tests.unit.judging.builders import gauge, latency, metric, plan, proportion, snapshot, values
from tests.unit.judging.ruled_runs import alike, fired, ruled, within

RULE = ScorecardRule(name="scorecard")
CONVERSION = metric("conversion", 0.95, better="higher")
ALL = plan(metric(), CONVERSION, latency(), gauge(), minimum=300, judge=RULE)
FINE: dict[str, Measurement] = {
    "errors": proportion(20, 1000, 20, 1000),
    "conversion": proportion(100, 1000, 100, 1000),
    "latency": within({0.2: 94, 0.3: 6}, {0.2: 94, 0.3: 6}),
    "memory": values([0.5, 0.6]),
}


def test_without_an_issue_it_proceeds_with_full_confidence() -> None:
    _, found = ruled(ALL, alike(10, metrics=FINE))
    assert (found.verdict, found.score, fired(found.findings)) == ("proceed", 100, [])
    assert found.sentence == (
        "proceed: scorecard 100 of 100, 45 needed, no issue; "
        "errors 2 % against 2 % on stable (200 of 10,000; 200 of 10,000); 5 min at 50 %"
    )


@pytest.mark.parametrize(
    ("change", "penalties", "said"),
    [
        # 94 % < 95 %, and 0.94 / 0.95 = 0.989 is no degradation
        ({"errors": proportion(60, 1000, 50, 1000)}, {"errors": [30]}, "errors: success 94 %, under 95 % (-30)"),
        # 96 % >= 95 %, but 0.96 / 0.99 = 0.9697 < 0.98
        (
            {"errors": proportion(40, 1000, 10, 1000)},
            {"errors": [25]},
            "errors: success 96 % against 99 % on stable, under 0.98 times (-25)",
        ),
        # both: 94 % and 0.94 / 0.98 = 0.959
        ({"errors": proportion(60, 1000, 20, 1000)}, {"errors": [30, 25]}, "(-30); errors: success 94 % against"),
        # 94 / 100 = 0.94 < 0.95
        (
            {"conversion": proportion(94, 1000, 100, 1000)},
            {"conversion": [25]},
            "conversion 9.4 % against 10 % on stable, under 0.95 times (-25)",
        ),
        # p95 of 94 up to 0.3 s and 6 up to 0.4 s: 0.3 + 0.1 / 6 = 317 ms; of stable 0.2 + 0.1 / 6 = 217 ms: 1.46
        ({"latency": within({0.3: 94, 0.4: 6}, {0.2: 94, 0.3: 6})}, {}, ""),
        # 0.4 + 0.1 / 6 = 417 ms: 1.92
        (
            {"latency": within({0.4: 94, 0.5: 6}, {0.2: 94, 0.3: 6})},
            {"latency": [20]},
            "p95 of latency 416.7 ms against 216.7 ms on stable, over 1.5 times (-20)",
        ),
        # mean over two pods 0.86
        ({"memory": values([0.80, 0.92])}, {"memory": [10]}, "memory 86 % of its limit, over 85 % (-10)"),
        ({"memory": values([0.80, 0.90])}, {}, ""),
    ],
)
def test_each_rule_costs_its_penalty_and_any_issue_aborts(
    change: dict[str, Measurement], penalties: dict[str, list[float]], said: str
) -> None:
    _, found = ruled(ALL, alike(10, metrics=(FINE | change)))
    wanted = [(name, "critical", points) for name, each in penalties.items() for points in each]
    assert fired(found.findings) == wanted
    assert found.score == 100 - sum(points for _, _, points in wanted)
    assert found.verdict == ("abort" if wanted else "proceed")
    assert said in found.sentence
    assert found.regressed == tuple(penalties)


def test_rising_errors_cost_15() -> None:
    """0 to 27 of 1,000 in ten looks, on stable 13 or 14 all the time: the mean is the same, the slope is not."""
    looks = [snapshot(FINE | {"errors": proportion(3 * i, 1000, 13 + i % 2, 1000)}, i + 1) for i in range(10)]
    _, found = ruled(ALL, looks)
    assert fired(found.findings) == [("errors", "critical", 15)]
    assert found.sentence.startswith("abort: scorecard 85 of 100, 45 needed: errors rising in this stage (z ")


def test_all_issues_together_leave_nothing_and_the_dearest_are_said() -> None:
    bad = {
        "errors": proportion(60, 1000, 20, 1000),
        "conversion": proportion(90, 1000, 100, 1000),
        "latency": within({0.4: 100}, {0.2: 100}),
        "memory": values([0.9]),
    }
    _, found = ruled(ALL, alike(10, metrics=bad))
    assert found.score == 0
    assert len(fired(found.findings)) == 5
    assert "2 more issues; 10,000 requests evaluated" in found.sentence


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"errors": proportion(101, 1000, 20, 1000)}, "errors: success 89.9 %, under 90 % in the last minutes"),
        (
            {"latency": within({0.2: 94, 10.0: 6}, {0.2: 94, 0.3: 6})},
            "p95 of latency over 5 s (6 % of requests are) in the last minutes",
        ),
        ({"memory": values([0.94, 0.98])}, "memory 96 % of its limit, over 95 %"),
    ],
)
def test_what_nobody_would_wait_for_aborts_at_once(change: dict[str, Measurement], said: str) -> None:
    _, found = ruled(ALL, alike(1, metrics=(FINE | change)))
    assert (found.verdict, found.reason) == ("abort", "rule")
    assert found.sentence == f"abort: {said}; 1,000 requests evaluated"


@pytest.mark.parametrize(
    "change",
    [
        {"errors": proportion(100, 1000, 100, 1000)},
        {"latency": within({0.2: 95, 10.0: 5}, {0.2: 95, 10.0: 5})},
        {"memory": values([0.95])},
    ],
)
def test_on_the_bound_nothing_aborts_at_once(change: dict[str, Measurement]) -> None:
    assert ruled(ALL, alike(1, metrics=(FINE | change)))[1].verdict == "hold"


def test_an_outage_late_in_a_stage_is_seen_by_the_last_minutes_alone() -> None:
    rules = plan(metric(), minimum=1800, maximum=3600, judge=RULE)
    looks = alike(50, errors=proportion(2, 1000, 2, 1000))
    evidence, _ = ruled(rules, looks)
    _, first = ruled(rules, alike(1, 51, errors=proportion(300, 1000, 2, 1000)), evidence)
    assert first.verdict == "abort"  # 304 of 3,000 in the last minute and a half
    _, milder = ruled(rules, alike(2, 51, errors=proportion(150, 1000, 2, 1000)), evidence)
    assert milder.verdict == "hold"
    _, still = ruled(rules, alike(4, 51, errors=proportion(150, 1000, 2, 1000)), evidence)
    assert still.verdict == "abort"


def test_the_threshold_falls_with_the_weight_and_decides_where_a_policy_sets_it_above_100() -> None:
    strict = ScorecardRule(name="scorecard", base=105, perWeight=0.1)
    for weight, verdict in ((49, "hold"), (50, "proceed")):
        rules = plan(metric(), weights=(weight,), minimum=60, judge=strict)
        share = proportion(2, 1000, 2, round(1000 * (100 - weight) / weight))
        assert ruled(rules, alike(10, weight=weight, errors=share))[1].verdict == verdict


def test_a_stable_that_always_fails_is_no_degradation_of_the_canary() -> None:
    _, found = ruled(plan(metric(), minimum=60, judge=RULE), alike(10, errors=proportion(40, 1000, 1000, 1000)))
    assert found.verdict == "proceed"
