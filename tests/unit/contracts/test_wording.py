"""Numbers and times as a person reads them."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts import wording


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.0, "0 %"),
        (0.0061, "0.61 %"),
        (0.00203, "0.2 %"),
        (0.0205, "2.1 %"),
        (0.1213, "12 %"),
        (0.3, "30 %"),
        (0.099951, "10 %"),
        (0.000001234, "0.00012 %"),
        (0.899, "89.9 %"),
        (0.954, "95.4 %"),
        (0.9995, "99.95 %"),
        (1.0, "100 %"),
        (1.5, "150 %"),
        (-0.0031, "-0.31 %"),
        (-0.042, "-4.2 %"),
    ],
)
def test_a_share_has_two_significant_digits_of_what_is_there_or_of_what_is_missing(rate: float, text: str) -> None:
    assert wording.percent(rate) == text


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1e-9, 1 - 1e-9))
def test_a_share_reads_within_a_twentieth_of_itself_and_never_as_nothing_or_as_all(rate: float, other: float) -> None:
    shown = float(wording.percent(rate).removesuffix(" %")) / 100
    assert abs(shown - rate) <= 0.0501 * min(rate, 1 - rate) + 1e-13
    low, high = sorted((rate, other))
    assert float(wording.percent(low)[:-2]) <= float(wording.percent(high)[:-2])


@pytest.mark.parametrize(
    ("rate", "beside", "text"),
    [
        (0.9992, 0.99988, "99.92 %"),
        (0.1213, 0.1247, "12.1 %"),
        (0.1247, 0.1213, "12.5 %"),
        (0.5, 0.5, "50 %"),
        (1.0, 0.999998, "100 %"),
        (0.999951, 0.999953, "99.9951 %"),
        (0.002, 0.00203, "0.2 %"),
        (0.00203, 0.002, "0.203 %"),
        (0.3, 0.1, "30 %"),
    ],
)
def test_beside_another_a_share_has_as_many_digits_as_tell_the_two_apart(rate: float, beside: float, text: str) -> None:
    assert wording.percent(rate, beside) == text


@given(st.floats(1e-9, 1 - 1e-9), st.floats(-1, 1))
def test_two_rates_that_differ_in_a_millionth_of_what_is_missing_never_read_the_same(rate: float, step: float) -> None:
    beside = rate + step * min(rate, 1 - rate)
    if abs(step) > 1e-6:
        assert wording.percent(rate, beside) != wording.percent(beside, rate)
        assert wording.plain(rate, beside) != wording.plain(beside, rate) or abs(beside - rate) < 1e-7 * rate


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.006, "0 s"),
        (0.5, "0.5 s"),
        (59.6, "1 min"),
        (185, "3 min 5 s"),
        (7800, "2 h 10 min"),
        (90_000, "1 d 1 h"),
        (-5, "0 s"),
        (inf, "never"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("millis", "clock", "minute"),
    [(0, "00:00:00", "00:00"), (43_381_000, "12:03:01", "12:03"), (86_399_999, "23:59:59", "23:59")],
)
def test_instants_are_in_utc(millis: int, clock: str, minute: str) -> None:
    assert (wording.clock(millis), wording.minute(millis)) == (clock, minute)


def test_counts_edges_and_lists() -> None:
    assert wording.requests(1) == "1 request"
    assert wording.requests(10_810) == "10,810 requests"
    assert wording.edge(0.0025) == "2.5 ms"
    assert wording.edge(2.5) == "2.5 s"
    assert wording.plain(2.4999) == "2.5"
    assert wording.names(["a"]) == "a"
    assert wording.names(["a", "b", "c"]) == "a, b and c"
    assert wording.words("no_data") == "no data"
