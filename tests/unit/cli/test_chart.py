from hypothesis import given, settings
from hypothesis import strategies as st
from serinus.chart import chart, spark

values = st.lists(st.floats(-50, 50), min_size=1, max_size=300)


def test_a_chart_has_the_bar_where_no_line_is_and_names_what_begins_where() -> None:
    rows = chart([0.0, 0.0, 2.0, 4.0], 4.0, [(0, "5 %"), (2, "25 %")], width=12, height=4)
    assert rows == [
        "   4.0 ┤╌╌╌╌╌╌╌╌╌⡏⠉⠉",
        "       │         ⡇",
        "       │      ⡏⠉⠉⠁",
        "   0.0 ┤⣀⣀⣀⣀⣀⣀⡇",
        "       └5 %───25 %──",
    ]


@settings(deadline=None)
@given(values, st.floats(0.1, 10), st.integers(4, 80), st.integers(2, 12))
def test_a_chart_has_the_size_that_was_asked_for(given: list[float], bar: float, width: int, height: int) -> None:
    rows = chart(given, bar, [(i, f"{i} %") for i in range(0, len(given), 7)], width, height)
    assert len(rows) == height + 1
    assert all(len(row) <= width + 8 for row in rows)


def test_a_spark_goes_from_the_lowest_bar_to_the_highest() -> None:
    assert spark([-9.0, 0.0, 1.0, 2.0, 9.0], 0.0, 2.0, 60) == "▁▁▅██"
    assert len(spark([1.0] * 200, 0.0, 2.0, 60)) == 60
