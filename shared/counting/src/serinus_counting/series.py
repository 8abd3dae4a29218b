"""Samples as Prometheus stores them, and which process they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from serinus_contracts.selector import Labels

# Labels that a scrape configuration commonly puts on every series of one target.
TARGET_LABELS = ("job", "instance", "namespace", "service", "endpoint", "node", "pod", "container")

Target = tuple[str, ...]


@dataclass(frozen=True)
class Series:
    """One series: labels with `__name__`, sample times in ms, ascending, and the values at them."""

    labels: Labels
    times: Sequence[int]
    values: Sequence[float]

    @cached_property
    def target(self) -> Target:
        """What names the scraped process, as far as labels tell."""
        get = self.labels.get
        return tuple([get(label, "") for label in TARGET_LABELS])


def with_pods(series: Sequence[Series], label: str) -> Sequence[Series]:
    """The same series, with the pod that a label of another name holds as `pod`."""
    if label == "pod":
        return series
    return [replace(one, labels={**one.labels, "pod": one.labels.get(label, "")}) for one in series]


def scrape_interval(series: Sequence[Series]) -> int | None:
    """Median distance (ms) of neighbouring samples, None if no series has two.

    A few series suffice: all of a job are scraped at the same interval, and a median bears missed scrapes.
    """
    distances: list[int] = []
    for one in series:
        distances.extend(later - earlier for earlier, later in zip(one.times, one.times[1:], strict=False))
        if len(distances) >= 50:
            break
    return sorted(distances)[len(distances) // 2] if distances else None
