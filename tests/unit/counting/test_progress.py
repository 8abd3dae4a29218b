"""Up to when each process is counted, in little room."""

import json

from hypothesis import given
from hypothesis import strategies as st
from serinus_counting.progress import Mark, Progress, bytes_at_most, packed, unpacked

KEYS = st.text("abcdefghABCDEFGH0123456789+/", min_size=8, max_size=8)
TIMES = st.integers(1_700_000_000_000, 1_700_003_600_000)
MARKS = st.builds(
    Mark, TIMES, st.dictionaries(KEYS, TIMES, max_size=5), st.integers(0, 99), st.integers(0, 9_999),
    st.none() | st.integers(0, 20_000),
)  # fmt: skip


@given(st.builds(Progress, TIMES, st.integers(1, 600_000), st.none() | st.dictionaries(KEYS, MARKS, max_size=5)))
def test_progress_goes_through_json_unchanged_and_takes_no_more_room_than_is_reckoned(progress: Progress) -> None:
    text = json.dumps(packed(progress), separators=(",", ":"))
    assert unpacked(json.loads(text)) == progress
    assert len(text) <= bytes_at_most(progress)


def test_progress_of_a_collector_that_wrote_no_numbers_is_read() -> None:
    assert unpacked([1_000, 15_000, {"abcdefgh": 500}]) == Progress(1_000, 15_000, {"abcdefgh": Mark(1_500)})
