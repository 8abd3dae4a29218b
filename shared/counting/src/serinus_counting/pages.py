"""A page of a pod that two scrape jobs read: its requests are counted once, or it is told that they cannot be."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

from serinus_contracts.base import Millis

from serinus_counting.resets import Process
from serinus_counting.series import Series, Target
from serinus_counting.stretch import DROPPED_SCRAPES, Stretch

# What a scrape configuration says of a page beside where it is, and by which of these two that read it are told apart.
_OF_A_JOB = ("job", "service", "endpoint", "node", "container")
_TELLING = ("job", "service", "endpoint")


def counted_once(found: Mapping[Target, Process], begin: Stretch, end: Millis, scrape_ms: int) -> Stretch | str:
    """Where counting goes on if no page is counted twice; why that cannot be, where two jobs go on reading one.

    A job may take over from another: of Argo's services one comes to select other pods, a monitor is renamed.
    """
    spans, others = dict(begin.of_target), dict(begin.of_series)
    for ended, going, label in _pairs(found):
        before, after = found[ended], found[going]
        counted, until = spans[ended], before.scrapes[-1]
        both = max(before.scrapes[0], after.scrapes[0]) <= until and counted.begin < until
        if both and until > end - DROPPED_SCRAPES * scrape_ms:
            one, other = sorted([before.series[0].labels.get(label, ""), after.series[0].labels.get(label, "")])
            return (
                f"{label}s {one} and {other} both scrape pod {after.pod}, so each request is counted twice: leave one "
                f"of them out by source.exclude, '{{{label}=\"{other}\"}}'"
            )
        covered = after.scrapes[0] <= counted.begin
        if covered:
            spans[ended] = replace(counted, begin=max(counted.begin, until), new=False)
            for series in before.series:
                others.pop(id(series), None)
        handed_over = counted.begin if covered else until
        if spans[going].new:
            spans[going] = replace(spans[going], begin=max(spans[going].begin, handed_over), new=False)
        known = {_without_address(one) for one in before.series}
        for series in after.series:
            hidden = others.get(id(series))
            if hidden is not None and hidden.new and _without_address(series) in known:
                others[id(series)] = replace(hidden, begin=max(series.times[0], handed_over), new=False)
    return Stretch(spans, others)


def _pairs(found: Mapping[Target, Process]) -> Iterator[tuple[Target, Target, str]]:
    """Of targets that show one page: which ended first, which later, and the label that tells them apart."""
    by_pod: dict[str, list[Target]] = defaultdict(list)
    for target, process in found.items():
        if process.own and process.series[0].labels.get("instance"):
            by_pod[process.pod].append(target)
    for targets in by_pod.values():
        if len(targets) < 2:
            continue
        targets.sort(key=lambda target: (found[target].scrapes[-1], -found[target].scrapes[0], target))
        shown = {target: {_page(one) for one in found[target].series} for target in targets}
        for one, other in combinations(targets, 2):
            first, second = found[one].series[0].labels, found[other].series[0].labels
            label = next((name for name in _TELLING if first.get(name) != second.get(name)), None)
            if label is None and _goes_on(found[one], found[other]):
                yield one, other, "instance"
            elif label and not shown[one].isdisjoint(shown[other]):
                yield one, other, label


def _goes_on(before: Process, after: Process) -> bool:
    """Whether a page goes on under another address where it ended under one: no counter of it fell, unless it restarted
    before its end or after its beginning there. Two addresses that both go on are two pages."""
    if before.scrapes[-1] >= after.scrapes[0]:
        return False
    since, until = max(before.restarts, default=0), min(after.restarts, default=after.scrapes[-1] + 1)
    lasts = {_without_address(one): one.values[-1] for one in before.series if one.times[-1] >= since}
    firsts = {_without_address(one): one.values[0] for one in after.series if one.times[0] < until}
    both = lasts.keys() & firsts.keys()
    return bool(both) and all(firsts[page] >= lasts[page] for page in both)


def _without_address(series: Series) -> tuple[tuple[str, str], ...]:
    return tuple([pair for pair in _page(series) if pair[0] != "instance"])


def _page(series: Series) -> tuple[tuple[str, str], ...]:
    return tuple(sorted([(label, value) for label, value in series.labels.items() if label not in _OF_A_JOB]))
