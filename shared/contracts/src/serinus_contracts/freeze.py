"""`FreezeRule`: when nothing is advanced, once from one day to another, or every week."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from serinus_contracts.base import PolicyDocument

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60


def minutes_of(text: str) -> int:
    """Minutes since midnight of `HH:MM`, up to 24:00. Raises ValueError."""
    hours, _, minutes = text.partition(":")
    if len(hours) == len(minutes) == 2 and (hours + minutes).isdecimal():
        total = 60 * int(hours) + int(minutes)
        if int(minutes) < 60 and total <= _DAY_MINUTES:
            return total
    raise ValueError(f"{text!r} is no time of day: write HH:MM, from 00:00 to 24:00")


def _as_text(value: object) -> object:
    """What YAML made of a time that stood without quotes: a date, or for 16:00 the number 960."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _DAY_MINUTES:
        return f"{value // 60:02}:{value % 60:02}"
    return value.isoformat() if hasattr(value, "isoformat") else value


Moment = Annotated[str, BeforeValidator(_as_text)]


class FreezeRule(PolicyDocument):
    """Meanwhile no verdict advances a run; an abort always may, and a person who says why.

    With `days` it comes back every week on those days, from `begin` to `end` as times of day (HH:MM; an end before
    the begin is on the next day), by default the whole day. Without, `begin` and `end` are dates or dates
    with a time (2026-12-20T18:00), and `end` is the first moment that is free again. Both by `timezone`.
    """

    days: tuple[Day, ...] = Field((), description="every week on these; absent: once, by dates")
    begin: Moment = Field("00:00", description="HH:MM with days, else a date or a date with a time")
    end: Moment = Field("24:00", description="HH:MM with days, else a date or a date with a time")
    timezone: str = Field("UTC", description="IANA name, such as Europe/Berlin")
    reason: str = Field(min_length=1, max_length=500, description="shown in the verdict")

    @field_validator("days", mode="before")
    @classmethod
    def _short_names(cls, value: Any) -> Any:
        short = isinstance(value, list | tuple) and all(isinstance(day, str) for day in value)
        return [day[:3].lower() if day[:3].lower() in DAYS else day for day in value] if short else value

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no time zone: write an IANA name such as Europe/Berlin") from None
        return value

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.days:
            begins, ends = minutes_of(self.begin), minutes_of(self.end)
            if begins == ends:
                raise ValueError(
                    f"begin and end are both {self.begin}, which is no time or a day: leave both out for the whole of "
                    "these days"
                )
            if begins == _DAY_MINUTES:
                raise ValueError("begin 24:00 is on the next day: write 00:00 and that day")
            return self
        begin, end = (self.moment(text) for text in (self.begin, self.end))
        if begin >= end:
            raise ValueError(f"begin {self.begin} is not before end {self.end}")
        return self

    def moment(self, text: str) -> datetime:
        """The instant of a date, or a date with a time, by the rule's time zone. Raises ValueError."""
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"{text!r} is no date: write 2026-12-20 or 2026-12-20T18:00, or give days for a weekly freeze"
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(self.timezone))
