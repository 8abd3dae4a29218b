"""Which metrics are asked for by one query: those whose selectors differ by the names of metrics alone."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from serinus_contracts import AnalysisPlan, Matcher, PlanMetric, Queried, Selector
from serinus_counting.kept import Kept
from serinus_counting.progress import Progress
from serinus_counting.resets import Span
from serinus_counting.windows import RunState, reach_ms

# A provider that refused a query for what it asks for is asked so again after this.
REFUSED_SECONDS = 600.0
MAX_REFUSALS = 10_000
# Of the groups of plans that are kept, and as much of selectors.
MAX_BYTES = 8 * 2**20


def _bytes_of_groups(groups: dict[str, Hashable]) -> int:
    matchers = [of if isinstance(of, frozenset) else () for of in groups.values()]
    return sum(600 + sum(300 + sum(map(len, matcher)) for matcher in found) for found in matchers)


def _bytes_of_selector(selector: Selector) -> int:
    return 1500 + sum(1000 + len(one.value) for one in selector.matchers)


_grouping: Kept[dict[str, Hashable]] = Kept(MAX_BYTES, _bytes_of_groups)
_selectors: Kept[Selector] = Kept(MAX_BYTES, _bytes_of_selector)


class Asked(NamedTuple):
    """A metric that samples are asked for, and how far back (ms). `before`: what its windows before have counted."""

    metric: PlanMetric
    window: Span
    reach_ms: int
    before: Progress | None

    @classmethod
    def of(cls, state: RunState, metric: PlanMetric, window: Span) -> "Asked":
        """As its window and what is known of it want it."""
        before = state.progress.get(metric.name) if state.ends_stage == window.floor else None
        return cls(metric, window, reach_ms(window, state.scrape_ms, before), before)

    @property
    def selector(self) -> Selector:
        """What selects its series."""
        source = self.metric.source
        assert not isinstance(source, Queried), "it is a query of its own"
        return source.query


def grouped(plan: AnalysisPlan, asked: Sequence[Asked]) -> Sequence[Sequence[Asked]]:
    """The same metrics by the query that can answer them."""
    group_of = _grouping.of(plan.digest, partial(_groups, plan))
    groups: dict[Hashable, list[Asked]] = {}
    for one in asked:
        groups.setdefault(group_of[one.metric.name], []).append(one)
    return list(groups.values())


def _groups(plan: AnalysisPlan) -> dict[str, Hashable]:
    """What metrics of one group have in common, by name of the metric."""
    return {
        metric.name: _common(metric.source.query) or metric.name
        for metric in plan.metrics
        if not isinstance(metric.source, Queried)
    }


def _common(selector: Selector) -> Hashable:
    """What a query must share with this one to go with it, None where it is to go alone."""
    # Whether a provider knows names in quotes is found out for each query.
    if selector.names is None or selector.quotes_names:
        return None
    return frozenset(one.key for one in selector.matchers if one.label != "__name__") or None


def selector_of(plan: AnalysisPlan, group: Sequence[Asked]) -> Selector:
    """One that selects the series of all of a group and no others."""
    made = partial(_either, [one.selector for one in group])
    return _selectors.of((plan.digest, tuple([one.metric.name for one in group])), made)


def _either(selectors: Sequence[Selector]) -> Selector:
    names = frozenset[str]().union(*[one.names or () for one in selectors])
    if selectors[0].names == names:
        return selectors[0]
    either = Matcher(label="__name__", op="=~", value="|".join(map(re.escape, sorted(names))))
    return Selector(matchers=(either, *[one for one in selectors[0].matchers if one.label != "__name__"]))


@dataclass
class Refusals:
    """Queries for several metrics that a provider refused for a limit: for a while it is asked one by one."""

    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def add(self, query: Hashable) -> None:
        """It was refused now."""
        self._until[query] = self.clock() + REFUSED_SECONDS
        self._until.move_to_end(query)
        if len(self._until) > MAX_REFUSALS:
            self._until.popitem(last=False)

    def __contains__(self, query: Hashable) -> bool:
        return self._until.get(query, float("-inf")) > self.clock()
