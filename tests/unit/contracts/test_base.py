import pytest
from pydantic import TypeAdapter, ValidationError
from serinus_contracts.base import Seconds

SECONDS = TypeAdapter(Seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1d", 86_400), (12, 12), (0.5, 0.5)],
)
def test_a_duration_is_read_as_people_write_it(text: object, seconds: float) -> None:
    assert SECONDS.validate_python(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "5 m", "m5", "-3s", "30sec", "1h 30m", -1, "abc"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        SECONDS.validate_python(text)


def test_the_refusal_shows_how_to_write_one() -> None:
    with pytest.raises(ValidationError, match="write for example 30s, 5m, 1h30m"):
        SECONDS.validate_python("half an hour")
