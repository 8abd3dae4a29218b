from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_contracts.freeze import DAYS, FreezeRule
from serinus_contracts.frozen import frozen

BERLIN = "Europe/Berlin"


def weekly(*days: str, **other: Any) -> FreezeRule:
    return FreezeRule.model_validate({"days": days, "reason": "weekend", "timezone": BERLIN} | other)


CHRISTMAS = FreezeRule(begin="2026-12-20", end="2027-01-04T08:00", timezone=BERLIN, reason="Christmas")


def at(text: str) -> int:
    """Milliseconds of a local time in Berlin."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(BERLIN)).timestamp() * 1000)


def test_a_freeze_holds_from_its_first_moment_to_just_before_its_last() -> None:
    assert frozen([CHRISTMAS], at("2026-12-19T23:59:59")) is None
    assert frozen([CHRISTMAS], at("2026-12-20")) == f"frozen until Mon 2027-01-04 08:00 {BERLIN}: Christmas"
    assert frozen([CHRISTMAS], at("2027-01-04T08:00")) is None


def test_windows_that_touch_are_one_and_keep_the_reason_of_the_first() -> None:
    rules = [weekly("fri", begin="16:00", reason="Friday evening"), weekly("sat", "sun")]
    assert frozen(rules, at("2026-11-20T17:00")) == f"frozen until Mon 2026-11-23 00:00 {BERLIN}: Friday evening"
    assert frozen(rules, at("2026-11-20T15:59")) is None


@pytest.mark.parametrize(
    ("moment", "is_frozen"),
    [("T21:59", False), ("T22:00", True), ("T23:59", True)],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, is_frozen: bool) -> None:
    night = [weekly("mon", begin="22:00", end="06:00")]
    assert (frozen(night, at(f"2026-11-23{moment}")) is not None) == is_frozen
    assert frozen(night, at("2026-11-24T05:59")) is not None
    assert frozen(night, at("2026-11-24T06:00")) is None
    assert frozen(night, at("2026-11-23T05:59")) is None, "the night to Monday is Sunday's"


def test_a_window_follows_the_clock_on_the_wall_when_it_changes() -> None:
    # In the night to 2026-10-25 Berlin's clocks go back at 3:00: the window is an hour longer.
    night = [weekly("sat", begin="22:00", end="06:00")]
    end = datetime(2026, 10, 25, 5, tzinfo=UTC)
    assert frozen(night, int(end.timestamp() * 1000) - 1) is not None
    assert frozen(night, int(end.timestamp() * 1000)) is None


def test_a_freeze_without_end_is_still_told() -> None:
    assert frozen([weekly(*DAYS)], at("2026-11-23")) is not None


@given(st.integers(at("2026-01-01"), at("2027-01-01")), st.sampled_from(DAYS))
def test_a_whole_day_is_frozen_and_no_other(now: int, day: str) -> None:
    local = datetime.fromtimestamp(now / 1000, ZoneInfo(BERLIN))
    assert (frozen([weekly(day)], now) is not None) == (DAYS[local.weekday()] == day)


@given(st.integers(0, 10**13), st.lists(st.sampled_from([CHRISTMAS, weekly("fri"), weekly("tue", "sun")])))
def test_more_rules_never_thaw(now: int, rules: list[FreezeRule]) -> None:
    each = any(frozen([rule], now) for rule in rules)
    assert (frozen(rules, now) is not None) == each


def test_the_end_of_a_freeze_is_never_further_than_a_year_when_followed() -> None:
    said = frozen([weekly(*DAYS)], at("2026-11-23")) or ""
    until = datetime.strptime(said.split()[3], "%Y-%m-%d").replace(tzinfo=UTC)
    assert until < datetime(2026, 11, 23, tzinfo=UTC) + timedelta(days=370)
