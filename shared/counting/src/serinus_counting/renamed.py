"""Series of a process that a scrape configuration renamed in between: it got a label more, or lost one."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence

from serinus_contracts.base import Arm, Millis

from serinus_counting.series import Renamed, Series, Target

_Key = tuple[tuple[str, str], ...]


class UnknownNamesError(Exception):
    """Which series went on under which other labels cannot be told; its text says why, and the way out."""


def with_one_name(by_arm: Mapping[Arm, Sequence[Series]]) -> Mapping[Arm, Sequence[Series]]:
    """The same series, those of before such a change and of after it as one: else each would be new after it, and count
    from zero with all that it had counted before. Raises UnknownNamesError.

    Where the process restarted as well, its counters fell, which is seen of these as of any others.
    """
    return {arm: _joined(members) for arm, members in by_arm.items()}


def _joined(series: Sequence[Series]) -> Sequence[Series]:
    # Mostly all have samples from the first scrape to the last, which costs one comparison each.
    begun, ended = max([one.times[0] for one in series], default=0), min([one.times[-1] for one in series], default=0)
    if begun <= ended:
        return series
    by_target: dict[Target, list[Series]] = defaultdict(list)
    for one in series:
        by_target[one.target].append(one)
    return [one for members in by_target.values() for one in _of_process(members)]


def _of_process(members: Sequence[Series]) -> Sequence[Series]:
    names = {frozenset(one.labels) for one in members}
    if len(names) < 2:
        return members
    last = max(one.times[-1] for one in members)
    going = {frozenset(one.labels) for one in members if one.times[-1] == last}
    gone = names - going
    before = [one for one in members if frozenset(one.labels) in gone]
    after = [one for one in members if frozenset(one.labels) in going]
    if not before or max(one.times[-1] for one in before) >= min(_first(one) for one in after):
        return members
    changed = _of_all_and_none(going, gone) | _of_all_and_none(gone, going)
    if not changed:
        return members
    old, new = _by_key(before, changed), _by_key(after, changed)
    return [
        *(one for key, one in old.items() if key not in new),
        *(_one(old[key], one) if key in old else one for key, one in new.items()),
    ]


def _first(series: Series) -> Millis:
    """When it was first scraped: Prometheus may store a zero at the time at which its counter was created."""
    return series.times[1] if len(series.times) > 1 and series.values[0] == 0 else series.times[0]


def _of_all_and_none(these: set[frozenset[str]], those: set[frozenset[str]]) -> frozenset[str]:
    """Labels that each of these has and none of those."""
    return frozenset.intersection(*these).difference(*those)


def _by_key(members: Sequence[Series], changed: frozenset[str]) -> Mapping[_Key, Series]:
    """By the labels that did not change."""
    found = {tuple(sorted([pair for pair in one.labels.items() if pair[0] not in changed])): one for one in members}
    if len(found) < len(members):
        raise UnknownNamesError(
            f"the labels of series changed in this stage: {', '.join(sorted(changed))}, which alone told apart "
            f"counters of pod {members[0].labels.get('pod', '')}, so what they counted since cannot be told; counted "
            "again from the next stage on"
        )
    return found


def _one(old: Series, new: Series) -> Series:
    at = bisect_right(new.times, old.times[-1])
    return Renamed(new.labels, [*old.times, *new.times[at:]], [*old.values, *new.values[at:]], old.labels)
