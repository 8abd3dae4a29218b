"""What agents send to a store of sums: how much each series grew between two scrapes, at the time of the later one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from serinus_simulator.clock import Agenda
from serinus_simulator.prometheus.promql import Matcher, Selector
from serinus_simulator.prometheus.tsdb import LOOKBACK, SampleStore


@dataclass(frozen=True)
class Point:
    """A count of one series, at a time in milliseconds."""

    tags: Mapping[str, str]
    at: int
    count: float


PointSource = Callable[[str, int, int], Iterable[Point]]
"""The points of a metric by its name, at times (ms) from the first to before the second, as far as they arrived."""


class ScrapedPoints:
    """The points of agents that scrape as the simulator's Prometheus does; a series' first value is no growth."""

    def __init__(self, samples: SampleStore, agenda: Agenda) -> None:
        self._samples, self._agenda = samples, agenda

    def __call__(self, name: str, begin: int, end: int) -> Iterator[Point]:
        self._agenda.catch_up()
        named = Matcher("__name__", "=", name, frozenset({name}), name.__eq__)
        for one in self._samples.range(Selector((named,), end - begin + LOOKBACK), end - 1):
            tags = {key: value for key, value in one.labels.items() if key != "__name__"}
            for before, after, at in zip(one.values, one.values[1:], one.times[1:], strict=False):
                if at >= begin:
                    yield Point(tags, at, after - before if after >= before else after)
