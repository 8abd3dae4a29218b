"""Descriptions beside the judgement: what they say, and when they say nothing."""

import pytest
from serinus_contracts.events import Finding
from serinus_judging.assessment import Fields
from serinus_judging.guardrails import findings


def text(found: Fields | None) -> str:
    assert found is not None
    model = Finding.model_validate(found)
    assert not model.decides
    return model.text


def test_a_share_is_described_by_z_and_cohens_h() -> None:
    found = findings.of_proportions("errors", (66, 10_810), (41, 20_400))
    assert text(found) == (
        "errors 0.61 % against 0.2 % on stable, 3.04 times stable's (66 of 10,810; 41 of 20,400); "
        "z 5.9, p below 0.0001, Cohen's h 0.07"
    )
    assert found is not None
    assert set(found["values"]) == {"canary", "stable", "ratio", "z", "p", "cohens_h"}


@pytest.mark.parametrize(("errors", "degree"), [(10, "none"), (40, "warning"), (100, "critical")])
def test_the_severity_of_errors_is_by_the_ratio_of_success(errors: int, degree: str) -> None:
    found = findings.of_proportions("errors", (errors, 1000), (2, 1000))
    assert found is not None
    assert found["severity"] == degree


@pytest.mark.parametrize(("converted", "degree"), [(300, "none"), (280, "warning"), (260, "critical"), (320, "none")])
def test_the_severity_of_conversions_is_by_their_ratio(converted: int, degree: str) -> None:
    found = findings.of_proportions("conversion", (converted, 1000), (300, 1000), "higher")
    assert found is not None
    assert found["severity"] == degree


def test_durations_are_described_by_ranks_and_quantiles() -> None:
    found = findings.of_durations("latency", (0.1, 0.2, 0.4), (10, 80, 10, 0), (80, 20, 0, 0))
    assert text(found) == (
        "latency p95 300 ms against 175 ms on stable, 1.71 times stable's; "
        "Mann-Whitney z 9.9, p below 0.0001, rank-biserial 0.72"
    )
    assert found is not None
    assert found["severity"] == "warning"


def test_a_trend_is_told_where_it_goes_the_wrong_way() -> None:
    hours = [i / 10 for i in range(8)]
    rising = [0.01 * i for i in range(8)]
    assert text(findings.of_trend("errors", hours, rising)) == (
        "errors of the canary rises by 0.1 an hour over 8 points; Mann-Kendall p 0.00053"
    )
    assert findings.of_trend("conversion", hours, rising, "higher") is None
    assert findings.of_trend("errors", hours, rising[::-1]) is None
    assert findings.of_trend("errors", hours, [0.01] * 8) is None


def test_lost_conversions_are_told_per_hour_with_an_interval() -> None:
    found = findings.of_business("conversion", (2_700, 10_000), (27_000, 90_000), 1800)
    assert text(found) == (
        "conversion: 600 lost an hour (95 % interval 414 to 782 lost); "
        "with all traffic on the canary 6,000 lost an hour"
    )
    assert found is not None
    assert found["severity"] == "warning"
    assert "1,000 gained an hour" in text(findings.of_business("conversion", (3_500, 10_000), (3_000, 10_000), 1800))


@pytest.mark.parametrize("counts", [((0, 0), (1, 9)), ((1, 9), (0, 0)), ((9, 8), (1, 9)), ((-1, 8), (1, 9))], ids=str)
def test_of_impossible_counts_nothing_is_said(counts: tuple[findings.Counts, findings.Counts]) -> None:
    assert findings.of_proportions("errors", *counts) is None
    assert findings.of_business("conversion", *counts, 60) is None


def test_of_a_time_without_length_nothing_is_said() -> None:
    assert findings.of_business("conversion", (1, 9), (1, 9), 0) is None
    assert findings.of_business("conversion", (1, 9), (1, 9), float("inf")) is None


@pytest.mark.parametrize(("canary", "stable"), [((0, 0), (1, 1)), ((1, 1), (0, 0)), ((1,), (1, 1)), ((1, -1), (1, 1))])
def test_of_buckets_without_requests_nothing_is_said(canary: tuple[int, ...], stable: tuple[int, ...]) -> None:
    assert findings.of_durations("latency", (0.1,), canary, stable) is None
