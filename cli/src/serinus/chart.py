"""Lines on a terminal, drawn with the dots of braille: two a column and four a row."""

from collections.abc import Sequence

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_EMPTY = 0x2800
_BARS = "▁▂▃▄▅▆▇█"


def chart(values: Sequence[float], bar: float, marks: Sequence[tuple[int, str]], width: int, height: int) -> list[str]:
    """Rows of a chart of one value a step, with a dotted line at `bar`; marks: what begins at a value's index."""
    columns = 2 * width
    low, high = min(0.0, *values), max(bar, *values)
    scale = (4 * height - 1) / ((high - low) or 1.0)

    def place(value: float) -> int:
        return round((high - value) * scale)

    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for column in range(columns):
        here = place(values[column * len(values) // columns])
        first, last = sorted((here, here if before is None else before))
        for dot in range(first, last + 1):
            cells[dot // 4][column // 2] |= _DOTS[dot % 4][column % 2]
        before = here
    bar_row, zero_row = place(bar) // 4, place(0.0) // 4
    names = {0: high, height - 1: low, zero_row: 0.0, bar_row: bar}
    rows = []
    for number, row in enumerate(cells):
        empty = "╌" if number == bar_row else " "
        label = f"{names[number]:6.1f} ┤" if number in names else "       │"
        rows.append((label + "".join(chr(_EMPTY + cell) if cell else empty for cell in row)).rstrip())
    axis = "─" * width
    for index, name in marks:
        at = index * width // len(values)
        free = at == 0 or set(axis[at - 1 :]) == {"─"}
        if free and at + len(name) <= width:
            axis = axis[:at] + name + axis[at + len(name) :]
    return [*rows, "       └" + axis]


def spark(values: Sequence[float], low: float, high: float, width: int) -> str:
    """One row of bars from `low` to `high`."""
    width = min(width, len(values))
    picked = [values[(column + 1) * len(values) // width - 1] for column in range(width)]
    steps = len(_BARS) - 1
    return "".join(_BARS[round(steps * min(max((value - low) / (high - low), 0.0), 1.0))] for value in picked)
