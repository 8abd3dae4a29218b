"""A bounded store of samples in memory, by target: all series of a target share the times of its scrapes."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from serinus_simulator.prometheus.promql import Matcher, Selector
from serinus_simulator.prometheus.series import ABSENT, Series

LOOKBACK = 300_000
"""How far an instant looks back, in milliseconds."""


class TargetSamples:
    """The samples of one target, a column for each series. ABSENT in a column marks a scrape that did not have it."""

    def __init__(self, labels: Mapping[str, str], series: Sequence[Series]) -> None:
        self.labels = dict(labels)
        self.times: array[int] = array("q")
        self.up: array[float] = array("d")
        self._columns: list[array[float]] = [self.up, *(array("d") for _ in series)]
        self._series = [
            {"__name__": one.name, **dict(one.labels), **self.labels} for one in (Series("up", ()), *series)
        ]

    def append(self, time: int, up: float, row: array[float] | None) -> None:
        """Add a scrape at a time in milliseconds; without a row every series but `up` ends here."""
        self.times.append(max(time, self.times[-1] + 1) if self.times else time)
        self.up.append(up)
        for position, column in enumerate(self._columns[1:]):
            column.append(ABSENT if row is None else row[position])

    def forget_before(self, time: int) -> None:
        """Drop what was scraped before a time in milliseconds."""
        cut = bisect_left(self.times, time)
        if cut:
            del self.times[:cut]
            for column in self._columns:
                del column[:cut]

    def thin_out(self, before: int, step: int) -> None:
        """Of the samples before a time keep the first in each `step`, in milliseconds."""
        cut = bisect_left(self.times, before)
        kept = [i for i in range(cut) if i == 0 or self.times[i] // step > self.times[i - 1] // step]
        if len(kept) < cut:
            self.times[:cut] = array("q", [self.times[i] for i in kept])
            for column in self._columns:
                column[:cut] = array("d", [column[i] for i in kept])

    def matches(self, matchers: Sequence[Matcher]) -> bool:
        """Whether the labels that all series of the target share satisfy the matchers on them."""
        return all(matcher.test(self.labels[matcher.label]) for matcher in matchers if matcher.label in self.labels)

    def columns(self, matchers: Sequence[Matcher]) -> Iterator[tuple[dict[str, str], array[float]]]:
        """The series of a target that `matches`, as far as they satisfy the other matchers, with all their labels."""
        others = [matcher for matcher in matchers if matcher.label not in self.labels]
        for labels, column in zip(self._series, self._columns, strict=True):
            if all(matcher.test(labels.get(matcher.label, "")) for matcher in others):
                yield labels, column


@dataclass(frozen=True)
class Result:
    """One series of an answer: its labels, and times in milliseconds with values."""

    labels: dict[str, str]
    times: array[int]
    values: array[float]


class SampleStore:
    """The samples of every target that was scraped within the retention, given in milliseconds."""

    def __init__(self, retention: int) -> None:
        self.retention = retention
        self._targets: dict[int, TargetSamples] = {}
        self._by_label: dict[tuple[str, str], set[int]] = {}
        self._by_identity: dict[frozenset[tuple[str, str]], int] = {}
        self._label_names: set[str] = set()
        self._next = 0

    def target(self, labels: Mapping[str, str], series: Sequence[Series]) -> TargetSamples:
        """Where the samples of a target go; one that comes back under the same labels goes on where it was."""
        identity = frozenset(labels.items())
        known = self._by_identity.get(identity)
        if known is not None:
            return self._targets[known]
        made = TargetSamples(labels, series)
        self._targets[self._next] = made
        self._by_identity[identity] = self._next
        for pair in made.labels.items():
            self._by_label.setdefault(pair, set()).add(self._next)
            self._label_names.add(pair[0])
        self._next += 1
        return made

    def forget_before(self, time: int) -> None:
        """Drop samples, and targets that have none left; one that waits for its first scrape stays."""
        for number, target in [(number, target) for number, target in self._targets.items() if target.times]:
            target.forget_before(time)
            if not target.times:
                del self._targets[number]
                del self._by_identity[frozenset(target.labels.items())]
                for pair in target.labels.items():
                    self._by_label[pair].discard(number)
                    if not self._by_label[pair]:
                        del self._by_label[pair]

    def thin_out(self, before: int, step: int) -> None:
        """Of the samples before a time keep one in each `step`, so that much time takes little memory."""
        for target in self._targets.values():
            target.thin_out(before, step)

    def range(self, selector: Selector, end: int) -> list[Result]:
        """Samples in the range, which does not hold its own beginning."""
        start = end - (selector.milliseconds or 0)
        results: list[Result] = []
        for target in self._candidates(selector.matchers):
            first, last = bisect_right(target.times, start), bisect_right(target.times, end)
            if first == last:
                continue
            times = target.times[first:last]
            for labels, column in target.columns(selector.matchers):
                values = column[first:last]
                if any(map(math.isnan, values)):
                    kept = [position for position, value in enumerate(values) if not math.isnan(value)]
                    if kept:
                        found = array("q", [times[position] for position in kept])
                        results.append(Result(labels, found, array("d", [values[position] for position in kept])))
                else:
                    results.append(Result(labels, times, values))
        return results

    def instant(self, selector: Selector, at: int) -> list[Result]:
        """The last sample of each series, unless it is older than the lookback or the series has ended."""
        results: list[Result] = []
        for target in self._candidates(selector.matchers):
            last = bisect_right(target.times, at) - 1
            if last < 0 or target.times[last] <= at - LOOKBACK:
                continue
            for labels, column in target.columns(selector.matchers):
                if not math.isnan(column[last]):
                    results.append(Result(labels, array("q", [at]), column[last : last + 1]))
        return results

    def sums(self, selector: Selector, end: int) -> list[Result]:
        """A subquery: what `instant` finds at each multiple of the step in the range, summed up by labels."""
        assert selector.step is not None
        first = (end - (selector.milliseconds or 0)) // selector.step + 1
        moments = [number * selector.step for number in range(first, end // selector.step + 1)]
        sums: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for target in self._candidates(selector.matchers):
            places = [bisect_right(target.times, moment) - 1 for moment in moments]
            fresh = [
                (number, place)
                for number, (moment, place) in enumerate(zip(moments, places, strict=True))
                if place >= 0 and target.times[place] > moment - LOOKBACK
            ]
            for labels, column in target.columns(selector.matchers):
                names = sorted(labels) if selector.by is None else selector.by
                key = tuple([(name, labels[name]) for name in names if name in labels])
                total = sums.setdefault(key, [math.nan] * len(moments))
                for number, place in fresh:
                    value = column[place]
                    if not math.isnan(value):
                        total[number] = value if math.isnan(total[number]) else total[number] + value
        results = []
        for key, total in sums.items():
            kept = [number for number, value in enumerate(total) if not math.isnan(value)]
            times, values = (array("q", [moments[i] for i in kept]), array("d", [total[i] for i in kept]))
            if kept:
                results.append(Result(dict(key), times, values))
        return results

    def _candidates(self, matchers: Sequence[Matcher]) -> list[TargetSamples]:
        """Targets that can satisfy the matchers: few of many, so that nothing else is asked of the others."""
        chosen: set[int] | None = None
        for matcher in matchers:
            if matcher.values is None or "" in matcher.values:
                continue
            if matcher.label not in self._label_names:
                continue
            found = set().union(*(self._by_label.get((matcher.label, value), ()) for value in matcher.values))
            chosen = found if chosen is None else chosen & found
        numbers = self._targets if chosen is None else sorted(chosen)
        return [target for number in numbers if (target := self._targets[number]).matches(matchers)]
