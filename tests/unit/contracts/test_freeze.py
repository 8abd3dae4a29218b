from typing import Any

import pytest
import yaml
from pydantic import ValidationError
from serinus_contracts.freeze import FreezeRule


def rule(text: str) -> FreezeRule:
    return FreezeRule.model_validate({"reason": "r"} | yaml.safe_load(text))


@pytest.mark.parametrize("text", ["{days: [fri], begin: 16:00}", "{days: [Friday], begin: '16:00'}"])
def test_a_time_of_day_may_stand_without_quotes_which_yaml_reads_as_a_number(text: str) -> None:
    assert (rule(text).days, rule(text).begin, rule(text).end) == (("fri",), "16:00", "24:00")


def test_a_date_may_stand_without_quotes() -> None:
    found = rule("{begin: 2026-12-20, end: 2027-01-04T08:00:00, timezone: Europe/Berlin}")
    assert found.moment(found.begin).isoformat() == "2026-12-20T00:00:00+01:00"
    assert found.moment(found.end).isoformat() == "2027-01-04T08:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{days: [fryday]}", "Input should be 'mon'"),
        ("{days: [fri], begin: noon}", "write HH:MM, from 00:00 to 24:00"),
        ("{days: [fri], end: '24:30'}", "write HH:MM"),
        ("{days: [fri], begin: 61:00}", "valid string"),
        ("{begin: '16:00'}", "give days for a weekly freeze"),
        ("{begin: 2026-12-24, end: 2026-12-20}", "begin 2026-12-24 is not before end 2026-12-20"),
        ("{days: [fri], begin: 16:00, end: 16:00}", "begin and end are both 16:00, which is no time or a day: leave"),
        ("{days: [fri], begin: 00:00, end: '00:00'}", "begin and end are both 00:00"),
        ("{days: [fri], begin: '24:00', end: '06:00'}", "begin 24:00 is on the next day: write 00:00 and that day"),
        ("{days: [fri], timezone: Berlin}", "write an IANA name such as Europe/Berlin"),
        ("{days: [fri], timezone: ../etc/passwd}", "no time zone"),
        ("{days: [fri], reason: ''}", "at least 1 character"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_the_way_out(text: str, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        rule(text)


def test_a_window_without_a_reason_is_refused() -> None:
    document: Any = {"days": ["sat"]}
    with pytest.raises(ValidationError, match="reason"):
        FreezeRule.model_validate(document)
