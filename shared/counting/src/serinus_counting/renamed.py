"""Series of a process that a scrape configuration renamed in between: it got a label more, or lost one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from serinus_contracts.base import Arm

from serinus_counting.series import Series, Target

_Key = tuple[tuple[str, str], ...]


def with_one_name(by_arm: Mapping[Arm, Sequence[Series]]) -> Mapping[Arm, Sequence[Series]]:
    """The same series, those of before such a change and of after it as one: else each would be new after it, and count
    from zero with all that it had counted before."""
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
    before = [one for one in members if frozenset(one.labels) not in going]
    after = [one for one in members if frozenset(one.labels) in going]
    if not before or max(one.times[-1] for one in before) >= min(one.times[0] for one in after):
        return members
    shared = frozenset.intersection(*names)
    old, new = _by_key(before, shared), _by_key(after, shared)
    if old is None or new is None or any(new[key].values[0] < old[key].values[-1] for key in old.keys() & new.keys()):
        return members
    return [
        *(one for key, one in old.items() if key not in new),
        *(_one(old[key], one) if key in old else one for key, one in new.items()),
    ]


def _by_key(members: Sequence[Series], shared: frozenset[str]) -> Mapping[_Key, Series] | None:
    """By the labels that all have; None where these tell not all apart."""
    found = {tuple(sorted([pair for pair in one.labels.items() if pair[0] in shared])): one for one in members}
    return found if len(found) == len(members) else None


def _one(old: Series, new: Series) -> Series:
    return Series(new.labels, [*old.times, *new.times], [*old.values, *new.values])
