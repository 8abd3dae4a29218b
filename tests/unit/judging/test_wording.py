"""Numbers as a person writes them."""

import pytest
from serinus_judging import wording


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0 %"),
        (0.0061, "0.61 %"),
        (0.002, "0.20 %"),
        (0.0205, "2.05 %"),
        (0.1213, "12.1 %"),
        (0.15, "15 %"),
        (1.0, "100 %"),
        (0.099951, "10 %"),
        (0.000999, "0.10 %"),
        (0.00012, "0.012 %"),
        (0.000001234, "0.00012 %"),
        (0.0000005, "0.00005 %"),
    ],
)
def test_shares_have_the_digits_that_matter(rate: float, text: str) -> None:
    assert wording.percent(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.5, "0.5 s"),
        (45, "45 s"),
        (89.6, "90 s"),
        (300, "5 min"),
        (3600, "60 min"),
        (5400, "1 h 30 min"),
        (7200, "2 h"),
        (90_000, "25 h"),
    ],
)
def test_durations_are_rounded_to_what_is_told(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(("millis", "text"), [(0, "00:00"), (43_380_000, "12:03"), (86_399_999, "23:59")])
def test_instants_are_hours_and_minutes_in_utc(millis: int, text: str) -> None:
    assert wording.clock(millis) == text


def test_counts_edges_error_rates_and_lists() -> None:
    assert wording.requests(1) == "1 request"
    assert wording.requests(0) == "0 requests"
    assert wording.requests(10_810) == "10,810 requests"
    assert wording.edge(0.25) == "250 ms"
    assert wording.edge(2.5) == "2.5 s"
    assert wording.false_abort_rate(0.01) == "at a false-abort rate of 1 %"
    assert wording.confidence(0.05) == "at 95 % confidence"
    assert wording.plain(2.4999) == "2.5"
    assert wording.names(["a"]) == "a"
    assert wording.names(["a", "b", "c"]) == "a, b and c"
