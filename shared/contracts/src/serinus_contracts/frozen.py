"""Whether a run is frozen now, until when and why. Pure: the time is given."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from serinus_contracts.base import Millis
from serinus_contracts.freeze import DAYS, FreezeRule, minutes_of

# Rules that together never end are not followed further than this.
MAX_FREEZE = timedelta(days=366)


def frozen(rules: Sequence[FreezeRule], now: Millis) -> str | None:
    """Until when and why nothing may advance, as it is told to people; None while it may.

    Windows that touch are one: a Friday evening before a frozen weekend ends on Monday.
    """
    moment = start = datetime.fromtimestamp(now / 1000, UTC)
    first: FreezeRule | None = None
    while moment - start < MAX_FREEZE:
        found = [(end, rule) for rule in rules if (end := _end_of(rule, moment)) is not None]
        if not found:
            break
        moment, rule = max(found, key=lambda pair: pair[0])
        first = first or rule
    if first is None:
        return None
    local = moment.astimezone(ZoneInfo(first.timezone))
    return f"frozen until {local:%a %Y-%m-%d %H:%M} {first.timezone}: {first.reason}"


def _end_of(rule: FreezeRule, moment: datetime) -> datetime | None:
    """The end of the rule's window that the moment lies in."""
    return next((end for begin, end in _windows(rule, moment) if begin <= moment < end), None)


def _windows(rule: FreezeRule, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Those that could hold the moment, as instants: local times are compared across a change of the clocks."""
    if not rule.days:
        yield rule.moment(rule.begin).astimezone(UTC), rule.moment(rule.end).astimezone(UTC)
        return
    begin, end = minutes_of(rule.begin), minutes_of(rule.end)
    zone = ZoneInfo(rule.timezone)
    today = datetime.combine(moment.astimezone(zone).date(), time())
    for day in (today - timedelta(days=1), today):
        if DAYS[day.weekday()] in rule.days:
            last = day + timedelta(days=1) if end <= begin else day
            yield _at(day, begin, zone), _at(last, end, zone)


def _at(day: datetime, minutes: int, zone: ZoneInfo) -> datetime:
    return (day + timedelta(minutes=minutes)).replace(tzinfo=zone).astimezone(UTC)
