"""What is kept has room for so many bytes, however small its entries are."""

import os
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest
from serinus_counting import layout
from serinus_counting.kept import ENTRY_BYTES, Kept
from serinus_counting.series import Series

from tests.support import ERRORS, LATENCY, plan

RULE = plan(metrics=(ERRORS, LATENCY))


def test_those_that_were_wanted_last_are_kept() -> None:
    made: list[int] = []
    kept = Kept[None](2 * ENTRY_BYTES, lambda _: 0)
    for key in (1, 2, 1, 3, 1, 2):
        kept.of(key, partial(made.append, key))
    assert made == [1, 2, 3, 2]


def pair(metric: str) -> list[Series]:
    """One series of each arm, as short as there are."""
    names = [{"__name__": "x", "pod": f"checkout-{arm}-1", "instance": arm} for arm in ("new", "old")]
    edges = ["0.1", "+Inf"] if metric == "latency" else ["0.1"]
    return [Series({**one, "code": "200", "le": le}, [1], [1.0]) for one in names for le in edges]


@pytest.mark.parametrize("series", [list, partial(pair, "errors"), partial(pair, "latency")])
def test_ten_thousand_small_layouts_and_empty_ones_take_no_more_than_they_have_room_for(
    series: Callable[[], list[Series]], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 2 * 2**20
    monkeypatch.setattr(layout, "_kept", Kept(room, layout._bytes_of))
    metric = LATENCY if len(series()) > 2 else ERRORS
    shown = series()
    tracemalloc.start()
    try:
        for _ in range(10_000):
            layout.layout_of(RULE, metric, shown, (os.urandom(16), "digest", "name"))
        assert room / 8 < tracemalloc.get_traced_memory()[0] < room
    finally:
        tracemalloc.stop()
