import pytest
from hypothesis import given
from hypothesis import strategies as st
from serinus_console.use_cases.position import FOLLOWED, read, written

ids = st.builds("{}-{}".format, st.integers(0, 10**15), st.integers(0, 9))


@given(st.lists(ids, min_size=len(FOLLOWED), max_size=len(FOLLOWED)))
def test_a_position_is_read_as_it_was_written(entries: list[str]) -> None:
    position = dict(zip(FOLLOWED, entries, strict=True))
    assert read(written(position)) == position


@pytest.mark.parametrize("text", ["1795407776459-0", "1795407776459"])
def test_one_entry_id_or_a_time_stands_for_all_streams(text: str) -> None:
    assert read(text) == dict.fromkeys(FOLLOWED, text)


@pytest.mark.parametrize("text", ["", "x", "1-2-3", "1-0,2-0", "$", "-1", "1-0,2-0,3-0,4-0,5-0", "9" * 30])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one Redis entry id, or one for each of rollouts, verdicts"):
        read(text)
