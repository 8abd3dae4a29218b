"""The counts of a metric once more by the values of a label: the same series, window and resets, so the same sum."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from serinus_contracts import Counted
from serinus_contracts.base import Arm
from serinus_contracts.events import MAX_SEGMENT_BYTES, MAX_SEGMENTS
from serinus_contracts.plain import plain
from serinus_contracts.plan import any_of

from serinus_counting.series import Series

Counts = Mapping[Arm, Sequence[tuple[Series, int]]]
Cells = dict[str, list[int]]


class Segmented(NamedTuple):
    """As the fields of a `Proportion`."""

    segments: dict[str, Cells]
    other_segments: Cells | None


def segmented(source: Counted, label: str, counts: Counts, young: frozenset[str]) -> Segmented:
    """Counts by the label's values: the `MAX_SEGMENTS` with the most trials by name, all others together.

    young: pods whose counts are told apart, since the judge may leave them out.
    """
    found: dict[str, Cells] = {}
    for arm, members in counts.items():
        for one, count in members:
            cells = found.setdefault(" ".join(plain(one.labels.get(label, "")).split()), {})
            events = count if any_of(source.events, one.labels) else 0
            trials = count if any_of(source.trials, one.labels) else 0
            for field in (arm, f"{arm}_young") if one.labels.get("pod", "") in young else (arm,):
                cell = cells.setdefault(field, [0, 0])
                cell[0] += events
                cell[1] += trials
    named = [name for name in found if len(name.encode()) <= MAX_SEGMENT_BYTES]
    named = sorted(named, key=lambda name: (-_trials(found[name]), name))[:MAX_SEGMENTS]
    rest = [cells for name, cells in found.items() if name not in named]
    return Segmented({name: found[name] for name in named}, _together(rest) if rest else None)


def _trials(cells: Cells) -> int:
    return sum(cells[arm][1] for arm in ("canary", "stable") if arm in cells)


def _together(parts: Sequence[Cells]) -> Cells:
    whole: Cells = {}
    for cells in parts:
        for field, (events, trials) in cells.items():
            cell = whole.setdefault(field, [0, 0])
            cell[0] += events
            cell[1] += trials
    return whole
